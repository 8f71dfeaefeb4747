# Models scored on NSD-synthetic, and compared with their scores on the study's test images.

from pipeline.analyses.out_of_distribution.analysis import scored

SYNTHETIC_RESPONSES = f"{RESULTS}/out_of_distribution/responses/{{subject}}.h5"


rule average_synthetic:
    input:
        tree=TREE,
        responses=f"{RESULTS}/responses/{{subject}}.h5",
    output:
        SYNTHETIC_RESPONSES,
    resources:
        **per_attempt(mem_mb=3000, runtime=30),
    params:
        **parameters("average_synthetic"),
    shell:
        command("average_synthetic")


rule score_synthetic:
    input:
        tree=TREE,
        features=lambda wildcards: [
            feature_file(space, wildcards.subject, WHOLE) for space in FITS[WHOLE][wildcards.model]
        ],
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{{model}}.h5",
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
        synthetic=SYNTHETIC_RESPONSES,
    output:
        f"{RESULTS}/out_of_distribution/{{subject}}/{{model}}.h5",
    resources:
        gpu=SOLVER_GPUS,
        # the network, and draws of images, besides the solver
        mem_mb=lambda wildcards, input, attempt, threads: 3000
        + solving_mb(wildcards, input, attempt, threads),
        solver_mb=solver_mb,
        runtime=minutes_of(refit),
    params:
        **parameters("score_synthetic"),
        weights=WEIGHTS,
    shell:
        command("score_synthetic")


rule compare_distributions:
    input:
        scores=expand(
            f"{RESULTS}/out_of_distribution/{{{{subject}}}}/{{model}}.h5", model=scored(STUDY)
        ),
        synthetic=SYNTHETIC_RESPONSES,
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
    output:
        f"{RESULTS}/out_of_distribution/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("compare_distributions"),
    shell:
        command("compare_distributions")
