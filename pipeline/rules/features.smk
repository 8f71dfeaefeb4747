# A network runs over the images that all subjects were to see, and over each subject's own, and keeps
# its layers in a folder that studies share; of these a subject's feature spaces are made. A space that
# is reduced by principal components is fitted on training images, so separately for each variant.


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
        mem_mb=growing(1000),
        runtime=growing(15),
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
        # COCO's instances as text, and read
        mem_mb=growing(6000),
        runtime=growing(30),
    params:
        **parameters("label_images"),
    shell:
        command("label_images")


# What the folder that studies share has already is not extracted again.
rule extract_features:
    input:
        images=f"{RESULTS}/images/{{part}}.tsv",
        tree=TREE,
    output:
        f"{RESULTS}/features/layers/{{network}}/{{part}}_{{shard}}.h5",
    threads: 8
    resources:
        gpu=1,
        mem_mb=growing(3000),
        # a subject's images take networks of the catalogue 6 minutes on eight cores, 2 on a GPU
        runtime=growing(30),
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
        mem_mb=growing(4000),
        runtime=growing(60),
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
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        **parameters("reduce_features"),
    shell:
        command("reduce_features")
