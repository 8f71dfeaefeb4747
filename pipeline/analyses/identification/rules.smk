# Identification of test images from response patterns predicted by models and other brains.


from pipeline.analyses.identification.analysis import identifying_models

IDENTIFICATION_TABLES = [
    f"{RESULTS}/tables/{name}.tsv" for name in ("error_consistency", "image_accuracy")
]


localrules:
    error_consistency,


rule error_consistency:
    input:
        IDENTIFICATION_TABLES if STUDY.error_consistency else [],


if STUDY.error_consistency:

    rule identify_images:
        input:
            predictions=[
                f"{RESULTS}/predictions/{{subject}}/{WHOLE}/{model}.h5"
                for model in identifying_models(STUDY)
            ],
            encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{identifying_models(STUDY)[0]}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            responses=expand(f"{RESULTS}/responses/{{other}}.h5", other=STUDY.subjects),
            rois=expand(f"{RESULTS}/rois/{{other}}.tsv", other=STUDY.subjects),
        output:
            f"{RESULTS}/identification/{{subject}}.h5",
        resources:
            mem_mb=per_attempt(4000),
            runtime=per_attempt(120),
        params:
            **parameters("identify_images"),
        shell:
            command("identify_images")

    rule write_identification_tables:
        input:
            identification=expand(
                f"{RESULTS}/identification/{{subject}}.h5", subject=STUDY.subjects
            ),
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            IDENTIFICATION_TABLES,
        resources:
            mem_mb=per_attempt(1000),
            runtime=per_attempt(30),
        params:
            **parameters("write_identification_tables"),
        shell:
            command("write_identification_tables")
