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
        folders=[RESULTS, FEATURES],
    shell:
        "python -m pipeline.stages.audit_files --folders {params.folders:q} 2>&1 | tee {log:q}"


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
        files=canonical(
            {
                subject: {
                    variant: audited_files(subject, variant) for variant in STUDY.all_variants
                }
                for subject in STUDY.subjects
            }
        ),
        code=code_version("pipeline.stages.audit"),
    shell:
        "python -m pipeline.stages.audit --files {params.files:q} --out {output:q}"
        " 2>&1 | tee {log:q}"
