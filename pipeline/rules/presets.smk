# Two studies in one repository: what the choices that differ do to the results.


PRESETS = section("compare_presets")


rule compare_presets:
    input:
        # the other study has a configuration of its own: the stage tells what it lacks
        TABLES if PRESETS else [],
    output:
        f"{RESULTS}/tables/preset_differences.tsv",
    log:
        f"{RESULTS}/logs/compare_presets.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_presets.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        folders=PRESETS,
        code=code_version("pipeline.stages.compare_presets"),
    shell:
        "python -m pipeline.stages.compare_presets --folders {params.folders:q} --out {output:q}"
        " 2>&1 | tee {log:q}"
