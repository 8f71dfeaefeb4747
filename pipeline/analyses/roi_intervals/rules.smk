# Mean scores of regions in each subject, with intervals over test images.


rule assess_regions:
    input:
        predictions=predictions_for("roi_intervals", ANALYSES["roi_intervals"].predicted(STUDY)),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
    output:
        f"{RESULTS}/roi_intervals/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=3000, runtime=240),
    params:
        **parameters("assess_regions"),
    shell:
        command("assess_regions")
