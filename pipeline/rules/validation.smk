# Known truth: experiments that are simulated with it, only when they are asked for, and, in a
# simulated study, what was planted.


CALIBRATION = f"{RESULTS}/validation/calibration.tsv"
RECOVERY = [f"{RESULTS}/validation/{name}.tsv" for name in ("recovery", "null_voxels") if VALIDATED]


rule validate:
    input:
        CALIBRATION,
        RECOVERY,


rule calibrate:
    output:
        CALIBRATION,
    log:
        f"{RESULTS}/logs/calibrate.log",
    benchmark:
        f"{RESULTS}/benchmarks/calibrate.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        settings=setting("calibrated"),
        code=code_version("pipeline.stages.calibrate"),
    shell:
        "python -m pipeline.stages.calibrate --configuration {params.settings.key}"
        " --out {output:q} 2>&1 | tee {log:q}"


if VALIDATED:

    rule validate_recovery:
        input:
            truth=expand(f"{STUDY.nsd.parent}/truth/{{subject}}.h5", subject=STUDY.subjects),
            # truth is of the whole study: other images have another
            encoding=of_fits("encoding", variants=[WHOLE]),
            partitions=of_fits("partitions", variants=[WHOLE], contrasts_only=True),
        output:
            RECOVERY,
        log:
            f"{RESULTS}/logs/validate_recovery.log",
        benchmark:
            f"{RESULTS}/benchmarks/validate_recovery.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            code=code_version("pipeline.stages.validate_recovery"),
        shell:
            "python -m pipeline.stages.validate_recovery --truth {input.truth:q}"
            " --encoding {input.encoding:q} --partitions {input.partitions:q}"
            " --out {output:q} 2>&1 | tee {log:q}"
