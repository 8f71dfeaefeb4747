TABLES = [
    f"{RESULTS}/tables/{name}.tsv"
    for name in ("correlations", "partitions", "group", "best_voxels", "models")
]


VOXEL_TABLES = {
    kind: [f"{RESULTS}/tables/{kind}/{subject}.parquet" for subject in STUDY.subjects]
    for kind in ("voxels", "voxel_components")
}


rule tables:
    """Tables of scores and variance per ROI and over subjects."""
    input:
        TABLES,
        VOXEL_TABLES.values(),
        ANALYSIS_TABLES["confounds"],


rule write_tables:
    input:
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        encoding=of_models("encoding"),
        significance=rules.significance.input,
        partitions=rules.partitions.input,
    output:
        report(TABLES, caption="../report/captions/tables.rst", category="Tables"),
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("write_tables"),
    shell:
        command("write_tables")


rule write_voxel_tables:
    input:
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
        encoding=lambda wildcards: of_models("encoding", [wildcards.subject]),
        significance=lambda wildcards: of_tests([wildcards.subject]),
        partitions=lambda wildcards: of_comparisons("partitions", [wildcards.subject]),
    output:
        models=f"{RESULTS}/tables/voxels/{{subject}}.parquet",
        components=f"{RESULTS}/tables/voxel_components/{{subject}}.parquet",
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("write_voxel_tables"),
    shell:
        command("write_voxel_tables")
