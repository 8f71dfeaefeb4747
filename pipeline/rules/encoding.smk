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
        out=scattered("encoding"),
        predictions=scattered("predictions"),
    resources:
        mem_mb=estimated_mb,
        solver_mb=solver_mb,
        runtime=estimated_minutes,
    params:
        **parameters("fit_encoding_models"),
        specifications=lambda wildcards: of_run(
            "feature_specification:" + ",".join(STUDY.fits(wildcards.variant)[wildcards.fit])
        ),
        chunk=lambda wildcards: wildcards.get("chunk", "1of1"),
    shell:
        command("fit_encoding_models")


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
    resources:
        mem_mb=estimated_mb,
        runtime=estimated_minutes,
    params:
        **parameters("assess_significance"),
        chunk=lambda wildcards: wildcards.get("chunk", "1of1"),
    shell:
        command("assess_significance")


if N_CHUNKS > 1:

    rule gather_voxels:
        input:
            parts=expand(
                f"{RESULTS}/parts/{{{{scattered}}}}/{{{{subject}}}}/{{{{variant}}}}/{{{{fit}}}}/{{chunk}}.h5",
                chunk=[f"{number}of{N_CHUNKS}" for number in range(1, N_CHUNKS + 1)],
            ),
        output:
            f"{RESULTS}/{{scattered}}/{{subject}}/{{variant}}/{{fit}}.h5",
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            **parameters("gather_voxels"),
            false_discovery_rates=lambda wildcards: wildcards.scattered == "significance",
        shell:
            command("gather_voxels")
