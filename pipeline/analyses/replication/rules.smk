# Number of subjects in whom regions are significant.


localrules:
    replication,


rule replication:
    input:
        [f"{RESULTS}/tables/replication.tsv"] if STUDY.replication else [],


rule count_replications:
    input:
        intervals=f"{RESULTS}/tables/roi_intervals.tsv",
    output:
        f"{RESULTS}/tables/replication.tsv",
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(15),
    params:
        **parameters("count_replications"),
    shell:
        command("count_replications")
