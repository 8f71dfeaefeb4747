rule maps:
    input:
        expand(
            f"{RESULTS}/maps/{{subject}}/{{variant}}",
            subject=STUDY.subjects,
            variant=STUDY.all_variants,
        ),


rule write_maps:
    input:
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        encoding=lambda wildcards: of_fits("encoding", [wildcards.subject], [wildcards.variant]),
        significance=lambda wildcards: of_fits(
            "significance", [wildcards.subject], [wildcards.variant]
        ),
        partitions=lambda wildcards: of_fits(
            "partitions", [wildcards.subject], [wildcards.variant], contrasts_only=True
        ),
        # of the whole study alone
        projections=lambda wildcards: [
            path
            for path in PROJECTIONS
            if f"/{wildcards.subject}/" in path and wildcards.variant == WHOLE
        ],
    output:
        directory(f"{RESULTS}/maps/{{subject}}/{{variant}}"),
    log:
        f"{RESULTS}/logs/write_maps/{{subject}}_{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_maps/{{subject}}_{{variant}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_version("pipeline.stages.write_maps"),
    shell:
        "python -m pipeline.stages.write_maps --subject {wildcards.subject}"
        " --variant {wildcards.variant}"
        " --responses {input.responses:q} --encoding {input.encoding:q}"
        " --significance {input.significance:q} --partitions {input.partitions:q}"
        " --projections {input.projections:q} --out-directory {output:q} 2>&1 | tee {log:q}"
