# A network runs once over all images that some subject of the study saw, shard by shard, and keeps
# its layers; of these each feature space is made. A space that training images decide (principal
# components) is made for each subject.


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
        f"{FEATURES}/images.tsv",
    log:
        f"{RESULTS}/logs/list_images.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_images.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        nsd=NSD,
        subjects=STUDY.subjects,
        code=code_version("pipeline.stages.list_images"),
    shell:
        "python -m pipeline.stages.list_images --nsd {params.nsd:q} --subjects {params.subjects}"
        " --out {output:q} 2>&1 | tee {log:q}"


# not beside the spaces, one of which may be called so
LABELS = f"{FEATURES}/labels/coco.h5"


rule label_images:
    input:
        images=f"{FEATURES}/images.tsv",
        tree=nsd_files("label_images"),
    output:
        LABELS,
    log:
        f"{RESULTS}/logs/label_images.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_images.tsv"
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


rule extract_features:
    input:
        images=f"{FEATURES}/images.tsv",
        tree=nsd_files("extract_features", needs=stimuli_of),
    output:
        f"{FEATURES}/layers/{{network}}/{{shard}}.h5",
    log:
        f"{FEATURES}/logs/extract_features/{{network}}_{{shard}}.log",
    benchmark:
        f"{FEATURES}/benchmarks/extract_features/{{network}}_{{shard}}.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=estimated_mb,
        runtime=estimated_minutes,
    params:
        nsd=NSD,
        weights=WEIGHTS,
        network=lambda wildcards: canonical(network_to_load(STUDY, wildcards.network)),
        layers=lambda wildcards: canonical(STUDY.network_layers(wildcards.network)),
        code=code_version("pipeline.stages.extract_features"),
    shell:
        "python -m pipeline.stages.extract_features --nsd {params.nsd:q} --images {input.images:q}"
        " --network {params.network:q} --layers {params.layers:q} --shard {wildcards.shard}"
        " --weights {params.weights:q} --threads {threads} --out {output:q} 2>&1 | tee {log:q}"


rule reduce_features:
    input:
        shards=shards_of,
    output:
        f"{FEATURES}/{{space}}.h5",
    log:
        f"{FEATURES}/logs/reduce_features/{{space}}.log",
    benchmark:
        f"{FEATURES}/benchmarks/reduce_features/{{space}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=lambda wildcards: canonical(STUDY.space_specification(wildcards.space)),
        code=code_version("pipeline.stages.reduce_features"),
    shell:
        "python -m pipeline.stages.reduce_features --space {wildcards.space}"
        " --settings {params.settings:q} --shards {input.shards:q} --out {output:q}"
        " 2>&1 | tee {log:q}"


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
        settings=lambda wildcards: canonical(STUDY.space_specification(wildcards.space)),
        code=code_version("pipeline.stages.reduce_features"),
    shell:
        "python -m pipeline.stages.reduce_features --space {wildcards.space}"
        " --settings {params.settings:q} --split {input.split:q} --shards {input.shards:q}"
        " --out {output:q} 2>&1 | tee {log:q}"
