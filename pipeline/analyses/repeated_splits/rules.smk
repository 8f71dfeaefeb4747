# Scores and variance components over repeated random splits.


rule collect_splits:
    input:
        fits=lambda wildcards: [
            f"{RESULTS}/{'partitions' if wildcards.fit in STUDY.comparisons else 'encoding'}"
            f"/{wildcards.subject}/{variant}/{wildcards.fit}.h5"
            for variant in STUDY.repeated_splits.names
        ],
    output:
        f"{RESULTS}/repeated_splits/{{subject}}/{{fit}}.h5",
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("collect_splits"),
    shell:
        command("collect_splits")
