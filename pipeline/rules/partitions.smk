rule partitions:
    input:
        of_fits("partitions", contrasts_only=True),


rule partition_variance:
    input:
        encoding=f"{RESULTS}/encoding/{{subject}}/{{variant}}/{{fit}}.h5",
    output:
        f"{RESULTS}/partitions/{{subject}}/{{variant}}/{{fit}}.h5",
    log:
        f"{RESULTS}/logs/partition_variance/{{subject}}_{{variant}}_{{fit}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/partition_variance/{{subject}}_{{variant}}_{{fit}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        spaces=setting("fits.{variant}.{fit}"),
        code=code_version("pipeline.stages.partition_variance"),
    shell:
        "python -m pipeline.stages.partition_variance --spaces {params.spaces.key}"
        " --encoding {input.encoding:q} --out {output:q} 2>&1 | tee {log:q}"
