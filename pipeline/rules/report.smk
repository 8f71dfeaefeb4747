REPORT = f"{RESULTS}/report"
COLOUR_LIMITS = f"{RESULTS}/maps/colour_limits.json"
STUDY_PAGES = [
    f"{REPORT}/{link['file']}"
    for link in page_links(STUDY.subjects)
    if link["file"].removesuffix(".html") not in STUDY.subjects
]
REPORTED_TABLES = [*TABLES, *RECOVERY, *itertools.chain(*ANALYSIS_TABLES.values())]
# no input: the report quotes the calibration only if `validate` has made it
CALIBRATED = content_hash(CALIBRATION) if Path(CALIBRATION).exists() else None
EXPLORED = expand(f"{REPORT}/explorer/{{subject}}", subject=STUDY.subjects)
SUBJECT_PAGES = expand(f"{REPORT}/{{subject}}.html", subject=STUDY.subjects)


rule report:
    """The report, as HTML pages."""
    input:
        CHECKED,
        AUDIT,
        STUDY_PAGES,
        SUBJECT_PAGES,
        EXPLORED,
        rules.features.input,
        rules.maps.input,
        rules.tables.input,


rule figures:
    """Figures as SVG, PDF and PNG."""
    input:
        f"{RESULTS}/figures",


rule write_figures:
    input:
        tree=TREE,
        tables=REPORTED_TABLES,
        voxels=VOXEL_TABLES["voxels"],
    output:
        report(
            directory(f"{RESULTS}/figures"),
            patterns=["{figure}.png"],
            caption="../report/captions/figures.rst",
            category="Figures",
        ),
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("write_figures"),
    shell:
        command("write_figures")


rule choose_colour_limits:
    input:
        maps=MAPS,
    output:
        COLOUR_LIMITS,
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("choose_colour_limits"),
    shell:
        command("choose_colour_limits")


rule write_explorer:
    input:
        tree=TREE,
        # only results that passed the audit are reported
        audit=AUDIT,
        models=f"{RESULTS}/tables/voxels/{{subject}}.parquet",
        components=f"{RESULTS}/tables/voxel_components/{{subject}}.parquet",
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        limits=COLOUR_LIMITS,
    output:
        directory(f"{RESULTS}/report/explorer/{{subject}}"),
    resources:
        **per_attempt(mem_mb=3000, runtime=30),
    params:
        **parameters("write_explorer"),
    shell:
        command("write_explorer")


rule write_subject_page:
    input:
        tree=TREE,
        audit=AUDIT,
        maps=f"{RESULTS}/maps/{{subject}}/{WHOLE}",
        limits=COLOUR_LIMITS,
        tables=TABLES,
        figures=f"{RESULTS}/figures",
    output:
        page=f"{REPORT}/{{subject}}.html",
        metadata=f"{REPORT}/{{subject}}.json",
        views=directory(f"{REPORT}/views/{{subject}}"),
    resources:
        **per_attempt(mem_mb=3000, runtime=60),
    params:
        **parameters("write_subject_page"),
        out_directory=lambda wildcards, output: Path(output.page).parent,
    shell:
        command("write_subject_page")


rule write_study_pages:
    input:
        tree=TREE,
        audit=AUDIT,
        maps=MAPS[0],
        tables=REPORTED_TABLES,
        figures=f"{RESULTS}/figures",
        group_maps=GROUP_MAPS,
        limits=COLOUR_LIMITS,
    output:
        report(
            STUDY_PAGES,
            caption="../report/captions/pages.rst",
            category="Pages",
        ),
        views=report(
            directory(f"{REPORT}/views/group"),
            patterns=["{picture}.png"],
            caption="../report/captions/group.rst",
            category="Maps of the group",
        ),
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("write_study_pages"),
        calibration=CALIBRATION if CALIBRATED else [],
        calibrated=CALIBRATED,
        benchmarks=f"{RESULTS}/benchmarks",
        out_directory=lambda wildcards, output: Path(output[0]).parent,
    shell:
        command("write_study_pages")
