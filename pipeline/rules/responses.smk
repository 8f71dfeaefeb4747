# Per subject: responses averaged over repeats, ROI labels of the same voxels, splits by image.


rule responses:
    """Responses averaged over repeats, and ROI labels."""
    input:
        CHECKED,
        expand(f"{RESULTS}/responses/{{subject}}.h5", subject=STUDY.subjects),
        expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        expand(
            f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
            subject=STUDY.subjects,
            variant=STUDY.all_variants,
        ),


rule average_responses:
    input:
        tree=TREE,
    output:
        f"{RESULTS}/responses/{{subject}}.h5",
    resources:
        # NIfTI files are decompressed for each block of voxels
        **per_attempt(mem_mb=3000, runtime=120),
    params:
        **parameters("average_responses"),
    shell:
        command("average_responses")


rule label_rois:
    input:
        tree=REGIONS,
        responses=f"{RESULTS}/responses/{{subject}}.h5",
    output:
        f"{RESULTS}/rois/{{subject}}.tsv",
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("label_rois"),
    shell:
        command("label_rois")


rule split_images:
    input:
        tree=TREE,
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        features=features_of_subjects([STUDY.splits.space] if STUDY.splits.space else []),
        labels=lambda wildcards: (
            f"{RESULTS}/labels/{wildcards.subject}.h5"
            if STUDY.all_variants[wildcards.variant].subset is not None
            else []
        ),
    output:
        f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("split_images"),
    shell:
        command("split_images")


# The end-to-end check that a user runs once on real data; no other stage needs it.


rule noise_ceilings:
    """Noise ceilings recomputed from the betas, compared with NSD's files."""
    input:
        expand(f"{RESULTS}/checked/noise_ceilings/{{subject}}.tsv", subject=STUDY.subjects),


rule compare_noise_ceilings:
    input:
        tree=TREE,
    output:
        f"{RESULTS}/checked/noise_ceilings/{{subject}}.tsv",
    resources:
        **per_attempt(mem_mb=3000, runtime=120),
    params:
        **parameters("compare_noise_ceilings"),
    shell:
        command("compare_noise_ceilings")
