# Principal components of encoding weights, groups of voxels, and the images they prefer.

from pipeline.analyses.weight_components.analysis import BEST_IMAGES, interpreted

INTERPRETED = interpreted(STUDY)
INTERPRETED_MODEL = model_name(INTERPRETED)
COMPONENTS = f"{RESULTS}/interpretation/components.h5"
BEST_IMAGES_FILE = f"{RESULTS}/tables/{BEST_IMAGES}.tsv"


rule fit_weights:
    input:
        features=[f"{RESULTS}/features/{{subject}}/{space}.h5" for space in INTERPRETED],
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{INTERPRETED_MODEL}.h5",
    output:
        out=f"{RESULTS}/interpretation/{{subject}}/weights.h5",
        permuted=temp(f"{RESULTS}/interpretation/{{subject}}/permuted_weights.h5"),
    resources:
        **per_attempt(runtime=60),
        gpu=SOLVER_GPUS,
        mem_mb=solving_mb,
        solver_mb=solver_mb,
    params:
        **parameters("fit_weights"),
    shell:
        command("fit_weights")


rule fit_components:
    input:
        features=features_of_subjects(INTERPRETED),
        weights=expand(rules.fit_weights.output.out, subject=STUDY.subjects),
        permuted=expand(rules.fit_weights.output.permuted, subject=STUDY.subjects),
    output:
        COMPONENTS,
    resources:
        **per_attempt(mem_mb=8000, runtime=120),
    params:
        **parameters("fit_components"),
    shell:
        command("fit_components")


rule project_voxels:
    input:
        features=[f"{RESULTS}/features/{{subject}}/{space}.h5" for space in INTERPRETED],
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{INTERPRETED_MODEL}.h5",
        components=COMPONENTS,
    output:
        f"{RESULTS}/interpretation/{{subject}}/projections.h5",
    resources:
        **per_attempt(runtime=120),
        gpu=SOLVER_GPUS,
        mem_mb=solving_mb,
        solver_mb=solver_mb,
    params:
        **parameters("project_voxels"),
    shell:
        command("project_voxels")


rule describe_components:
    input:
        tree=TREE,
        components=COMPONENTS,
        labels=expand(f"{RESULTS}/labels/{{subject}}.h5", subject=STUDY.subjects),
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
    output:
        [path for path in ANALYSIS_TABLES["weight_components"] if path != BEST_IMAGES_FILE],
    resources:
        **per_attempt(mem_mb=3000, runtime=30),
    params:
        **parameters("describe_components"),
    shell:
        command("describe_components")


rule rank_images:
    input:
        tree=TREE,
        predictions=expand(
            predictions_for("weight_components", ANALYSES["weight_components"].predicted(STUDY)),
            subject=STUDY.subjects,
        ),
        encoding=expand(
            f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{INTERPRETED_MODEL}.h5",
            subject=STUDY.subjects,
        ),
        responses=expand(f"{RESULTS}/responses/{{subject}}.h5", subject=STUDY.subjects),
        rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
    output:
        BEST_IMAGES_FILE,
    resources:
        # predictions of all subjects, responses of one
        **per_attempt(mem_mb=1000 + 500 * (len(STUDY.subjects) + 1), runtime=30),
    params:
        **parameters("rank_images"),
    shell:
        command("rank_images")
