rule partitions:
    input:
        of_fits("partitions", contrasts_only=True),


rule partition_variance:
    input:
        encoding=f"{RESULTS}/encoding/{{subject}}/{{variant}}/{{fit}}.h5",
    output:
        f"{RESULTS}/partitions/{{subject}}/{{variant}}/{{fit}}.h5",
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        **parameters("partition_variance"),
    shell:
        command("partition_variance")
