# of the whole study; variants of it have maps in the space of the responses only
MAPS = expand(f"{RESULTS}/maps/{{subject}}/{WHOLE}", subject=STUDY.subjects)
# over subjects, where there are several and they share a space
GROUP_MAPS = (
    [f"{RESULTS}/maps/group"]
    if len(STUDY.subjects) > 1 and set(STUDY.map_spaces) & set(GROUP_SPACES)
    else []
)


rule maps:
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
        tree=nsd_files("write_maps"),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        encoding=lambda wildcards: of_fits("encoding", [wildcards.subject], [wildcards.variant]),
        significance=lambda wildcards: of_fits(
            "significance", [wildcards.subject], [wildcards.variant]
        ),
        partitions=lambda wildcards: of_fits(
            "partitions", [wildcards.subject], [wildcards.variant], contrasts_only=True
        ),
        # of the whole study alone
        projections=lambda wildcards: [
            path
            for path in PROJECTIONS
            if f"/{wildcards.subject}/" in path and wildcards.variant == WHOLE
        ],
        layers=lambda wildcards: [
            f"{RESULTS}/layers/{wildcards.subject}/{network}.h5"
            for network in STUDY.layerwise
            if wildcards.variant == WHOLE
        ],
    output:
        directory(f"{RESULTS}/maps/{{subject}}/{{variant}}"),
    log:
        f"{RESULTS}/logs/write_maps/{{subject}}_{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_maps/{{subject}}_{{variant}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        nsd=NSD,
        models=setting("models"),
        atlases=setting("rois"),
        spaces=setting("spaces_mapped.{variant}"),
        code=code_version("pipeline.stages.write_maps"),
    shell:
        "python -m pipeline.stages.write_maps --nsd {params.nsd:q} --subject {wildcards.subject}"
        " --variant {wildcards.variant}"
        " --responses {input.responses:q} --encoding {input.encoding:q}"
        " --significance {input.significance:q} --partitions {input.partitions:q}"
        " --models {params.models.key} --atlases {params.atlases.key} --spaces {params.spaces.key}"
        " --projections {input.projections:q} --layers {input.layers:q}"
        " --out-directory {output:q} 2>&1 | tee {log:q}"


rule write_group_maps:
    input:
        maps=MAPS,
    output:
        directory(f"{RESULTS}/maps/group"),
    log:
        f"{RESULTS}/logs/write_group_maps.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_group_maps.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        code=code_version("pipeline.stages.write_group_maps"),
    shell:
        "python -m pipeline.stages.write_group_maps --maps {input.maps:q}"
        " --out-directory {output:q} 2>&1 | tee {log:q}"


rule describe_maps:
    output:
        description=f"{RESULTS}/maps/dataset_description.json",
        participants=f"{RESULTS}/maps/participants.tsv",
        ignored=f"{RESULTS}/maps/.bidsignore",
    log:
        f"{RESULTS}/logs/describe_maps.log",
    benchmark:
        f"{RESULTS}/benchmarks/describe_maps.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        study=setting("study"),
        subjects=setting("subjects"),
        simulated="--simulated" if SIMULATED else "",
        code=code_version("pipeline.stages.describe_maps"),
    shell:
        "python -m pipeline.stages.describe_maps --study {params.study.key}"
        " --subjects {params.subjects.key} {params.simulated} --description {output.description:q}"
        " --participants {output.participants:q} --ignored {output.ignored:q} 2>&1 | tee {log:q}"
