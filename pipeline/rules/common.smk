RESULTS = f"results/{STUDY.study}"
# shared by studies
FEATURES = f"results/features/{STUDY.stimulus_set}"
NSD = str(STUDY.nsd)
SIMULATED = STUDY.simulation is not None
SIMULATION = f"{STUDY.nsd.parent}/simulation.json"
# Variance is planted in voxels. There is no truth to compare with on surfaces, where voxels mix,
# nor with other trials or test images than the oracle's, or without some of the voxels.
VALIDATED = (
    SIMULATED
    and STUDY.of_nsd.mask.is_named
    and STUDY.of_nsd.sessions is None
    and STUDY.of_nsd.space == STUDY.simulation.volume
    and STUDY.splits.test == "shared1000"
)
# where libraries keep the weights they download
WEIGHTS = str(MANIFEST.weights_folder)
EXPERIMENT_DESIGN = f"{NSD}/nsddata/experiments/nsd/nsd_expdesign.mat"


# written when all files of the study were fetched from its bucket
FETCHED = f"{NSD}/fetched/{STUDY.study}.json"


@cache
def needed_since_fetched():
    """Return files that the study needs and did not need when it was fetched from its bucket."""
    if not Path(FETCHED).exists():
        return []
    fetched = set(json.loads(Path(FETCHED).read_text())["files"])
    return [file.path for file in required_files(MANIFEST, STUDY) if file.path not in fetched]


def existing_tree(wildcards):
    """Return NSD's design, or the output of the job that fetches NSD from a bucket.

    Without NSD's files the run ends here: Snakemake's own message would name only this one.
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


def matrix_files(wildcards):
    """Return a job's files of a dataset of matrices, without pictures and regions.

    Of a job without a subject these are the files of all.
    """
    one = wildcards.get("subject", wildcards.get("part"))
    subjects = [one] if one in STUDY.subjects else [] if one == SHARED else STUDY.subjects
    names = [IMAGES, *(["captions.tsv"] if "network" in wildcards.keys() else [])]
    names += [f"{subject}/{name}" for subject in subjects for name in MATRICES]
    return [str(path) for name in names for path in sorted(STUDY.nsd.glob(name))]


def matrix_texts(wildcards):
    """Return a job's files of a dataset of matrices, and those with its captions."""
    captions = sorted(STUDY.nsd.glob("captions.tsv"))
    return [*matrix_files(wildcards), *map(str, captions)]


def matrix_regions(wildcards):
    """Return the regions of all subjects, who number them alike."""
    return [str(path) for path in sorted(STUDY.nsd.glob("*/regions.tsv"))]


# The input that stands for the folder of the dataset in rules. Real data of NSD do not change under
# their name, so their date is ignored; simulating the folder anew reruns the rules that read it. So
# do changed files of a dataset of matrices.
if STUDY.dataset is not None:
    MATRICES = ["*.npy", "*.h5", "mask.nii.gz"]
    TREE, TEXTS, REGIONS = matrix_files, matrix_texts, matrix_regions
    try:
        for each in STUDY.subjects:
            subject_size(STUDY, MANIFEST, each)
    except InputError as error:
        sys.exit(f"error: {error}")
else:
    TREE = TEXTS = REGIONS = SIMULATION if SIMULATED else ancient(existing_tree)
CHECKED = [f"{RESULTS}/checked/{what}.json" for what in ("networks", "inputs")]


def any_of(names):
    """Return a regular expression that matches the names; without names it matches nothing."""
    return "|".join(names) or "(?!)"


# spaces joined by +, which names of comparisons cannot contain
SPACE = any_of(STUDY.used_spaces)
SET_OF_SPACES = rf"(?:{SPACE})(?:\+(?:{SPACE}))*"


wildcard_constraints:
    subject=any_of(STUDY.subjects),
    part=any_of([*STUDY.subjects, SHARED]),
    space=r"[A-Za-z][A-Za-z0-9_]*",
    network=r"[A-Za-z][A-Za-z0-9_]*",
    shard=r"\d+of\d+",
    variant=r"[A-Za-z][A-Za-z0-9_]*",
    comparison=any_of(STUDY.comparisons),
    model=SET_OF_SPACES,
    fit=rf"{SET_OF_SPACES}|{any_of(STUDY.comparisons)}",
    chunk=r"\d+of\d+",
    kind=r"encoding|significance",
    reader=any_of(["significance", *ANALYSES]),


def voxel_part(folder, fit):
    """Return the output of a job for its part of the voxels: the result itself if it has them all.

    `fit` is the wildcard of the file's name, `{model}` or `{comparison}`.
    """
    if STUDY.scatter.voxel_chunks == 1:
        return f"{RESULTS}/{folder}/{{subject}}/{{variant}}/{fit}.h5"
    return temp(f"{RESULTS}/parts/{folder}/{{subject}}/{{variant}}/{fit}/{{chunk}}.h5")


def per_attempt(**amounts):
    """Return resources that grow with each attempt to run a job."""

    def grown(amount):
        return lambda wildcards, attempt: amount * attempt

    return {name: grown(amount) for name, amount in amounts.items()}


# {fit: its place among a subject's fits and predictions, which are made in the order of their readers}
PREDICTED = in_order(STUDY)
PLACES = {fit: place for place, fit in reversed([*enumerate(PREDICTED)])}
FIT_PLACES = {each[1:]: place for each, place in reversed([*PLACES.items()])}
# of jobs that read predictions, and of those that check the inputs
READERS_PRIORITY = (len(STUDY.subjects) + 1) * (len(PREDICTED) + 1)
CHECKS_PRIORITY = READERS_PRIORITY + 1


def in_order_of_reading(wildcards):
    """Return a priority by which few predictions exist at the same time.

    Subjects follow one another, and so do fits and predictions of what is compared. Fits that no
    test reads come last.
    """
    subject, n = STUDY.subjects.index(wildcards.subject), len(PREDICTED) + 1
    fit = wildcards.variant, wildcards.model
    if "reader" in wildcards.keys():
        place = PLACES.get((wildcards.reader, *fit), n - 1)
    else:
        place = FIT_PLACES.get(fit, n - 1)
    return (len(STUDY.subjects) - subject) * n - place


def solved_part(wildcards, most=False):
    """Return the size, or the largest possible, of the part of a subject that a job fits.

    Refits are of whole subjects.
    """
    subject = subject_size(STUDY, MANIFEST, wildcards.subject)
    chunks = STUDY.scatter.voxel_chunks if "chunk" in wildcards.keys() else 1
    return part_of(STUDY, subject, wildcards.get("variant", WHOLE), chunks, most)


def minutes_of(job):
    """Return a function of a job's time limit: as estimated with a margin, times the attempt.

    `job` estimates a study, a part of a subject, and {space: number of its features}.
    """
    return lambda wildcards, input, attempt, threads: attempt * solving_minutes(
        job, STUDY, solved_part(wildcards), input.features, threads
    )


def solving_mb(wildcards, input, attempt, threads):
    """Return the memory of a job with a solver: as estimated with a margin, times the attempt."""
    part = solved_part(wildcards, most=True)
    return attempt * job_megabytes(STUDY, part, input.features, threads)


def solver_mb(wildcards, input, threads):
    """Return the solver's memory: a resource, not a parameter, as results do not depend on it."""
    offered = workflow.global_resources.get("mem_mb")
    # on the node of a cluster there is no such limit: the job has the memory that it requested
    shared = math.inf if offered is None or offered.value is None else offered.value
    part = solved_part(wildcards, most=True)
    return solver_megabytes(STUDY, part, input.features, threads, shared)


# GPUs of a fit or refit
SOLVER_GPUS = int(STUDY.encoding.backend in ("auto", "torch_cuda"))


# {variant: {model: its spaces}}
FITS = {variant: STUDY.fits(variant) for variant in STUDY.all_variants}


def of_models(folder, subjects=STUDY.subjects, variants=STUDY.assessed_variants):
    """Return a folder's files of every fitted set of spaces."""
    return [
        f"{RESULTS}/{folder}/{subject}/{variant}/{model}.h5"
        for subject in subjects
        for variant in variants
        for model in FITS[variant]
    ]


def of_comparisons(folder, subjects=STUDY.subjects, variants=STUDY.assessed_variants):
    """Return a folder's files of every comparison."""
    return [
        f"{RESULTS}/{folder}/{subject}/{variant}/{comparison}.h5"
        for subject in subjects
        for variant in variants
        for comparison in STUDY.comparisons_of(variant)
    ]


def of_tests(subjects=STUDY.subjects, variants=STUDY.assessed_variants):
    """Return the files of the tests of models and of comparisons."""
    folder = "significance"
    return [*of_models(folder, subjects, variants), *of_comparisons(folder, subjects, variants)]


def of_compared_models(folder):
    """Return the files of the models of all subsets of a comparison's spaces, in their order."""
    return lambda wildcards: [
        f"{RESULTS}/{folder}/{wildcards.subject}/{wildcards.variant}/{model}.h5"
        for model in STUDY.models_of(wildcards.comparison)
    ]


def predictions_for(reader, fits, subject="{subject}"):
    """Return the files of predictions by fits, (variant, model), that only one reader reads."""
    return [
        f"{RESULTS}/predictions/{reader}/{subject}/{variant}/{model}.h5" for variant, model in fits
    ]


def smaller_models(wildcards):
    """Return the fits of the smaller models that can replace a model in some voxels."""
    spaces = FITS[wildcards.variant][wildcards.model]
    return [
        f"{RESULTS}/encoding/{wildcards.subject}/{wildcards.variant}/{model}.h5"
        for model in STUDY.smaller_models(wildcards.variant, spaces)
    ]


def fitted_features(wildcards):
    """Return the files of the features that a model is fitted on, in the order of its spaces."""
    return [
        feature_file(space, wildcards.subject, wildcards.variant)
        for space in FITS[wildcards.variant][wildcards.model]
    ]


def feature_file(space, subject, variant):
    """Return the file of a space's features that a variant of a subject is fitted on."""
    if STUDY.feature_spaces[space].is_fitted:
        return f"{RESULTS}/features/{subject}/{variant}/{space}.h5"
    return f"{RESULTS}/features/{subject}/{space}.h5"


def features_of_subjects(spaces):
    """Return the files of feature spaces that do not depend on a variant, for every subject."""
    return [feature_file(space, subject, WHOLE) for subject in STUDY.subjects for space in spaces]


def shards_of(wildcards):
    """Return the files that a network's features for a subject and space are stored in."""
    network = STUDY.feature_spaces[wildcards.space].network
    n_shards = STUDY.extraction.shards
    return [
        f"{RESULTS}/features/layers/{network}/{part}_{number}of{n_shards}.h5"
        for part in parts_of(wildcards.subject)
        for number in range(1, n_shards + 1)
    ]


def parts_of(subject):
    """Return the parts of a subject's images: shared ones and its own, if there are any.

    Of NSD there always are both.
    """
    size = subject_size(STUDY, MANIFEST, subject)
    shared = [SHARED] if size.test_images or STUDY.dataset is None else []
    return [*shared, *([subject] if size.images > size.test_images else [])]


def audited_files(subject, variant):
    """Return a variant's split, responses, reduced spaces, and fits with their features."""
    fits = FITS[variant]
    used = dict.fromkeys(space for spaces in fits.values() for space in spaces)
    files = {space: feature_file(space, subject, variant) for space in used}
    return {
        "split": f"{RESULTS}/splits/{subject}/{variant}.tsv",
        "own_split": STUDY.all_variants[variant].splits is not None,
        "responses": f"{RESULTS}/responses/{subject}.h5",
        "features": {files[space]: space for space in used},
        "reduced": [files[s] for s in files if STUDY.feature_spaces[s].is_fitted],
        "fits": {
            f"{RESULTS}/encoding/{subject}/{variant}/{model}.h5": {s: files[s] for s in spaces}
            for model, spaces in fits.items()
        },
    }


# frozen when a run starts: jobs read all their settings from it
RUN = study_run(
    STUDY,
    {
        subject: {variant: audited_files(subject, variant) for variant in STUDY.all_variants}
        for subject in STUDY.subjects
    },
)


def of_run(key):
    """Return a setting of the frozen run, for the `params` of a job."""
    return JobSetting.of(RUN, key)


def setting(key):
    """Return a function that looks up a setting whose key contains wildcards."""
    return lambda wildcards: of_run(key.format(**wildcards))


def parameters(stage):
    """Return a stage's parameters: settings, the folder of NSD if needed, and code version."""
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
    predictions,
    significance,
    partitions,
    maps,
    tables,
    validate,
    figures,
    report,
