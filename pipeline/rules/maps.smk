# maps of all images; other variants have maps in the space of the responses only
MAPS = expand(f"{RESULTS}/maps/{{subject}}/{WHOLE}", subject=STUDY.subjects)
# maps over subjects, if there are several and they share a space
GROUP_MAPS = (
    [f"{RESULTS}/maps/group"]
    if len(STUDY.subjects) > 1 and set(STUDY.map_spaces) & set(GROUP_SPACES)
    else []
)


rule maps:
    """Brain maps (NIfTI and GIFTI)."""
    input:
        expand(
            f"{RESULTS}/maps/{{subject}}/{{variant}}",
            subject=STUDY.subjects,
            variant=STUDY.assessed_variants,
        ),
        GROUP_MAPS,
        f"{RESULTS}/maps/dataset_description.json",


rule write_maps:
    input:
        tree=TREE,
        regions=REGIONS,
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        encoding=lambda wildcards: of_models("encoding", [wildcards.subject], [wildcards.variant]),
        significance=lambda wildcards: of_tests([wildcards.subject], [wildcards.variant]),
        partitions=lambda wildcards: of_comparisons(
            "partitions", [wildcards.subject], [wildcards.variant]
        ),
        analyses=lambda wildcards: (
            mapped_files(wildcards.subject) if wildcards.variant == WHOLE else []
        ),
    output:
        directory(f"{RESULTS}/maps/{{subject}}/{{variant}}"),
    resources:
        **per_attempt(mem_mb=3000, runtime=120),
    params:
        **parameters("write_maps"),
    shell:
        command("write_maps")


rule write_group_maps:
    input:
        maps=MAPS,
    output:
        directory(f"{RESULTS}/maps/group"),
    resources:
        **per_attempt(mem_mb=3000, runtime=60),
    params:
        **parameters("write_group_maps"),
    shell:
        command("write_group_maps")


rule describe_maps:
    output:
        description=f"{RESULTS}/maps/dataset_description.json",
        participants=f"{RESULTS}/maps/participants.tsv",
        ignored=f"{RESULTS}/maps/.bidsignore",
    resources:
        **per_attempt(mem_mb=500, runtime=5),
    params:
        **parameters("describe_maps"),
        simulated=SIMULATED,
    shell:
        command("describe_maps")
