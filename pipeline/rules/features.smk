# A network runs over the images that all subjects were to see, and over each subject's own, and keeps
# its layers in a folder that studies share; of these a subject's feature spaces are made. One that
# training images decide (principal components) is made for each variant of a study.


rule features:
    input:
        CHECKED,
        sorted(
            {
                feature_file(space, subject, variant)
                for subject in STUDY.subjects
                for variant in STUDY.all_variants
                for spaces in STUDY.fits(variant).values()
                for space in spaces
            }
        ),


rule list_images:
    input:
        tree=nsd_files("list_images"),
    output:
        f"{RESULTS}/images/{{part}}.tsv",
    log:
        f"{RESULTS}/logs/list_images/{{part}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_images/{{part}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        nsd=NSD,
        code=code_version("pipeline.stages.list_images"),
    shell:
        "python -m pipeline.stages.list_images --nsd {params.nsd:q} --part {wildcards.part}"
        " --out {output:q} 2>&1 | tee {log:q}"


rule label_images:
    input:
        images=f"{RESULTS}/images/{{subject}}.tsv",
        tree=nsd_files("label_images"),
    output:
        f"{RESULTS}/labels/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/label_images/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_images/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        # COCO's instances as text, and read
        mem_mb=growing(6000),
        runtime=growing(30),
    params:
        nsd=NSD,
        code=code_version("pipeline.stages.label_images"),
    shell:
        "python -m pipeline.stages.label_images --nsd {params.nsd:q} --images {input.images:q}"
        " --out {output:q} 2>&1 | tee {log:q}"


# What the folder that studies share has already is not extracted again.
rule extract_features:
    input:
        images=f"{RESULTS}/images/{{part}}.tsv",
        tree=nsd_files("extract_features", needs=stimuli_of),
    output:
        f"{RESULTS}/features/layers/{{network}}/{{part}}_{{shard}}.h5",
    log:
        f"{RESULTS}/logs/extract_features/{{network}}_{{part}}_{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_features/{{network}}_{{part}}_{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(3000),
        # a subject's images take networks of the catalogue 6 minutes on eight cores, 2 on a GPU
        runtime=growing(30),
    params:
        nsd=NSD,
        weights=WEIGHTS,
        store=FEATURES,
        study=setting("study"),
        network=setting("network_specification.{network}"),
        layers=setting("network_layers.{network}"),
        code=code_version("pipeline.stages.extract_features"),
    shell:
        "python -m pipeline.stages.extract_features --nsd {params.nsd:q} --images {input.images:q}"
        " --part {wildcards.part} --network {params.network.key} --layers {params.layers.key}"
        " --shard {wildcards.shard} --weights {params.weights:q} --threads {threads}"
        " --store {params.store:q} --study {params.study.key} --out {output:q} 2>&1 | tee {log:q}"


rule reduce_features:
    input:
        shards=shards_of,
        images=f"{RESULTS}/images/{{subject}}.tsv",
    output:
        f"{RESULTS}/features/{{subject}}/{{space}}.h5",
    log:
        f"{RESULTS}/logs/reduce_features/{{subject}}_{{space}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reduce_features/{{subject}}_{{space}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=setting("space_specification.{space}"),
        code=code_version("pipeline.stages.reduce_features"),
    shell:
        "python -m pipeline.stages.reduce_features --space {wildcards.space}"
        " --settings {params.settings.key} --images {input.images:q} --shards {input.shards:q}"
        " --out {output:q} 2>&1 | tee {log:q}"


rule fit_reduction:
    input:
        shards=shards_of,
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        f"{RESULTS}/features/{{subject}}/{{variant}}/{{space}}.h5",
    log:
        f"{RESULTS}/logs/fit_reduction/{{subject}}_{{variant}}_{{space}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_reduction/{{subject}}_{{variant}}_{{space}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        settings=setting("space_specification.{space}"),
        code=code_version("pipeline.stages.reduce_features"),
    shell:
        "python -m pipeline.stages.reduce_features --space {wildcards.space}"
        " --settings {params.settings.key} --split {input.split:q} --shards {input.shards:q}"
        " --out {output:q} 2>&1 | tee {log:q}"
