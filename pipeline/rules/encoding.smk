# All subsets of a contrast's feature spaces in one job; a single model is a contrast of one.


ENCODING = of_fits("encoding", variants=STUDY.all_variants)
N_CHUNKS = STUDY.scatter.voxel_chunks
PART = "_{chunk}" if N_CHUNKS > 1 else ""


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
        encoding=scattered("encoding"),
        predictions=scattered("predictions"),
    log:
        f"{RESULTS}/logs/fit_encoding_models/{{subject}}_{{variant}}_{{fit}}{PART}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_encoding_models/{{subject}}_{{variant}}_{{fit}}{PART}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=solving_mb,
        solver_mb=solver_mb,
        runtime=minutes_of_fit,
    params:
        spaces=setting("fits.{variant}.{fit}"),
        specifications=lambda wildcards: of_run(
            "feature_specification:" + ",".join(STUDY.fits(wildcards.variant)[wildcards.fit])
        ),
        encoding=setting("encoding_of.{variant}"),
        chunk=lambda wildcards: wildcards.get("chunk", "1of1"),
        code=code_version("pipeline.stages.fit_encoding_models"),
    shell:
        "python -m pipeline.stages.fit_encoding_models --chunk {params.chunk} --spaces {params.spaces.key}"
        " --features {input.features:q} --specifications {params.specifications.key}"
        " --responses {input.responses:q} --split {input.split:q}"
        " --configuration {params.encoding.key} --out {output.encoding:q}"
        " --predictions {output.predictions:q} --memory-mb {resources.solver_mb} 2>&1 | tee {log:q}"


rule significance:
    input:
        of_fits("significance"),


rule assess_significance:
    input:
        predictions=f"{RESULTS}/predictions/{{subject}}/{{variant}}/{{fit}}.h5",
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        scattered("significance"),
    log:
        f"{RESULTS}/logs/assess_significance/{{subject}}_{{variant}}_{{fit}}{PART}.log",
    benchmark:
        f"{RESULTS}/benchmarks/assess_significance/{{subject}}_{{variant}}_{{fit}}{PART}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        spaces=setting("fits.{variant}.{fit}"),
        significance=setting("significance"),
        chunk=lambda wildcards: wildcards.get("chunk", "1of1"),
        code=code_version("pipeline.stages.assess_significance"),
    shell:
        "python -m pipeline.stages.assess_significance --chunk {params.chunk} --spaces {params.spaces.key}"
        " --predictions {input.predictions:q} --responses {input.responses:q}"
        " --split {input.split:q} --configuration {params.significance.key} --out {output:q}"
        " 2>&1 | tee {log:q}"


if N_CHUNKS > 1:

    rule gather_voxels:
        input:
            expand(
                f"{RESULTS}/parts/{{{{scattered}}}}/{{{{subject}}}}/{{{{variant}}}}/{{{{fit}}}}/{{chunk}}.h5",
                chunk=[f"{number}of{N_CHUNKS}" for number in range(1, N_CHUNKS + 1)],
            ),
        output:
            f"{RESULTS}/{{scattered}}/{{subject}}/{{variant}}/{{fit}}.h5",
        log:
            f"{RESULTS}/logs/gather_voxels/{{scattered}}_{{subject}}_{{variant}}_{{fit}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/gather_voxels/{{scattered}}_{{subject}}_{{variant}}_{{fit}}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            rates=lambda wildcards: (
                "--false-discovery-rates" if wildcards.scattered == "significance" else ""
            ),
            code=code_version("pipeline.stages.gather_voxels"),
        shell:
            "python -m pipeline.stages.gather_voxels --parts {input:q} {params.rates} --out {output:q}"
            " 2>&1 | tee {log:q}"
