# Mean scores of regions in each subject, with intervals over test images.


from pipeline.analyses.roi_intervals.analysis import compared_models


localrules:
    roi_intervals,


rule roi_intervals:
    input:
        [f"{RESULTS}/tables/roi_intervals.tsv"] if STUDY.roi_intervals else [],


if STUDY.roi_intervals:

    rule assess_regions:
        input:
            predictions=[
                f"{RESULTS}/predictions/{{subject}}/{WHOLE}/{model}.h5"
                for model in compared_models(STUDY)
            ],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            rois=f"{RESULTS}/rois/{{subject}}.tsv",
        output:
            f"{RESULTS}/roi_intervals/{{subject}}.h5",
        resources:
            mem_mb=per_attempt(3000),
            runtime=per_attempt(240),
        params:
            **parameters("assess_regions"),
        shell:
            command("assess_regions")

    rule write_roi_intervals:
        input:
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
            results=expand(f"{RESULTS}/roi_intervals/{{subject}}.h5", subject=STUDY.subjects),
        output:
            f"{RESULTS}/tables/roi_intervals.tsv",
        resources:
            mem_mb=per_attempt(1000),
            runtime=per_attempt(15),
        params:
            **parameters("write_analysis_table"),
            analysis="roi_intervals",
        shell:
            command("write_analysis_table")
