# Per subject: responses averaged over repeats, ROI labels of the same voxels, splits by image.


rule responses:
    input:
        CHECKED,
        expand(f"{RESULTS}/responses/{{subject}}.h5", subject=STUDY.subjects),
        expand(f"{RESULTS}/rois/{{subject}}.tsv", subject=STUDY.subjects),
        expand(
            f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
            subject=STUDY.subjects,
            variant=STUDY.all_variants,
        ),


rule average_responses:
    input:
        tree=nsd_files("average_responses"),
    output:
        f"{RESULTS}/responses/{{subject}}.h5",
    log:
        f"{RESULTS}/logs/average_responses/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/average_responses/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(3000),
        # NIfTI is decompressed anew for each block of voxels
        runtime=growing(120),
    params:
        nsd=NSD,
        responses=setting("responses"),
        code=code_version("pipeline.stages.average_responses"),
    shell:
        "python -m pipeline.stages.average_responses --nsd {params.nsd:q}"
        " --subject {wildcards.subject} --configuration {params.responses.key}"
        " --out {output:q} 2>&1 | tee {log:q}"


rule label_rois:
    input:
        tree=nsd_files("label_rois"),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
    output:
        f"{RESULTS}/rois/{{subject}}.tsv",
    log:
        f"{RESULTS}/logs/label_rois/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/label_rois/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        nsd=NSD,
        rois=setting("rois"),
        code=code_version("pipeline.stages.label_rois"),
    shell:
        "python -m pipeline.stages.label_rois --nsd {params.nsd:q} --subject {wildcards.subject}"
        " --responses {input.responses:q} --atlases {params.rois.key} --out {output:q}"
        " 2>&1 | tee {log:q}"


rule split_images:
    input:
        tree=nsd_files("split_images", STUDY.subjects if STUDY.splits.test == "shared515" else None),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        features=features_of_subjects([STUDY.splits.space] if STUDY.splits.space else []),
        labels=lambda wildcards: (
            f"{RESULTS}/labels/{wildcards.subject}.h5"
            if STUDY.all_variants[wildcards.variant].subset is not None
            else []
        ),
    output:
        f"{RESULTS}/splits/{{subject}}/{{variant}}.tsv",
    log:
        f"{RESULTS}/logs/split_images/{{subject}}_{{variant}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/split_images/{{subject}}_{{variant}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        nsd=NSD,
        subjects=setting("testing_subjects"),
        splits=setting("splits"),
        selection=setting("image_selection.{variant}"),
        code=code_version("pipeline.stages.split_images"),
    shell:
        "python -m pipeline.stages.split_images --nsd {params.nsd:q} --subject {wildcards.subject}"
        " --subjects {params.subjects.key} --responses {input.responses:q} --features {input.features}"
        " --labels {input.labels} --configuration {params.splits.key} --variant {wildcards.variant}"
        " --selection {params.selection.key} --out {output:q} 2>&1 | tee {log:q}"


# The end-to-end check that a user runs once on real data; no other stage needs it.


rule noise_ceilings:
    input:
        expand(f"{RESULTS}/checked/noise_ceilings/{{subject}}.tsv", subject=STUDY.subjects),


rule compare_noise_ceilings:
    input:
        tree=nsd_files("compare_noise_ceilings"),
    output:
        f"{RESULTS}/checked/noise_ceilings/{{subject}}.tsv",
    log:
        f"{RESULTS}/logs/compare_noise_ceilings/{{subject}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_noise_ceilings/{{subject}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        nsd=NSD,
        responses=setting("responses"),
        code=code_version("pipeline.stages.compare_noise_ceilings"),
    shell:
        "python -m pipeline.stages.compare_noise_ceilings --nsd {params.nsd:q}"
        " --subject {wildcards.subject} --configuration {params.responses.key}"
        " --out {output:q} 2>&1 | tee {log:q}"
