# What models have learnt: principal components of their weights, the images that these prefer,
# groups of voxels; and how feature spaces and ROIs agree on which images are alike.

INTERPRETATION = STUDY.interpretation
SIMILARITY = STUDY.representational_similarity
INTERPRETED = [] if INTERPRETATION is None else STUDY.fits(WHOLE)[INTERPRETATION.model]
COMPONENTS = f"{RESULTS}/interpretation/components.h5"
PROJECTIONS = [
    f"{RESULTS}/interpretation/{subject}/projections.h5"
    for subject in STUDY.subjects
    if INTERPRETATION is not None
]
COMPONENT_TABLES = [
    f"{RESULTS}/tables/{name}.tsv"
    for name in (
        *("components", "component_stability", "preferred_images"),
        *("preferred_categories", "voxel_groups", "voxel_clusters"),
    )
]
BEST_IMAGES = f"{RESULTS}/tables/best_images.tsv"
SIMILARITIES = [
    f"{RESULTS}/similarities/{subject}.h5" for subject in STUDY.subjects if SIMILARITY is not None
]
SIMILARITY_TABLES = [
    f"{RESULTS}/tables/{name}.tsv" for name in ("representational_similarity", "corner_pairs")
]


rule interpretation:
    input:
        [] if INTERPRETATION is None else [*COMPONENT_TABLES, BEST_IMAGES, *PROJECTIONS],


rule representational_similarity:
    input:
        [] if SIMILARITY is None else SIMILARITY_TABLES,


if INTERPRETATION is not None:

    rule fit_weights:
        input:
            features=[f"{RESULTS}/features/{{subject}}/{space}.h5" for space in INTERPRETED],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{INTERPRETATION.model}.h5",
        output:
            f"{RESULTS}/interpretation/{{subject}}/weights.h5",
        resources:
            mem_mb=solving_mb,
            solver_mb=solver_mb,
            runtime=growing(60),
        params:
            **parameters("fit_weights"),
        shell:
            command("fit_weights")

    rule fit_components:
        input:
            features=features_of_subjects(INTERPRETED),
            weights=expand(
                f"{RESULTS}/interpretation/{{subject}}/weights.h5", subject=STUDY.subjects
            ),
        output:
            COMPONENTS,
        resources:
            mem_mb=growing(8000),
            runtime=growing(120),
        params:
            **parameters("fit_components"),
        shell:
            command("fit_components")

    rule project_voxels:
        input:
            features=[f"{RESULTS}/features/{{subject}}/{space}.h5" for space in INTERPRETED],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{INTERPRETATION.model}.h5",
            components=COMPONENTS,
        output:
            f"{RESULTS}/interpretation/{{subject}}/projections.h5",
        resources:
            mem_mb=solving_mb,
            solver_mb=solver_mb,
            runtime=growing(120),
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
            COMPONENT_TABLES,
        resources:
            mem_mb=growing(3000),
            runtime=growing(30),
        params:
            **parameters("describe_components"),
        shell:
            command("describe_components")

    rule rank_images:
        input:
            tree=TREE,
            predictions=expand(
                f"{RESULTS}/predictions/{{subject}}/{WHOLE}/{INTERPRETATION.model}.h5",
                subject=STUDY.subjects,
            ),
            encoding=expand(
                f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{INTERPRETATION.model}.h5",
                subject=STUDY.subjects,
            ),
            responses=expand(f"{RESULTS}/responses/{{subject}}.h5", subject=STUDY.subjects),
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            BEST_IMAGES,
        resources:
            # predictions of all subjects, responses of one
            mem_mb=growing(1000 + 500 * (len(STUDY.subjects) + 1)),
            runtime=growing(30),
        params:
            **parameters("rank_images"),
        shell:
            command("rank_images")


if SIMILARITY is not None:

    rule measure_similarities:
        input:
            features=lambda wildcards: [
                feature_file(space, wildcards.subject, WHOLE) for space in SIMILARITY.spaces
            ],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            rois=f"{RESULTS}/rois/{{subject}}.tsv",
            encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{STUDY.models[0]}.h5",
        output:
            f"{RESULTS}/similarities/{{subject}}.h5",
        resources:
            mem_mb=growing(4000),
            runtime=growing(30),
        params:
            **parameters("measure_similarities"),
        shell:
            command("measure_similarities")

    rule compare_similarities:
        input:
            similarities=SIMILARITIES,
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            SIMILARITY_TABLES,
        resources:
            mem_mb=growing(4000),
            runtime=growing(60),
        params:
            **parameters("compare_similarities"),
        shell:
            command("compare_similarities")
