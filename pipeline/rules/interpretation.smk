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
        log:
            f"{RESULTS}/logs/fit_weights/{{subject}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/fit_weights/{{subject}}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=solving_mb,
            solver_mb=solver_mb,
            runtime=growing(60),
        params:
            spaces=setting("interpreted"),
            interpretation=setting(
                "interpretation:model,voxels_per_subject,least_ceiling,components,permutations,seed"
            ),
            code=code_version("pipeline.stages.fit_weights"),
        shell:
            "python -m pipeline.stages.fit_weights --spaces {params.spaces.key}"
            " --features {input.features:q} --responses {input.responses:q}"
            " --split {input.split:q} --encoding {input.encoding:q}"
            " --configuration {params.interpretation.key} --out {output:q}"
            " --memory-mb {resources.solver_mb} 2>&1 | tee {log:q}"

    rule fit_components:
        input:
            features=features_of_subjects(INTERPRETED),
            weights=expand(
                f"{RESULTS}/interpretation/{{subject}}/weights.h5", subject=STUDY.subjects
            ),
        output:
            COMPONENTS,
        log:
            f"{RESULTS}/logs/fit_components.log",
        benchmark:
            f"{RESULTS}/benchmarks/fit_components.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(8000),
            runtime=growing(120),
        params:
            spaces=setting("interpreted"),
            interpretation=setting("interpretation"),
            code=code_version("pipeline.stages.fit_components"),
        shell:
            "python -m pipeline.stages.fit_components --spaces {params.spaces.key}"
            " --features {input.features:q} --weights {input.weights:q}"
            " --configuration {params.interpretation.key} --out {output:q} 2>&1 | tee {log:q}"

    rule project_voxels:
        input:
            features=[f"{RESULTS}/features/{{subject}}/{space}.h5" for space in INTERPRETED],
            responses=f"{RESULTS}/responses/{{subject}}.h5",
            split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
            encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{INTERPRETATION.model}.h5",
            components=COMPONENTS,
        output:
            f"{RESULTS}/interpretation/{{subject}}/projections.h5",
        log:
            f"{RESULTS}/logs/project_voxels/{{subject}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/project_voxels/{{subject}}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=solving_mb,
            solver_mb=solver_mb,
            runtime=growing(120),
        params:
            spaces=setting("interpreted"),
            code=code_version("pipeline.stages.project_voxels"),
        shell:
            "python -m pipeline.stages.project_voxels --spaces {params.spaces.key}"
            " --features {input.features:q} --responses {input.responses:q}"
            " --split {input.split:q} --encoding {input.encoding:q}"
            " --components {input.components:q} --out {output:q}"
            " --memory-mb {resources.solver_mb} 2>&1 | tee {log:q}"

    rule describe_components:
        input:
            tree=nsd_files("describe_components"),
            components=COMPONENTS,
            labels=expand(f"{RESULTS}/labels/{{subject}}.h5", subject=STUDY.subjects),
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            COMPONENT_TABLES,
        log:
            f"{RESULTS}/logs/describe_components.log",
        benchmark:
            f"{RESULTS}/benchmarks/describe_components.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(3000),
            runtime=growing(30),
        params:
            nsd=NSD,
            code=code_version("pipeline.stages.describe_components"),
        shell:
            "python -m pipeline.stages.describe_components --nsd {params.nsd:q}"
            " --components {input.components:q} --labels {input.labels:q} --rois {input.rois:q}"
            " --out {output:q} 2>&1 | tee {log:q}"

    rule rank_images:
        input:
            tree=nsd_files("rank_images"),
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
        log:
            f"{RESULTS}/logs/rank_images.log",
        benchmark:
            f"{RESULTS}/benchmarks/rank_images.tsv"
        conda:
            "../../environment.yml"
        resources:
            # predictions of all subjects, responses of one
            mem_mb=growing(1000 + 500 * (len(STUDY.subjects) + 1)),
            runtime=growing(30),
        params:
            nsd=NSD,
            spaces=setting("interpreted"),
            interpretation=setting("interpretation:model,images,least_ceiling,least_voxels"),
            code=code_version("pipeline.stages.rank_images"),
        shell:
            "python -m pipeline.stages.rank_images --nsd {params.nsd:q} --spaces {params.spaces.key}"
            " --predictions {input.predictions:q} --responses {input.responses:q}"
            " --encoding {input.encoding:q} --rois {input.rois:q}"
            " --configuration {params.interpretation.key} --out {output:q} 2>&1 | tee {log:q}"


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
        log:
            f"{RESULTS}/logs/measure_similarities/{{subject}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/measure_similarities/{{subject}}.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(30),
        params:
            spaces=setting("representational_similarity.spaces"),
            similarity=setting("representational_similarity:atlases,least_ceiling,least_voxels"),
            code=code_version("pipeline.stages.measure_similarities"),
        shell:
            "python -m pipeline.stages.measure_similarities --spaces {params.spaces.key}"
            " --features {input.features:q} --responses {input.responses:q}"
            " --split {input.split:q} --rois {input.rois:q} --encoding {input.encoding:q}"
            " --configuration {params.similarity.key} --out {output:q} 2>&1 | tee {log:q}"

    rule compare_similarities:
        input:
            similarities=SIMILARITIES,
            rois=expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        output:
            SIMILARITY_TABLES,
        log:
            f"{RESULTS}/logs/compare_similarities.log",
        benchmark:
            f"{RESULTS}/benchmarks/compare_similarities.tsv"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(60),
        params:
            similarity=setting("representational_similarity"),
            level=setting("significance.level"),
            code=code_version("pipeline.stages.compare_similarities"),
        shell:
            "python -m pipeline.stages.compare_similarities --similarities {input.similarities:q} --rois {input.rois:q}"
            " --configuration {params.similarity.key} --level {params.level.key} --out {output:q}"
            " 2>&1 | tee {log:q}"
