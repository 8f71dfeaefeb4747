# Number of subjects in whom regions are significant.


rule count_replications:
    input:
        intervals=f"{RESULTS}/tables/roi_intervals.tsv",
    output:
        ANALYSIS_TABLES["replication"],
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("count_replications"),
    shell:
        command("count_replications")
