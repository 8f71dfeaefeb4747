# Optional analyses: their targets, and tables made of their results. The folders of those that are
# switched on have the rules that make the results.


ENABLED = enabled(STUDY)
# {folder: its tables}
ANALYSIS_TABLES = {
    folder: [f"{RESULTS}/tables/{table}.tsv" for table in analysis.tables]
    for folder, analysis in ENABLED.items()
}


def mapped_files(subject):
    """Return the files of all analyses that become maps of a subject."""
    files = [one.map_files(STUDY, subject) for one in ENABLED.values()]
    return [f"{RESULTS}/{file}" for file in itertools.chain(*files)]


for folder, analysis in ANALYSES.items():

    rule:
        name:
            analysis.target
        input:
            ANALYSIS_TABLES.get(folder, []),
            [
                f"{RESULTS}/{file}"
                for subject in STUDY.subjects
                for file in (
                    [*analysis.results(STUDY, subject), *analysis.map_files(STUDY, subject)]
                    if folder in ENABLED
                    else []
                )
            ],
        localrule: True

    workflow.get_rule(analysis.target).docstring = type(analysis).__doc__


for folder, analysis in ENABLED.items():

    include: f"../analyses/{folder}/rules.smk"

    results = [file for subject in STUDY.subjects for file in analysis.results(STUDY, subject)]
    if results and analysis.tables:

        rule:
            name:
                f"tabulate_{folder}"
            input:
                rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
                results=[f"{RESULTS}/{file}" for file in results],
            output:
                ANALYSIS_TABLES[folder],
            resources:
                **per_attempt(mem_mb=2000, runtime=30),
            params:
                **parameters("write_analysis_table"),
                analysis=folder,
                settings=setting(f"table_settings.{folder}"),
            shell:
                command("write_analysis_table")
