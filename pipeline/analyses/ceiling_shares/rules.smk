# Unique and shared variance as shares of the noise ceiling.


CEILING_SHARES = expand(
    f"{RESULTS}/ceiling_shares/{{subject}}/{{comparison}}.h5",
    subject=STUDY.subjects,
    comparison=STUDY.comparisons,
)


localrules:
    ceiling_shares,


rule ceiling_shares:
    input:
        (
            [*CEILING_SHARES, f"{RESULTS}/tables/ceiling_shares.tsv"]
            if STUDY.ceiling_shares and STUDY.comparisons
            else []
        ),


if STUDY.ceiling_shares:

    rule measure_ceiling_shares:
        input:
            partition=f"{RESULTS}/partitions/{{subject}}/{WHOLE}/{{comparison}}.h5",
        output:
            f"{RESULTS}/ceiling_shares/{{subject}}/{{comparison}}.h5",
        resources:
            mem_mb=per_attempt(1000),
            runtime=per_attempt(15),
        params:
            **parameters("measure_ceiling_shares"),
        shell:
            command("measure_ceiling_shares")

    rule write_ceiling_shares:
        input:
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
            results=CEILING_SHARES,
        output:
            f"{RESULTS}/tables/ceiling_shares.tsv",
        resources:
            mem_mb=per_attempt(1000),
            runtime=per_attempt(15),
        params:
            **parameters("write_analysis_table"),
            analysis="ceiling_shares",
        shell:
            command("write_analysis_table")
