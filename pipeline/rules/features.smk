# One file per feature space, for every image that some subject of the study saw.


rule features:
    input:
        CHECKED,
        expand(f"{FEATURES}/{{space}}.h5", space=STUDY.used_spaces),


rule list_images:
    input:
        tree=TREE,
    output:
        f"{FEATURES}/images.tsv",
    log:
        f"{RESULTS}/logs/list_images.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_images.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        nsd=NSD,
        subjects=STUDY.subjects,
        code=code_version("pipeline.stages.list_images"),
    shell:
        "python -m pipeline.stages.list_images --nsd {params.nsd:q} --subjects {params.subjects}"
        " --out {output:q} 2>&1 | tee {log:q}"


rule extract_features:
    input:
        images=f"{FEATURES}/images.tsv",
        tree=TREE,
    output:
        f"{FEATURES}/{{space}}.h5",
    log:
        f"{FEATURES}/logs/{{space}}.log",
    benchmark:
        f"{FEATURES}/benchmarks/{{space}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=3000,
        runtime=240,
    params:
        nsd=NSD,
        specification=lambda wildcards: canonical(STUDY.space_specification(wildcards.space)),
        code=code_version("pipeline.stages.extract_features"),
    shell:
        "python -m pipeline.stages.extract_features --nsd {params.nsd:q} --images {input.images:q}"
        " --space {wildcards.space} --specification {params.specification:q}"
        " --threads {threads} --out {output:q} 2>&1 | tee {log:q}"
