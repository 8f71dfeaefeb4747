# Each set of feature spaces is fitted once, even if several comparisons use it.


ENCODING = of_models("encoding", variants=STUDY.all_variants)
N_CHUNKS = STUDY.scatter.voxel_chunks


rule encoding:
    """Encoding models of all voxels."""
    input:
        CHECKED,
        ENCODING,


rule fit_encoding_models:
    input:
        features=fitted_features,
        smaller_encoding=smaller_models,
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        voxel_part("encoding", "{model}"),
    priority: in_order_of_reading
    resources:
        gpu=SOLVER_GPUS,
        mem_mb=solving_mb,
        solver_mb=solver_mb,
        runtime=minutes_of(fit),
    params:
        **parameters("fit_encoding_models"),
        specifications=lambda wildcards: of_run(
            "feature_specification:" + ",".join(FITS[wildcards.variant][wildcards.model])
        ),
        chunk=lambda wildcards: wildcards.get("chunk", "1of1"),
    shell:
        command("fit_encoding_models")


rule predictions:
    """Predicted responses to test images, to be kept."""
    input:
        of_models("predictions", variants=STUDY.all_variants),


# Predictions are most of what a study would keep, and take a small part of a fit to make again.
# Each reader (significance, an analysis) has its own: if readers shared them, predictions made again
# for one would rerun all others. Readers have a higher priority (see Snakefile), so that files go
# soon. Voxels are not divided: factorisations take most of the time, whatever the number of voxels.
rule predict_test_images:
    input:
        features=fitted_features,
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
        encoding=f"{RESULTS}/encoding/{{subject}}/{{variant}}/{{model}}.h5",
    output:
        temp(f"{RESULTS}/predictions/{{reader}}/{{subject}}/{{variant}}/{{model}}.h5"),
    priority: in_order_of_reading
    resources:
        gpu=SOLVER_GPUS,
        mem_mb=solving_mb,
        solver_mb=solver_mb,
        runtime=minutes_of(refit),
    params:
        **parameters("predict_test_images"),
    shell:
        command("predict_test_images")


use rule predict_test_images as keep_predictions with:
    output:
        f"{RESULTS}/predictions/{{subject}}/{{variant}}/{{model}}.h5",


rule significance:
    """Intervals and tests of models and variance components."""
    input:
        of_tests(),


rule assess_significance:
    input:
        predictions=predictions_for("significance", [("{variant}", "{model}")]),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        voxel_part("significance", "{model}"),
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("assess_significance"),
        chunk=lambda wildcards: wildcards.get("chunk", "1of1"),
    shell:
        command("assess_significance")


rule assess_components:
    input:
        predictions=of_compared_models("predictions/significance"),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    output:
        voxel_part("significance", "{comparison}"),
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("assess_components"),
        chunk=lambda wildcards: wildcards.get("chunk", "1of1"),
    shell:
        command("assess_components")


if N_CHUNKS > 1:

    rule gather_voxels:
        input:
            parts=expand(
                f"{RESULTS}/parts/{{{{kind}}}}/{{{{subject}}}}/{{{{variant}}}}/{{{{fit}}}}/{{chunk}}.h5",
                chunk=[f"{number}of{N_CHUNKS}" for number in range(1, N_CHUNKS + 1)],
            ),
        output:
            f"{RESULTS}/{{kind}}/{{subject}}/{{variant}}/{{fit}}.h5",
        resources:
            **per_attempt(mem_mb=2000, runtime=30),
        params:
            **parameters("gather_voxels"),
            false_discovery_rates=lambda wildcards: wildcards.kind == "significance",
        shell:
            command("gather_voxels")
