# Attributes that differ between the feature spaces of each comparison.


rule tabulate_confounds:
    input:
        # one subject's: a space has as many features in all, unless its number of components is set
        # by the variance that they explain
        features=sorted(
            {
                feature_file(space, STUDY.subjects[0], WHOLE)
                for spaces in STUDY.comparisons.values()
                for space in spaces
            }
        ),
    output:
        ANALYSIS_TABLES["confounds"],
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("tabulate_confounds"),
    shell:
        command("tabulate_confounds")
