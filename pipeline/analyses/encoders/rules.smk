# Fitted models as files, and a card for each subject's.

from pipeline.analyses.encoders.analysis import exported

EXPORTED = [model_name(spaces) for spaces in exported(STUDY)]


rule write_encoder:
    input:
        features=lambda wildcards: [
            feature_file(space, wildcards.subject, WHOLE) for space in FITS[WHOLE][wildcards.model]
        ],
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{{model}}.h5",
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
    output:
        f"{RESULTS}/encoders/{{subject}}/{{model}}.safetensors",
    resources:
        gpu=SOLVER_GPUS,
        # the network that predicts the example, besides the solver
        mem_mb=lambda wildcards, input, attempt, threads: 3000
        + solving_mb(wildcards, input, attempt, threads),
        solver_mb=solver_mb,
        runtime=minutes_of(refit),
    params:
        **parameters("write_encoder"),
        weights=WEIGHTS,
    shell:
        command("write_encoder")


rule write_encoder_card:
    input:
        encoders=expand(f"{RESULTS}/encoders/{{{{subject}}}}/{{model}}.safetensors", model=EXPORTED),
    output:
        f"{RESULTS}/encoders/{{subject}}/README.md",
    resources:
        **per_attempt(mem_mb=1000, runtime=15),
    params:
        **parameters("write_encoder_card"),
    shell:
        command("write_encoder_card")
