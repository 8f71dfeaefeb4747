# Identification of test images from response patterns predicted by models and other brains.


from pipeline.analyses.identification.analysis import identifying_models


rule identify_images:
    input:
        predictions=predictions_for("identification", ANALYSES["identification"].predicted(STUDY)),
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{identifying_models(STUDY)[0]}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        responses=expand(f"{RESULTS}/responses/{{other}}.h5", other=STUDY.subjects),
        rois=expand(f"{RESULTS}/rois/{{other}}.tsv", other=STUDY.subjects),
    output:
        f"{RESULTS}/identification/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=4000, runtime=120),
    params:
        **parameters("identify_images"),
    shell:
        command("identify_images")
