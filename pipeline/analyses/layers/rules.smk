# Layers of one network, each fitted alone: scores per ROI and each voxel's preferred layer.


rule prefer_layers:
    input:
        encoding=lambda wildcards: [
            f"{RESULTS}/encoding/{wildcards.subject}/{WHOLE}/{space}.h5"
            for space in STUDY.layerwise[wildcards.network]
        ],
    output:
        f"{RESULTS}/layers/{{subject}}/{{network}}.h5",
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("prefer_layers"),
    shell:
        command("prefer_layers")
