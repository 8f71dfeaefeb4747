# Layers of one network, each fitted alone: scores per ROI and each voxel's preferred layer.


localrules:
    layers,


rule layers:
    input:
        [f"{RESULTS}/tables/layers.tsv"] if STUDY.layerwise else [],


rule prefer_layers:
    input:
        encoding=lambda wildcards: [
            f"{RESULTS}/encoding/{wildcards.subject}/{WHOLE}/{space}.h5"
            for space in STUDY.layerwise[wildcards.network]
        ],
    output:
        f"{RESULTS}/layers/{{subject}}/{{network}}.h5",
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        **parameters("prefer_layers"),
    shell:
        command("prefer_layers")


rule write_layer_table:
    input:
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        results=expand(
            f"{RESULTS}/layers/{{subject}}/{{network}}.h5",
            subject=STUDY.subjects,
            network=STUDY.layerwise,
        ),
    output:
        f"{RESULTS}/tables/layers.tsv",
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        **parameters("write_analysis_table"),
        analysis="layers",
    shell:
        command("write_analysis_table")
