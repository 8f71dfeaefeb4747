# Layers of one network, each fitted alone: curves per ROI, and every voxel's preferred layer.


LAYER_TABLES = [f"{RESULTS}/tables/layers.tsv"] if STUDY.layerwise else []


rule layers:
    input:
        LAYER_TABLES,


rule prefer_layers:
    input:
        encoding=lambda wildcards: [
            f"{RESULTS}/encoding/{wildcards.subject}/{WHOLE}/{space}.h5"
            for space in STUDY.layerwise[wildcards.network]
        ],
    output:
        f"{RESULTS}/layers/{{subject}}/{{network}}.h5",
    log:
        f"{RESULTS}/logs/prefer_layers/{{subject}}_{{network}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prefer_layers/{{subject}}_{{network}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        layers=setting("layerwise.{network}"),
        preferred_layer=setting("preferred_layer"),
        code=code_version("pipeline.stages.prefer_layers"),
    shell:
        "python -m pipeline.stages.prefer_layers --network {wildcards.network}"
        " --layers {params.layers.key} --encoding {input.encoding:q}"
        " --configuration {params.preferred_layer.key} --out {output:q} 2>&1 | tee {log:q}"


rule write_layer_table:
    input:
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        layers=expand(
            f"{RESULTS}/layers/{{subject}}/{{network}}.h5",
            subject=STUDY.subjects,
            network=STUDY.layerwise,
        ),
    output:
        f"{RESULTS}/tables/layers.tsv",
    log:
        f"{RESULTS}/logs/write_layer_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_layer_table.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        code=code_version("pipeline.stages.write_layer_table"),
    shell:
        "python -m pipeline.stages.write_layer_table --rois {input.rois:q}"
        " --layers {input.layers:q} --out {output:q} 2>&1 | tee {log:q}"
