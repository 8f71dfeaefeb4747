rule partitions:
    input:
        of_fits("partitions", contrasts_only=True),


rule partition_variance:
    input:
        encoding=f"{RESULTS}/encoding/{{subject}}/{{variant}}/{{fit}}.h5",
    output:
        f"{RESULTS}/partitions/{{subject}}/{{variant}}/{{fit}}.h5",
    resources:
        mem_mb=estimated_mb,
        runtime=estimated_minutes,
    params:
        **parameters("partition_variance"),
    shell:
        command("partition_variance")
