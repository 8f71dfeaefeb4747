# Projections on components and unique variance.


rule correlate_projections:
    input:
        projections=expand(
            f"{RESULTS}/interpretation/{{subject}}/projections.h5", subject=STUDY.subjects
        ),
        partitions=expand(
            f"{RESULTS}/partitions/{{subject}}/{WHOLE}/{{comparison}}.h5",
            subject=STUDY.subjects,
            comparison=STUDY.component_variance.comparisons,
        ),
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
    output:
        ANALYSIS_TABLES["component_variance"],
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("correlate_projections"),
    shell:
        command("correlate_projections")
