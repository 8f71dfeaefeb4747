# Beside each contrast: what differs between its sides.


CONFOUNDS = f"{RESULTS}/tables/confounds.tsv"


rule controls:
    input:
        CONFOUNDS,
        rules.partitions.input,


rule tabulate_confounds:
    input:
        # a space is as wide for every subject, but for components that explain a share of variance
        features=sorted(
            {
                feature_file(space, STUDY.subjects[0], WHOLE)
                for spaces in STUDY.contrasts.values()
                for space in spaces
            }
        ),
    output:
        CONFOUNDS,
    log:
        f"{RESULTS}/logs/tabulate_confounds.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_confounds.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        contrasts=setting("confounds"),
        code=code_version("pipeline.stages.tabulate_confounds"),
    shell:
        "python -m pipeline.stages.tabulate_confounds --contrasts {params.contrasts.key}"
        " --features {input.features:q} --out {output:q} 2>&1 | tee {log:q}"
