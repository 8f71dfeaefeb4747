# Beside each comparison: what differs between its sides.


CONFOUNDS = f"{RESULTS}/tables/confounds.tsv"


localrules:
    confounds,


rule confounds:
    input:
        CONFOUNDS,
        rules.partitions.input,


rule tabulate_confounds:
    input:
        # a space is as wide for every subject, but for components that explain a share of variance
        features=sorted(
            {
                feature_file(space, STUDY.subjects[0], WHOLE)
                for spaces in STUDY.comparisons.values()
                for space in spaces
            }
        ),
    output:
        CONFOUNDS,
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        **parameters("tabulate_confounds"),
    shell:
        command("tabulate_confounds")
