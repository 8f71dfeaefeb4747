# Scores against the number of training images, and where one model overtakes another.


CURVE_TABLES = [f"{RESULTS}/tables/{name}.tsv" for name in ("learning_curves", "overtaking")]


rule learning_curves:
    input:
        CURVE_TABLES if STUDY.learning_curves else [],


if STUDY.learning_curves:

    # all images that train are the last point of a curve
    CURVE_FITS = [
        *STUDY.learning_curves.fits,
        *({"variant": WHOLE, "model": m, "draw": 0} for m in STUDY.learning_curves.models),
    ]

    rule summarise_learning_curves:
        input:
            encoding=[
                f"{RESULTS}/encoding/{{subject}}/{fit['variant']}/{fit['model']}.h5"
                for fit in CURVE_FITS
            ],
            predictions=[
                f"{RESULTS}/predictions/{{subject}}/{fit['variant']}/{fit['model']}.h5"
                for fit in CURVE_FITS
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
            models=[fit["model"] for fit in CURVE_FITS],
            draws=[fit["draw"] for fit in CURVE_FITS],
            settings=canonical(
                {
                    "draws": STUDY.learning_curves.draws,
                    "resample": STUDY.significance.resample,
                    "seed": STUDY.significance.seed,
                }
            ),
            code=code_version("pipeline.stages.summarise_learning_curves"),
        shell:
            "python -m pipeline.stages.summarise_learning_curves --models {params.models}"
            " --draws {params.draws} --encoding {input.encoding:q}"
            " --predictions {input.predictions:q} --responses {input.responses:q}"
            " --split {input.split:q} --rois {input.rois:q} --configuration {params.settings:q} --out {output:q}"
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
            level=STUDY.significance.level,
            code=code_version("pipeline.stages.write_learning_curve_tables"),
        shell:
            "python -m pipeline.stages.write_learning_curve_tables --curves {input.curves:q}"
            " --rois {input.rois:q} --level {params.level} --out {output:q} 2>&1 | tee {log:q}"
