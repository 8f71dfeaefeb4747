rule partitions:
    """Unique and shared variance of each comparison."""
    input:
        of_comparisons("partitions"),


rule partition_variance:
    input:
        encoding=of_compared_models("encoding"),
    output:
        f"{RESULTS}/partitions/{{subject}}/{{variant}}/{{comparison}}.h5",
    resources:
        **per_attempt(mem_mb=1000, runtime=30),
    params:
        **parameters("partition_variance"),
    shell:
        command("partition_variance")
