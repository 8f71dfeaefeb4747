rule maps:
    input:
        expand(f"{RESULTS}/maps/{{subject}}", subject=STUDY.subjects),


rule write_maps:
    input:
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        encoding=expand(f"{RESULTS}/encoding/{{{{subject}}}}/{{fit}}.h5", fit=STUDY.fits),
        significance=expand(f"{RESULTS}/significance/{{{{subject}}}}/{{fit}}.h5", fit=STUDY.fits),
        partitions=expand(f"{RESULTS}/partitions/{{{{subject}}}}/{{fit}}.h5", fit=STUDY.contrasts),
    output:
        directory(f"{RESULTS}/maps/{{subject}}"),
    log:
        f"{RESULTS}/logs/write_maps/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_maps/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_version("pipeline.stages.write_maps"),
    shell:
        "python -m pipeline.stages.write_maps --subject {wildcards.subject}"
        " --responses {input.responses:q} --encoding {input.encoding:q}"
        " --significance {input.significance:q} --partitions {input.partitions:q}"
        " --out-directory {output:q} 2>&1 | tee {log:q}"
