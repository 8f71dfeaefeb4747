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
            mem_mb=3000,
            runtime=60,
        params:
            nsd=NSD,
            simulation=section("simulation"),
            code=code_version("pipeline.stages.simulate"),
        shell:
            "python -m pipeline.stages.simulate --configuration {params.simulation:q}"
            " --nsd {params.nsd:q} --done {output.done:q} 2>&1 | tee {log:q}"


rule check_inputs:
    input:
        tree=TREE,
    output:
        CHECKED,
    log:
        f"{RESULTS}/logs/check_inputs.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_inputs.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        nsd=NSD,
        study=canonical(STUDY.model_dump(mode="json", exclude={"simulation"})),
        code=code_version("pipeline.stages.check_inputs"),
    shell:
        "python -m pipeline.stages.check_inputs --configuration {params.study:q}"
        " --out {output:q} 2>&1 | tee {log:q}"
