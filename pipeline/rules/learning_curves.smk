# Scores against the number of training images, and where one model overtakes another.


CURVE_TABLES = [f"{RESULTS}/tables/{name}.tsv" for name in ("learning_curves", "overtaking")]


rule learning_curves:
    input:
        CURVE_TABLES if STUDY.learning_curves else [],


if STUDY.learning_curves:

    rule summarise_learning_curves:
        input:
            encoding=[
                f"{RESULTS}/encoding/{{subject}}/{fit['variant']}/{fit['model']}.h5"
                for fit in STUDY.learning_curve_fits
            ],
            predictions=[
                f"{RESULTS}/predictions/{{subject}}/{fit['variant']}/{fit['model']}.h5"
                for fit in STUDY.learning_curve_fits
            ],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            rois=f"{RESULTS}/rois/{{subject}}.tsv",
        output:
            f"{RESULTS}/learning_curves/{{subject}}.h5",
        log:
            f"{RESULTS}/logs/summarise_learning_curves/{{subject}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/summarise_learning_curves/{{subject}}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(120),
        params:
            models=setting("learning_curve.models"),
            draws=setting("learning_curve.draws"),
            settings=setting("learning_curve.resampling"),
            code=code_version("pipeline.stages.summarise_learning_curves"),
        shell:
            "python -m pipeline.stages.summarise_learning_curves --models {params.models.key}"
            " --draws {params.draws.key} --encoding {input.encoding:q}"
            " --predictions {input.predictions:q} --responses {input.responses:q}"
            " --split {input.split:q} --rois {input.rois:q} --configuration {params.settings.key} --out {output:q}"
            " 2>&1 | tee {log:q}"

    rule write_learning_curve_tables:
        input:
            curves=expand(f"{RESULTS}/learning_curves/{{subject}}.h5", subject=STUDY.subjects),
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            CURVE_TABLES,
        log:
            f"{RESULTS}/logs/write_learning_curve_tables.log",
        benchmark:
            f"{RESULTS}/benchmarks/write_learning_curve_tables.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(15),
        params:
            level=setting("significance.level"),
            code=code_version("pipeline.stages.write_learning_curve_tables"),
        shell:
            "python -m pipeline.stages.write_learning_curve_tables --curves {input.curves:q}"
            " --rois {input.rois:q} --level {params.level.key} --out {output:q} 2>&1 | tee {log:q}"
