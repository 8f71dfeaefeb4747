# R² of one model less that of another, tested voxel by voxel.


localrules:
    model_differences,


rule model_differences:
    input:
        [f"{RESULTS}/tables/model_differences.tsv"] if STUDY.model_differences else [],


rule compare_models:
    input:
        predictions=lambda wildcards: [
            f"{RESULTS}/predictions/{wildcards.subject}/{WHOLE}/{model}.h5"
            for model in STUDY.model_differences[wildcards.pair]
        ],
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
    output:
        f"{RESULTS}/model_differences/{{subject}}/{{pair}}.h5",
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(60),
    params:
        **parameters("compare_models"),
    shell:
        command("compare_models")


rule write_model_differences:
    input:
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        results=expand(
            f"{RESULTS}/model_differences/{{subject}}/{{pair}}.h5",
            subject=STUDY.subjects,
            pair=STUDY.model_differences,
        ),
    output:
        f"{RESULTS}/tables/model_differences.tsv",
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        **parameters("write_analysis_table"),
        analysis="model_differences",
    shell:
        command("write_analysis_table")
