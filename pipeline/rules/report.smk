REPORT = f"{RESULTS}/report"
COLOUR_LIMITS = f"{RESULTS}/maps/colour_limits.json"
STUDY_PAGES = [
    f"{REPORT}/{link['file']}"
    for link in page_links(STUDY.subjects)
    if link["file"].removesuffix(".html") not in STUDY.subjects
]
# of analyses that are switched on
ANALYSES = [
    CONFOUNDS,
    *rules.layers.input,
    *rules.error_consistency.input,
    *rules.learning_curves.input,
    *(path for path in rules.interpretation.input if path.endswith(".tsv")),
    *rules.representational_similarity.input,
]
SHOWN_TABLES = [*TABLES, *RECOVERY, *ANALYSES]
# the calibration is quoted if `validate` made it: as an input every report would need it
CALIBRATED = content_hash(CALIBRATION) if Path(CALIBRATION).exists() else None
SUBJECT_PAGES = expand(f"{REPORT}/{{subject}}.html", subject=STUDY.subjects)


rule report:
    input:
        CHECKED,
        AUDIT,
        STUDY_PAGES,
        SUBJECT_PAGES,
        rules.features.input,
        rules.maps.input,
        rules.tables.input,


rule figures:
    input:
        f"{RESULTS}/figures",


rule write_figures:
    input:
        tree=nsd_files("write_figures") if STUDY.interpretation else [],
        tables=SHOWN_TABLES,
        voxels=VOXEL_TABLES["voxels"],
    output:
        report(
            directory(f"{RESULTS}/figures"),
            patterns=["{figure}.png"],
            caption="../report/captions/figures.rst",
            category="Figures",
        ),
    log:
        f"{RESULTS}/logs/write_figures.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_figures.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        study=setting("configuration"),
        code=code_version("pipeline.stages.write_figures"),
    shell:
        "python -m pipeline.stages.write_figures --configuration {params.study.key}"
        " --tables {input.tables:q} --voxels {input.voxels:q} --out-directory {output:q}"
        " 2>&1 | tee {log:q}"


rule choose_colour_limits:
    input:
        maps=MAPS,
    output:
        COLOUR_LIMITS,
    log:
        f"{RESULTS}/logs/choose_colour_limits.log",
    benchmark:
        f"{RESULTS}/benchmarks/choose_colour_limits.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code_version("pipeline.stages.choose_colour_limits"),
    shell:
        "python -m pipeline.stages.choose_colour_limits --maps {input.maps:q} --out {output:q}"
        " 2>&1 | tee {log:q}"


rule write_subject_page:
    input:
        tree=nsd_files("write_subject_page"),
        # nothing is reported that did not pass
        audit=AUDIT,
        maps=f"{RESULTS}/maps/{{subject}}/{WHOLE}",
        limits=COLOUR_LIMITS,
        tables=TABLES,
        figures=f"{RESULTS}/figures",
    output:
        page=f"{REPORT}/{{subject}}.html",
        views=directory(f"{REPORT}/views/{{subject}}"),
    log:
        f"{RESULTS}/logs/write_subject_page/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_subject_page/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        study=setting("configuration"),
        directory=lambda wildcards, output: Path(output.page).parent,
        code=code_version("pipeline.stages.write_subject_page"),
    shell:
        "python -m pipeline.stages.write_subject_page --configuration {params.study.key}"
        " --maps {input.maps:q} --limits {input.limits:q} --tables {input.tables:q}"
        " --figures {input.figures:q} --out-directory {params.directory:q} 2>&1 | tee {log:q}"


rule write_study_pages:
    input:
        tree=nsd_files("write_study_pages"),
        audit=AUDIT,
        tables=SHOWN_TABLES,
        figures=f"{RESULTS}/figures",
        group=GROUP_MAPS,
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
    log:
        f"{RESULTS}/logs/write_study_pages.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_study_pages.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        study=setting("configuration"),
        group=lambda wildcards, input: ["--group-maps", *input.group] if input.group else [],
        calibration=["--calibration", CALIBRATION] if CALIBRATED else [],
        calibrated=CALIBRATED,
        benchmarks=f"{RESULTS}/benchmarks",
        directory=lambda wildcards, output: Path(output[0]).parent,
        code=code_version("pipeline.stages.write_study_pages"),
    shell:
        "python -m pipeline.stages.write_study_pages --configuration {params.study.key}"
        " --tables {input.tables:q} --figures {input.figures:q} {params.group:q}"
        " --limits {input.limits:q} {params.calibration:q} --benchmarks {params.benchmarks:q}"
        " --out-directory {params.directory:q} 2>&1 | tee {log:q}"
