# Before anything is reported: no test image reached training, and all results belong together.


AUDIT = f"{RESULTS}/checked/audit.json"


# without an output: whenever it is asked for, every file is looked at
rule audit:
    input:
        AUDIT,
    log:
        f"{RESULTS}/logs/audit.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        study=lambda wildcards: RESULTS,
    shell:
        "python -m pipeline.stages.audit_files --study {params.study:q} 2>&1 | tee {log:q}"


rule audit_study:
    input:
        ENCODING,
        rules.features.input,
        rules.responses.input,
    output:
        AUDIT,
    log:
        f"{RESULTS}/logs/audit_study.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_study.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        files=setting("audited"),
        specifications=setting("feature_specification"),
        code=code_version("pipeline.stages.audit"),
    shell:
        "python -m pipeline.stages.audit --files {params.files.key} --specifications {params.specifications.key} --out {output:q}"
        " 2>&1 | tee {log:q}"
