# Before anything is reported: no test image reached training, and all results belong together.


AUDIT = f"{RESULTS}/checked/audit.json"


# without an output: whenever it is asked for, every file is looked at
rule audit:
    """A check that no test image reached training, and that all results belong together."""
    input:
        AUDIT,
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        **parameters("audit_files"),
        study=lambda wildcards: RESULTS,
    shell:
        command("audit_files")


rule audit_study:
    input:
        ENCODING,
        rules.features.input,
        rules.responses.input,
    output:
        AUDIT,
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        **parameters("audit"),
    shell:
        command("audit")
