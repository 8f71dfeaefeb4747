# The NSD folder: simulated or fetched on demand, and checked before long jobs.


rule simulation:
    """The simulated NSD; nothing in a study of real data."""
    input:
        SIMULATION if SIMULATED else [],


rule check:
    """A check of the inputs that the study reads."""
    input:
        CHECKED,


if SIMULATED:

    rule simulate_nsd:
        output:
            done=SIMULATION,
            truth=expand(
                f"{STUDY.nsd.parent}/truth/{{subject}}.h5", subject=STUDY.simulation.subjects
            ),
        threads: 8
        resources:
            **per_attempt(mem_mb=2000 + simulation_bytes(STUDY.simulation) // 1_000_000, runtime=60),
        params:
            **parameters("simulate"),
        shell:
            command("simulate")


# Checks run first and alone (priority, threads), but no rule depends on them: checking again must
# not rerun the study. (Snakemake ignores other changes of a job with an `ancient` input whose own
# job reruns.)


rule check_networks:
    output:
        CHECKED[0],
    priority: CHECKS_PRIORITY
    threads: 8
    resources:
        **per_attempt(mem_mb=2000, runtime=15),
    params:
        **parameters("check_networks"),
    shell:
        command("check_networks")


rule check_inputs:
    input:
        tree=TREE,
    output:
        f"{RESULTS}/checked/inputs.json",
    priority: CHECKS_PRIORITY
    threads: 8
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("check_inputs"),
    shell:
        command("check_inputs")


# Real data come from NSD's bucket, or the one that the study names, and from COCO. The first two
# rules have no outputs, so that they look at existing files each time.


rule fetch_plan:
    """A list of the files to be downloaded, with sizes and terms of use."""
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        study=setting("configuration"),
        manifest=MANIFEST_FILE,
        listing=f"{RESULTS}/fetch_plan.tsv",
    shell:
        "python -m pipeline.stages.fetch --plan {params.listing:q}"
        " --configuration {params.study.key} --manifest {params.manifest:q} 2>&1 | tee {log:q}"


rule fetch:
    """Downloads of NSD, COCO and checkpoints, verified and resumed."""
    threads: 4
    resources:
        **per_attempt(mem_mb=2000, runtime=2880),
    params:
        manifest=MANIFEST_FILE,
        fetched=f"--fetched {FETCHED}" if STUDY.nsd_bucket else "",
    shell:
        "python -m pipeline.stages.fetch --configuration configuration"
        " --manifest {params.manifest:q} --parallel {threads} {params.fetched} 2>&1 | tee {log:q}"


if STUDY.nsd_bucket:

    # The same before all rules that read NSD; a killed job resumes. Its parameters hold no settings,
    # so that it runs once: if it reran, Snakemake would ignore other changes of the jobs that have
    # its output as an `ancient` input.
    use rule fetch as fetch_from_bucket with:
        output:
            FETCHED,

    localrules:
        fetch_from_bucket,


rule preflight:
    """Missing or damaged inputs, and the disk, memory and time that each stage will take."""
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        study=setting("configuration"),
        manifest=MANIFEST_FILE,
    shell:
        "python -m pipeline.stages.preflight --configuration {params.study.key}"
        " --manifest {params.manifest:q} 2>&1 | tee {log:q}"
