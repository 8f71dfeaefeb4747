rule maps:
    input:
        expand(
            f"{RESULTS}/maps/{{subject}}/{{variant}}",
            subject=STUDY.subjects,
            variant=STUDY.assessed_variants,
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
        layers=lambda wildcards: [
            f"{RESULTS}/layers/{wildcards.subject}/{network}.h5"
            for network in STUDY.layerwise
            if wildcards.variant == WHOLE
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
        " --layers {input.layers:q} --out-directory {output:q} 2>&1 | tee {log:q}"
