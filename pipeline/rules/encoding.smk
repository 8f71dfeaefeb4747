# All subsets of a contrast's feature spaces in one job; a single model is a contrast of one.


ENCODING = of_fits("encoding", variants=STUDY.all_variants)


rule encoding:
    input:
        CHECKED,
        ENCODING,


rule fit_encoding_models:
    input:
        features=lambda wildcards: [
            feature_file(space, wildcards.subject, wildcards.variant)
            for space in STUDY.fits(wildcards.variant)[wildcards.fit]
        ],
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        encoding=f"{RESULTS}/encoding/{{subject}}/{{variant}}/{{fit}}.h5",
        predictions=f"{RESULTS}/predictions/{{subject}}/{{variant}}/{{fit}}.h5",
    log:
        f"{RESULTS}/logs/fit_encoding_models/{{subject}}_{{variant}}_{{fit}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_encoding_models/{{subject}}_{{variant}}_{{fit}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        # features, and what lies outside the solver's own budget, in 1 GB
        mem_mb=int(1000 * (1 + STUDY.encoding.memory_gb)),
        runtime=240,
    params:
        spaces=lambda wildcards: STUDY.fits(wildcards.variant)[wildcards.fit],
        specifications=lambda wildcards: canonical(
            {
                space: STUDY.feature_specification(space)
                for space in STUDY.fits(wildcards.variant)[wildcards.fit]
            }
        ),
        encoding=lambda wildcards: canonical(
            STUDY.encoding_of(wildcards.variant).model_dump(mode="json")
        ),
        code=code_version("pipeline.stages.fit_encoding_models"),
    shell:
        "python -m pipeline.stages.fit_encoding_models --spaces {params.spaces}"
        " --features {input.features:q} --specifications {params.specifications:q}"
        " --responses {input.responses:q} --split {input.split:q}"
        " --configuration {params.encoding:q} --out {output.encoding:q}"
        " --predictions {output.predictions:q} 2>&1 | tee {log:q}"


rule significance:
    input:
        of_fits("significance"),


rule assess_significance:
    input:
        predictions=f"{RESULTS}/predictions/{{subject}}/{{variant}}/{{fit}}.h5",
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        f"{RESULTS}/significance/{{subject}}/{{variant}}/{{fit}}.h5",
    log:
        f"{RESULTS}/logs/assess_significance/{{subject}}_{{variant}}_{{fit}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/assess_significance/{{subject}}_{{variant}}_{{fit}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        spaces=lambda wildcards: STUDY.fits(wildcards.variant)[wildcards.fit],
        significance=section("significance"),
        code=code_version("pipeline.stages.assess_significance"),
    shell:
        "python -m pipeline.stages.assess_significance --spaces {params.spaces}"
        " --predictions {input.predictions:q} --responses {input.responses:q}"
        " --split {input.split:q} --configuration {params.significance:q} --out {output:q}"
        " 2>&1 | tee {log:q}"
