# Known truth: experiments that are simulated with it, only when they are asked for, and, in a
# simulated study, what was planted.


CALIBRATION = f"{RESULTS}/validation/calibration.tsv"
RECOVERY = [f"{RESULTS}/validation/{name}.tsv" for name in ("recovery", "null_voxels") if VALIDATED]


rule validate:
    """Simulated experiments of known truth with the study's own settings."""
    input:
        CALIBRATION,
        RECOVERY,


rule calibrate:
    output:
        CALIBRATION,
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        **parameters("calibrate"),
    shell:
        command("calibrate")


if VALIDATED:

    rule validate_recovery:
        input:
            truth=expand(f"{STUDY.nsd.parent}/truth/{{subject}}.h5", subject=STUDY.subjects),
            # truth is of the whole study: other images have another
            encoding=of_models("encoding", variants=[WHOLE]),
            partitions=of_comparisons("partitions", variants=[WHOLE]),
        output:
            RECOVERY,
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            **parameters("validate_recovery"),
        shell:
            command("validate_recovery")
