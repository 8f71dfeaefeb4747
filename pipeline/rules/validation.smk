# Comparisons with known truth: simulated experiments, run only on request, and the variance planted
# in a simulated study.


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
        **per_attempt(mem_mb=2000, runtime=60),
    params:
        **parameters("calibrate"),
    shell:
        command("calibrate")


if VALIDATED:

    rule validate_recovery:
        input:
            truth=expand(f"{STUDY.nsd.parent}/truth/{{subject}}.h5", subject=STUDY.subjects),
            # the truth refers to all images
            encoding=of_models("encoding", variants=[WHOLE]),
            partitions=of_comparisons("partitions", variants=[WHOLE]),
        output:
            RECOVERY,
        resources:
            **per_attempt(mem_mb=2000, runtime=30),
        params:
            **parameters("validate_recovery"),
        shell:
            command("validate_recovery")
