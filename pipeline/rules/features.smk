# A network is run on the shared images and on each subject's own; its layers are stored in a folder
# that studies share, and feature spaces are made from them. Principal components are fitted to
# training images, and thus separately for each variant.


rule features:
    """Features of all networks and feature spaces."""
    input:
        CHECKED,
        sorted(
            {
                feature_file(space, subject, variant)
                for subject in STUDY.subjects
                for variant in STUDY.all_variants
                for spaces in FITS[variant].values()
                for space in spaces
            }
        ),


rule list_images:
    input:
        tree=TREE,
    output:
        f"{RESULTS}/images/{{part}}.tsv",
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("list_images"),
    shell:
        command("list_images")


rule label_images:
    input:
        images=f"{RESULTS}/images/{{subject}}.tsv",
        tree=TREE,
    output:
        f"{RESULTS}/labels/{{subject}}.h5",
    resources:
        # COCO's annotations, as text and parsed
        **per_attempt(mem_mb=6000, runtime=30),
    params:
        **parameters("label_images"),
    shell:
        command("label_images")


# Features that the shared folder already has are not extracted again.
rule extract_features:
    input:
        images=f"{RESULTS}/images/{{part}}.tsv",
        tree=TREE,
    output:
        f"{RESULTS}/features/layers/{{network}}/{{part}}_{{shard}}.h5",
    threads: 8
    resources:
        # networks of the catalogue take 6 minutes per subject on eight cores, 2 on a GPU
        **per_attempt(mem_mb=3000, runtime=30),
        gpu=1,
    params:
        **parameters("extract_features"),
        weights=WEIGHTS,
        store=FEATURES,
    shell:
        command("extract_features")


rule reduce_features:
    input:
        shards=shards_of,
        images=f"{RESULTS}/images/{{subject}}.tsv",
        split=[],
    output:
        f"{RESULTS}/features/{{subject}}/{{space}}.h5",
    resources:
        **per_attempt(mem_mb=4000, runtime=60),
    params:
        **parameters("reduce_features"),
    shell:
        command("reduce_features")


rule fit_reduction:
    input:
        shards=shards_of,
        images=[],
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        f"{RESULTS}/features/{{subject}}/{{variant}}/{{space}}.h5",
    resources:
        **per_attempt(mem_mb=4000, runtime=120),
    params:
        **parameters("reduce_features"),
    shell:
        command("reduce_features")
