# The tree that everything is read from: simulated on demand, checked before long work.


rule simulation:
    input:
        SIMULATION if SIMULATED else [],


rule check:
    input:
        CHECKED,


if SIMULATED:

    rule simulate_nsd:
        output:
            done=SIMULATION,
            truth=expand(
                f"{STUDY.nsd.parent}/truth/{{subject}}.h5", subject=STUDY.simulation.subjects
            ),
        log:
            f"{RESULTS}/logs/simulate_nsd.log",
        benchmark:
            f"{RESULTS}/benchmarks/simulate_nsd.tsv"
        conda:
            "../../environment.yml"
        threads: 8
        resources:
            mem_mb=growing(3000),
            runtime=growing(60),
        params:
            nsd=NSD,
            simulation=setting("simulation"),
            code=code_version("pipeline.stages.simulate"),
        shell:
            "python -m pipeline.stages.simulate --configuration {params.simulation.key}"
            " --nsd {params.nsd:q} --done {output.done:q} 2>&1 | tee {log:q}"


# Checks run first and alone (priority, threads), but nothing depends on them: a study that was
# checked anew need not be computed anew. (Snakemake overlooks the other changes of a job that
# has an `ancient` input whose own job reruns.)


rule check_networks:
    output:
        CHECKED[0],
    log:
        f"{RESULTS}/logs/check_networks.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_networks.tsv"
    priority: 100
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        networks=setting("network_specification"),
        layers=setting("network_layers"),
        code=code_version("pipeline.stages.check_networks"),
    shell:
        "python -m pipeline.stages.check_networks --networks {params.networks.key}"
        " --layers {params.layers.key} --out {output:q} 2>&1 | tee {log:q}"


rule check_inputs:
    input:
        tree=TREE,
    output:
        f"{RESULTS}/checked/inputs.json",
    log:
        f"{RESULTS}/logs/check_inputs.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_inputs.tsv"
    priority: 100
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        nsd=NSD,
        subjects=setting("subjects"),
        rois=setting("rois"),
        responses=setting("responses"),
        annotations=setting("annotations"),
        map_spaces=setting("map_spaces"),
        code=code_version("pipeline.stages.check_inputs"),
    shell:
        "python -m pipeline.stages.check_inputs --nsd {params.nsd:q} --subjects {params.subjects.key}"
        " --rois {params.rois.key} --responses {params.responses.key}"
        " --annotations {params.annotations.key} --map-spaces {params.map_spaces.key}"
        " --out {output:q} 2>&1 | tee {log:q}"


if BUCKET and NSD_FILES.packed:

    rule fetch_annotations:
        output:
            [f"{NSD}/{file.path}" for file in NSD_FILES.packed],
        log:
            f"{RESULTS}/logs/fetch_annotations.log",
        benchmark:
            f"{RESULTS}/benchmarks/fetch_annotations.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(60),
        params:
            study=setting("configuration"),
            manifest=MANIFEST_FILE,
            files=[file.path for file in NSD_FILES.packed],
        shell:
            "python -m pipeline.stages.fetch --configuration {params.study.key}"
            " --manifest {params.manifest:q} --files {params.files:q} 2>&1 | tee {log:q}"


# What is not simulated comes from NSD's bucket and from COCO. Neither rule has outputs: files that
# are there are looked at anew each time.


rule fetch_plan:
    log:
        f"{RESULTS}/logs/fetch_plan.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        study=setting("configuration"),
        manifest=MANIFEST_FILE,
        listing=f"{RESULTS}/fetch_plan.tsv",
    shell:
        "python -m pipeline.stages.fetch --plan {params.listing:q}"
        " --configuration {params.study.key} --manifest {params.manifest:q} 2>&1 | tee {log:q}"


rule fetch:
    input:
        [f"{NSD}/{file.path}" for file in NSD_FILES.packed] if BUCKET else [],
    log:
        f"{RESULTS}/logs/fetch.log",
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=growing(2000),
        runtime=growing(2880),
    params:
        study=setting("configuration"),
        manifest=MANIFEST_FILE,
    shell:
        "python -m pipeline.stages.fetch --configuration {params.study.key}"
        " --manifest {params.manifest:q} --parallel {threads} 2>&1 | tee {log:q}"


rule preflight:
    log:
        f"{RESULTS}/logs/preflight.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        study=setting("configuration"),
        manifest=MANIFEST_FILE,
    shell:
        "python -m pipeline.stages.preflight --configuration {params.study.key}"
        " --manifest {params.manifest:q} 2>&1 | tee {log:q}"
