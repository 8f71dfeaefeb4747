# Scores against the number of training images, and where one model overtakes another.


rule summarise_learning_curves:
    input:
        encoding=[
            f"{RESULTS}/encoding/{{subject}}/{fit['variant']}/{fit['model']}.h5"
            for fit in STUDY.learning_curves.fits
        ],
        predictions=predictions_for("learning_curves", ANALYSES["learning_curves"].predicted(STUDY)),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
    output:
        f"{RESULTS}/learning_curves/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=2000, runtime=120),
    params:
        **parameters("summarise_learning_curves"),
    shell:
        command("summarise_learning_curves")
