# Representational similarity: agreement of feature spaces and ROIs on which images are alike.


rule measure_similarities:
    input:
        features=lambda wildcards: [
            feature_file(space, wildcards.subject, WHOLE)
            for space in STUDY.representational_similarity.spaces
        ],
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{STUDY.models[0]}.h5",
    output:
        f"{RESULTS}/similarities/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=4000, runtime=30),
    params:
        **parameters("measure_similarities"),
    shell:
        command("measure_similarities")


rule compare_similarities:
    input:
        similarities=expand(f"{RESULTS}/similarities/{{subject}}.h5", subject=STUDY.subjects),
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
    output:
        ANALYSIS_TABLES["similarity"],
    resources:
        **per_attempt(mem_mb=4000, runtime=60),
    params:
        **parameters("compare_similarities"),
    shell:
        command("compare_similarities")
