TABLES = [
    f"{RESULTS}/tables/{name}.tsv"
    for name in ("correlations", "partitions", "group", "best_voxels", "models")
]


VOXEL_TABLES = {
    kind: [f"{RESULTS}/tables/{kind}/{subject}.parquet" for subject in STUDY.subjects]
    for kind in ("voxels", "voxel_components")
}


rule tables:
    input:
        TABLES,
        VOXEL_TABLES.values(),
        CONFOUNDS,


rule write_tables:
    input:
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        encoding=of_fits("encoding"),
        significance=rules.significance.input,
        partitions=rules.partitions.input,
    output:
        report(TABLES, caption="../report/captions/tables.rst", category="Tables"),
    log:
        f"{RESULTS}/logs/write_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_tables.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        models=setting("models"),
        code=code_version("pipeline.stages.write_tables"),
    shell:
        "python -m pipeline.stages.write_tables --models {params.models.key} --rois {input.rois:q}"
        " --encoding {input.encoding:q} --significance {input.significance:q}"
        " --partitions {input.partitions:q} --out {output:q} 2>&1 | tee {log:q}"


rule write_voxel_tables:
    input:
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
        encoding=lambda wildcards: of_fits("encoding", [wildcards.subject]),
        significance=lambda wildcards: of_fits("significance", [wildcards.subject]),
        partitions=lambda wildcards: of_fits("partitions", [wildcards.subject], contrasts_only=True),
    output:
        models=f"{RESULTS}/tables/voxels/{{subject}}.parquet",
        components=f"{RESULTS}/tables/voxel_components/{{subject}}.parquet",
    log:
        f"{RESULTS}/logs/write_voxel_tables/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_voxel_tables/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code_version("pipeline.stages.write_voxel_tables"),
    shell:
        "python -m pipeline.stages.write_voxel_tables --subject {wildcards.subject}"
        " --rois {input.rois:q} --encoding {input.encoding:q}"
        " --significance {input.significance:q} --partitions {input.partitions:q}"
        " --models {output.models:q} --components {output.components:q} 2>&1 | tee {log:q}"
