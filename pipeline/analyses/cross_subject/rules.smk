# Mean responses of regions, predicted by the encoders of other subjects.


rule average_regions:
    input:
        predictions=predictions_for("cross_subject", ANALYSES["cross_subject"].predicted(STUDY)),
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{ANALYSES['cross_subject'].predicted(STUDY)[0][1]}.h5",
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
    output:
        f"{RESULTS}/cross_subject/means/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=2000, runtime=60),
    params:
        **parameters("average_regions"),
    shell:
        command("average_regions")


rule compare_brains:
    input:
        means=expand(f"{RESULTS}/cross_subject/means/{{other}}.h5", other=STUDY.subjects),
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
    output:
        f"{RESULTS}/cross_subject/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("compare_brains"),
    shell:
        command("compare_brains")
