# Before anything is reported: no test image reached training, and all results belong together.


AUDIT = f"{RESULTS}/checked/audit.json"


# without an output, so that it checks every file each time it is requested
rule audit:
    """A check that no test image reached training, and that all results belong together."""
    input:
        AUDIT,
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
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
        **per_attempt(mem_mb=1000, runtime=60),
    params:
        **parameters("audit"),
    shell:
        command("audit")
