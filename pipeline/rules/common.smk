RESULTS = f"results/{STUDY.study}"
# which studies share
FEATURES = f"results/features/{STUDY.stimulus_set}"
NSD = str(STUDY.nsd)
SIMULATED = STUDY.simulation is not None
SIMULATION = f"{STUDY.nsd.parent}/simulation.json"
# variance is planted in voxels: on surfaces, where voxels mix, there is no truth to compare with
# or with other test images than the oracle's
VALIDATED = (
    SIMULATED
    and STUDY.responses.space == STUDY.simulation.volume
    and STUDY.splits.test == "shared1000"
)
# where libraries keep the weights they download
WEIGHTS = str(MANIFEST.weights_folder)
EXPERIMENT_DESIGN = f"{NSD}/nsddata/experiments/nsd/nsd_expdesign.mat"


# written when all that a study reads was fetched from its bucket
FETCHED = f"{NSD}/fetched/{STUDY.study}.json"


@cache
def needed_since_fetched():
    """Files that the study needs and did not need when it was fetched from its bucket."""
    if not Path(FETCHED).exists():
        return []
    fetched = set(json.loads(Path(FETCHED).read_text())["files"])
    return [file.path for file in required_files(MANIFEST, STUDY) if file.path not in fetched]


def existing_tree(wildcards):
    """NSD's design, or what a job leaves that fetched all of it from a bucket.

    Without files the run ends here, as Snakemake would only name this one.
    """
    named = [os.path.relpath(file, workflow.workdir_init) for file in workflow.configfiles]
    options = " ".join(["--configfile", *named])
    if not STUDY.nsd_bucket and not Path(EXPERIMENT_DESIGN).exists():
        sys.exit(
            f"error: {NSD}: NSD's data are missing (there is no {EXPERIMENT_DESIGN}); `snakemake"
            f" preflight {options}` lists what the study needs, `snakemake fetch {options}`"
            " downloads it, and `nsd:` in the configuration names a copy that lies elsewhere."
        )
    if STUDY.nsd_bucket and needed_since_fetched():
        sys.exit(
            f"error: {NSD}: {len(needed_since_fetched())} files were not needed when the study was"
            f" fetched, first {needed_since_fetched()[0]}; `snakemake fetch {options}` downloads"
            f" them from {STUDY.nsd_bucket}."
        )
    return FETCHED if STUDY.nsd_bucket else EXPERIMENT_DESIGN


# What stands for the whole NSD tree among a rule's inputs. Real data do not change under their
# name, so their date says nothing; a tree that is simulated anew reruns what reads it.
TREE = SIMULATION if SIMULATED else ancient(existing_tree)
CHECKED = [f"{RESULTS}/checked/{what}.json" for what in ("networks", "inputs")]


def any_of(names):
    """A regular expression of some names, none of which is special; of no names, of nothing."""
    return "|".join(names) or "(?!)"


# spaces joined by +, which no comparison is named by
SPACE = any_of(STUDY.used_spaces)
SET_OF_SPACES = rf"(?:{SPACE})(?:\+(?:{SPACE}))*"


wildcard_constraints:
    subject=r"subj0[1-8]",
    part=rf"subj0[1-8]|{SHARED}",
    space=r"[A-Za-z][A-Za-z0-9_]*",
    network=r"[A-Za-z][A-Za-z0-9_]*",
    shard=r"\d+of\d+",
    variant=r"[A-Za-z][A-Za-z0-9_]*",
    comparison=any_of(STUDY.comparisons),
    model=SET_OF_SPACES,
    fit=rf"{SET_OF_SPACES}|{any_of(STUDY.comparisons)}",
    chunk=r"\d+of\d+",
    scattered=r"encoding|predictions|significance",


def scattered(folder, fit):
    """What a job leaves of the voxels that are its part: the result itself if that is all.

    `fit` is the wildcard of the file's name, `{model}` or `{comparison}`.
    """
    if STUDY.scatter.voxel_chunks == 1:
        return f"{RESULTS}/{folder}/{{subject}}/{{variant}}/{fit}.h5"
    return temp(f"{RESULTS}/parts/{folder}/{{subject}}/{{variant}}/{fit}/{{chunk}}.h5")


def growing(amount):
    """A resource of which a job gets more each time that it is tried again."""
    return lambda wildcards, attempt: amount * attempt


def solved_part(wildcards):
    """How much of a subject a job fits: weights are those of whole subjects."""
    subject = subject_size(STUDY, MANIFEST, wildcards.subject)
    chunks = STUDY.scatter.voxel_chunks if "variant" in wildcards.keys() else 1
    return part_of(STUDY, subject, wildcards.get("variant", WHOLE), chunks)


def minutes_of_fit(wildcards, input, attempt, threads):
    """Time as estimated of a fit, with room to spare, and more at each attempt."""
    return attempt * fit_minutes(STUDY, solved_part(wildcards), input.features, threads)


def solving_mb(wildcards, input, attempt, threads):
    """Memory of a job that has a solver, with room to spare, and more at each attempt."""
    return attempt * job_megabytes(STUDY, solved_part(wildcards), input.features, threads)


def solver_mb(wildcards, input, threads):
    """What the solver may take: a resource and no parameter, as results do not depend on it."""
    offered = workflow.global_resources.get("mem_mb")
    # on the node of a cluster nothing is offered: the job has what it asked for
    shared = math.inf if offered is None or offered.value is None else offered.value
    return solver_megabytes(STUDY, solved_part(wildcards), input.features, threads, shared)


# {variant: {model: its spaces}}
FITS = {variant: STUDY.fits(variant) for variant in STUDY.all_variants}


def of_models(folder, subjects=STUDY.subjects, variants=STUDY.assessed_variants):
    """Files of every set of spaces that is fitted, by the folder of their kind."""
    return [
        f"{RESULTS}/{folder}/{subject}/{variant}/{model}.h5"
        for subject in subjects
        for variant in variants
        for model in FITS[variant]
    ]


def of_comparisons(folder, subjects=STUDY.subjects, variants=STUDY.assessed_variants):
    """Files of every comparison, by the folder of their kind."""
    return [
        f"{RESULTS}/{folder}/{subject}/{variant}/{comparison}.h5"
        for subject in subjects
        for variant in variants
        for comparison in STUDY.comparisons_of(variant)
    ]


def of_tests(subjects=STUDY.subjects, variants=STUDY.assessed_variants):
    """Files of the tests of models and of comparisons."""
    folder = "significance"
    return [*of_models(folder, subjects, variants), *of_comparisons(folder, subjects, variants)]


def of_compared_models(folder):
    """Files of the models of all subsets of a comparison's spaces, in the order of the subsets."""
    return lambda wildcards: [
        f"{RESULTS}/{folder}/{wildcards.subject}/{wildcards.variant}/{model}.h5"
        for model in STUDY.models_of(wildcards.comparison)
    ]


def of_smaller_models(folder):
    """Files of the models that a model takes voxels over from."""
    return lambda wildcards: [
        f"{RESULTS}/{folder}/{wildcards.subject}/{wildcards.variant}/{model}.h5"
        for model in STUDY.smaller_models(
            wildcards.variant, FITS[wildcards.variant][wildcards.model]
        )
    ]


def feature_file(space, subject, variant):
    """Where the features of a space are that a variant of a subject is fitted on."""
    if STUDY.feature_spaces[space].is_fitted:
        return f"{RESULTS}/features/{subject}/{variant}/{space}.h5"
    return f"{RESULTS}/features/{subject}/{space}.h5"


def features_of_subjects(spaces):
    """Files of feature spaces that no variant decides, of every subject."""
    return [feature_file(space, subject, WHOLE) for subject in STUDY.subjects for space in spaces]


def shards_of(wildcards):
    """What a network gave for a subject and space."""
    network = STUDY.feature_spaces[wildcards.space].network
    n_shards = STUDY.extraction.shards
    return [
        f"{RESULTS}/features/layers/{network}/{part}_{number}of{n_shards}.h5"
        for part in (SHARED, wildcards.subject)
        for number in range(1, n_shards + 1)
    ]


def audited_files(subject, variant):
    """A variant's split, responses, reduced spaces, and fits with the features they are made of."""
    fits = FITS[variant]
    used = dict.fromkeys(space for spaces in fits.values() for space in spaces)
    files = {space: feature_file(space, subject, variant) for space in used}
    return {
        "split": f"{RESULTS}/splits/{subject}/{variant}.tsv",
        "responses": f"{RESULTS}/responses/{subject}.h5",
        "features": {files[space]: space for space in used},
        "reduced": [files[s] for s in files if STUDY.feature_spaces[s].is_fitted],
        "fits": {
            f"{RESULTS}/encoding/{subject}/{variant}/{model}.h5": {s: files[s] for s in spaces}
            for model, spaces in fits.items()
        },
    }


# frozen when a run starts: what jobs take of it is all that they are told of the study
RUN = study_run(
    STUDY,
    {
        subject: {variant: audited_files(subject, variant) for variant in STUDY.all_variants}
        for subject in STUDY.subjects
    },
)


def of_run(key):
    """What a job takes of its frozen run, for its `params`."""
    return JobSetting.of(RUN, key)


def setting(key):
    """As `of_run`, by a key in which wildcards stand."""
    return lambda wildcards: of_run(key.format(**wildcards))


def parameters(stage):
    """Parameters of a stage: its settings, NSD's folder if it reads that, the version of its code."""
    settings = {name: setting(key) for name, key in declared_settings(stage).items()}
    nsd = {"nsd": NSD} if reads_nsd(stage) else {}
    return {**nsd, **settings, "code": code_version(stage_modules()[stage])}


localrules:
    all,
    audit,
    simulation,
    check,
    describe_maps,
    fetch_plan,
    fetch,
    preflight,
    reduce_features,
    features,
    responses,
    noise_ceilings,
    encoding,
    significance,
    partitions,
    maps,
    tables,
    validate,
    figures,
    report,
