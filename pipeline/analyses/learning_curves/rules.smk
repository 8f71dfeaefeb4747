# Scores against the number of training images, and where one model overtakes another.


CURVES = STUDY.learning_curves
CURVE_TABLES = [f"{RESULTS}/tables/{name}.tsv" for name in ("learning_curves", "overtaking")]


localrules:
    learning_curves,


rule learning_curves:
    input:
        CURVE_TABLES if CURVES else [],


if CURVES:

    rule summarise_learning_curves:
        input:
            encoding=[
                f"{RESULTS}/encoding/{{subject}}/{fit['variant']}/{fit['model']}.h5"
                for fit in CURVES.fits
            ],
            predictions=[
                f"{RESULTS}/predictions/{{subject}}/{fit['variant']}/{fit['model']}.h5"
                for fit in CURVES.fits
            ],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            rois=f"{RESULTS}/rois/{{subject}}.tsv",
        output:
            f"{RESULTS}/learning_curves/{{subject}}.h5",
        resources:
            mem_mb=per_attempt(2000),
            runtime=per_attempt(120),
        params:
            **parameters("summarise_learning_curves"),
        shell:
            command("summarise_learning_curves")

    rule write_learning_curve_tables:
        input:
            curves=expand(f"{RESULTS}/learning_curves/{{subject}}.h5", subject=STUDY.subjects),
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            CURVE_TABLES,
        resources:
            mem_mb=per_attempt(1000),
            runtime=per_attempt(15),
        params:
            **parameters("write_learning_curve_tables"),
        shell:
            command("write_learning_curve_tables")
