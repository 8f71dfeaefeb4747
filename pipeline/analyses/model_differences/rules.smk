# R² of one model minus that of another, tested voxel by voxel.


rule compare_models:
    input:
        predictions=lambda wildcards: predictions_for(
            "model_differences",
            [(WHOLE, model) for model in STUDY.model_differences[wildcards.pair]],
            wildcards.subject,
        ),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
    output:
        f"{RESULTS}/model_differences/{{subject}}/{{pair}}.h5",
    resources:
        **per_attempt(mem_mb=2000, runtime=60),
    params:
        **parameters("compare_models"),
    shell:
        command("compare_models")
