# Which test images are identified from the patterns that models, and other brains, predict.


IDENTIFICATION_TABLES = [
    f"{RESULTS}/tables/{name}.tsv" for name in ("error_consistency", "image_accuracy")
]


rule error_consistency:
    input:
        IDENTIFICATION_TABLES if STUDY.error_consistency else [],


if STUDY.error_consistency:

    rule identify_images:
        input:
            predictions=[
                f"{RESULTS}/predictions/{{subject}}/{WHOLE}/{model}.h5"
                for model in STUDY.identifying_models
            ],
            encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{STUDY.identifying_models[0]}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            responses=expand(f"{RESULTS}/responses/{{other}}.h5", other=STUDY.subjects),
            rois=expand(f"{RESULTS}/rois/{{other}}.tsv", other=STUDY.subjects),
        output:
            f"{RESULTS}/identification/{{subject}}.h5",
        log:
            f"{RESULTS}/logs/identify_images/{{subject}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/identify_images/{{subject}}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(120),
        params:
            models=setting("identifying_models"),
            subjects=setting("subjects"),
            settings=setting("identification"),
            code=code_version("pipeline.stages.identify_images"),
        shell:
            "python -m pipeline.stages.identify_images --models {params.models.key}"
            " --predictions {input.predictions:q} --encoding {input.encoding:q}"
            " --split {input.split:q} --subject {wildcards.subject} --subjects {params.subjects.key}"
            " --responses {input.responses:q} --rois {input.rois:q}"
            " --configuration {params.settings.key} --out {output:q} 2>&1 | tee {log:q}"

    rule write_identification_tables:
        input:
            identification=expand(
                f"{RESULTS}/identification/{{subject}}.h5", subject=STUDY.subjects
            ),
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            IDENTIFICATION_TABLES,
        log:
            f"{RESULTS}/logs/write_identification_tables.log",
        benchmark:
            f"{RESULTS}/benchmarks/write_identification_tables.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(30),
        params:
            significance=setting("significance"),
            code=code_version("pipeline.stages.write_identification_tables"),
        shell:
            "python -m pipeline.stages.write_identification_tables"
            " --identification {input.identification:q} --rois {input.rois:q}"
            " --significance {params.significance.key} --out {output:q} 2>&1 | tee {log:q}"
