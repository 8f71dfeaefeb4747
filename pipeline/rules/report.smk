rule report:
    input:
        CHECKED,
        AUDIT,
        f"{RESULTS}/report",
        rules.features.input,
        rules.maps.input,
        rules.tables.input,
        rules.validation.input,


rule write_report:
    input:
        # nothing is reported that did not pass
        audit=AUDIT,
        maps=MAPS,
        tables=TABLES,
        validation=rules.validation.input,
        partitions=rules.partitions.input,
    output:
        directory(f"{RESULTS}/report"),
    log:
        f"{RESULTS}/logs/write_report.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        study=canonical(STUDY.model_dump(mode="json")),
        code=code_version("pipeline.stages.write_report"),
    shell:
        "python -m pipeline.stages.write_report --configuration {params.study:q}"
        " --maps {input.maps:q} --tables {input.tables:q} --validation {input.validation:q}"
        " --partitions {input.partitions:q} --out-directory {output:q} 2>&1 | tee {log:q}"
