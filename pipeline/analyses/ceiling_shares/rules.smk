# Unique and shared variance as shares of the noise ceiling.


rule measure_ceiling_shares:
    input:
        partition=f"{RESULTS}/partitions/{{subject}}/{WHOLE}/{{comparison}}.h5",
    output:
        f"{RESULTS}/ceiling_shares/{{subject}}/{{comparison}}.h5",
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("measure_ceiling_shares"),
    shell:
        command("measure_ceiling_shares")
