# Reliability of maps of unique variance, from halves of the test images.


HALVES = expand(
    f"{RESULTS}/split_half/{{subject}}/{{comparison}}.h5",
    subject=STUDY.subjects,
    comparison=STUDY.comparisons,
)


localrules:
    split_half,


rule split_half:
    input:
        ([f"{RESULTS}/tables/split_half.tsv"] if STUDY.split_half and STUDY.comparisons else []),


if STUDY.split_half:

    rule halve_test_images:
        input:
            predictions=lambda wildcards: [
                f"{RESULTS}/predictions/{wildcards.subject}/{WHOLE}/{model}.h5"
                for model in STUDY.models_of(wildcards.comparison)
            ],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        output:
            f"{RESULTS}/split_half/{{subject}}/{{comparison}}.h5",
        resources:
            mem_mb=per_attempt(2000),
            runtime=per_attempt(30),
        params:
            **parameters("halve_test_images"),
        shell:
            command("halve_test_images")

    rule write_split_half:
        input:
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
            results=HALVES,
        output:
            f"{RESULTS}/tables/split_half.tsv",
        resources:
            mem_mb=per_attempt(2000),
            runtime=per_attempt(15),
        params:
            **parameters("write_analysis_table"),
            analysis="split_half",
        shell:
            command("write_analysis_table")
