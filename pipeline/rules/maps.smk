MAPS = expand(f"{RESULTS}/maps/{{subject}}", subject=STUDY.subjects)
# over subjects, where there are several and they share a space
GROUP_MAPS = (
    [f"{RESULTS}/maps/group"]
    if len(STUDY.subjects) > 1 and set(STUDY.map_spaces) & set(GROUP_SPACES)
    else []
)


rule maps:
    input:
        MAPS,
        GROUP_MAPS,
        f"{RESULTS}/maps/dataset_description.json",


rule write_maps:
    input:
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        encoding=expand(f"{RESULTS}/encoding/{{{{subject}}}}/{{fit}}.h5", fit=STUDY.fits),
        significance=expand(f"{RESULTS}/significance/{{{{subject}}}}/{{fit}}.h5", fit=STUDY.fits),
        partitions=expand(f"{RESULTS}/partitions/{{{{subject}}}}/{{fit}}.h5", fit=STUDY.contrasts),
    output:
        directory(f"{RESULTS}/maps/{{subject}}"),
    log:
        f"{RESULTS}/logs/write_maps/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_maps/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        nsd=NSD,
        models=STUDY.models,
        atlases=STUDY.rois,
        spaces=STUDY.map_spaces,
        code=code_version("pipeline.stages.write_maps"),
    shell:
        "python -m pipeline.stages.write_maps --nsd {params.nsd:q} --subject {wildcards.subject}"
        " --responses {input.responses:q} --encoding {input.encoding:q}"
        " --significance {input.significance:q} --partitions {input.partitions:q}"
        " --models {params.models} --atlases {params.atlases} --spaces {params.spaces}"
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
        mem_mb=3000,
        runtime=60,
    params:
        code=code_version("pipeline.stages.write_group_maps"),
    shell:
        "python -m pipeline.stages.write_group_maps --maps {input.maps:q}"
        " --out-directory {output:q} 2>&1 | tee {log:q}"


rule describe_maps:
    output:
        description=f"{RESULTS}/maps/dataset_description.json",
        participants=f"{RESULTS}/maps/participants.tsv",
    log:
        f"{RESULTS}/logs/describe_maps.log",
    benchmark:
        f"{RESULTS}/benchmarks/describe_maps.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        study=STUDY.study,
        subjects=STUDY.subjects,
        simulated="--simulated" if SIMULATED else "",
        code=code_version("pipeline.stages.describe_maps"),
    shell:
        "python -m pipeline.stages.describe_maps --study {params.study:q}"
        " --subjects {params.subjects} {params.simulated} --description {output.description:q}"
        " --participants {output.participants:q} 2>&1 | tee {log:q}"
