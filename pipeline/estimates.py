"""What a study will need, told before it starts: disk, memory and time of every stage.

The rates were measured on two cores of an ordinary server by the stages' own benchmarks; the
rate of a GPU is an assumption. Times are meant to be right within a factor of two, disk within a
few percent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from encoding.partition import subsets
from pipeline.configuration import Configuration
from pipeline.configuration.variants import VariantSettings
from pipeline.settings import WHOLE

if TYPE_CHECKING:
    # it brings torch, and every start of the workflow reads this module
    from features.costs import NetworkCost

# operations per second and core of networks in float32, of this project's solver, of himalaya's
NETWORK_RATE, SOLVER_RATES = 110e9, {"own": 90e9, "himalaya": 11e9}
# penalties that a search computes predictions for, as a share of the grid
SEARCHED = {"exact": 1.0, "windowed": 0.4, "gcv": 0.02}
# draws of matrix products, and permuted responses, per second and core
DRAW_RATE, PERMUTATION_RATE = 50e9, 0.7e9
# of a present-day data-centre GPU in float32, and stimuli that one process can prepare for it
GPU_RATE, PREPARED_PER_SECOND = 5e12, 400
SECONDS_PER_VOXEL_AND_SESSION = 25e-6
SECONDS_TO_START = 1.2
# of a candidate in a fold, however small
SECONDS_PER_DECOMPOSITION = 0.02
SECONDS_TO_DRAW = 0.04
PICTURE_SECONDS_PER_MAP = 0.2
# r, R², both normalised, cross-validated R², α, p, q, r where q is small; variance, p, q, the same
MAPS_PER_MODEL, MAPS_PER_COMPONENT = 9, 4
# weights of three cortical depths; applying them, and compressing what they give
SECONDS_PER_PLACE, SECONDS_PER_PLACE_AND_MAP = 12e-6, 0.2e-6
# a subject's page with what it shows; figures of the study in three formats
PAGE_BYTES, FIGURE_BYTES = 30e6, 25e6
IMAGE_BYTES = 425 * 425 * 3
# what a process holds that has loaded torch, and one that has not
TORCH_BYTES, PLAIN_BYTES = 0.8e9, 0.15e9
BLOCK_BYTES = 0.9e9
# maps of a subject, and pictures of them
PICTURES_BYTES = 1.2e9
FLOAT = 4


@dataclass(frozen=True)
class SubjectSize:
    """How much there is of a subject.

    Attributes
    ----------
    images, test_images : seen at least once
    voxels : in the mask
    grid : all voxels or vertices of the space
    mapped : voxels or vertices of a map in all further spaces together
    """

    sessions: int
    images: int
    test_images: int
    voxels: int
    grid: int
    mapped: int


@dataclass(frozen=True)
class StudySize:
    """How much there is of everything.

    Attributes
    ----------
    images : distinct images of all subjects
    networks : {network: cost of a pass of one stimulus}
    features : {feature space: its width}
    """

    subjects: Mapping[str, SubjectSize]
    images: int
    captions_per_image: float
    networks: Mapping[str, NetworkCost]
    features: Mapping[str, int]


@dataclass(frozen=True)
class JobEstimate:
    """Of one job, on CPU.

    Attributes
    ----------
    memory_bytes : the most that it holds
    disk_bytes : of its result
    """

    core_seconds: float
    memory_bytes: float
    disk_bytes: float = 0.0


@dataclass(frozen=True)
class StageEstimate:
    """Of all jobs of a stage together.

    Attributes
    ----------
    core_seconds : on CPU alone
    gpu_seconds : where there is a GPU, instead of `core_seconds`; None if none is used
    memory_bytes : of the largest job
    disk_bytes : of the results
    """

    stage: str
    jobs: int
    core_seconds: float
    gpu_seconds: float | None
    memory_bytes: float
    disk_bytes: float


def estimate_study(study: Configuration, size: StudySize) -> list[StageEstimate]:
    """One estimate per stage, in the order in which data flow."""
    stages = [
        _features(study, size),
        _responses(size),
        _encoding(study, size),
        _significance(study, size),
        _partitions(study, size),
    ]
    return [*_simulation(study, size), *stages, _maps_and_report(study, size)]


def _stage(name: str, jobs: Sequence[JobEstimate], n_jobs: int | None = None) -> StageEstimate:
    """All jobs of a stage on CPU; `n_jobs` if there are small ones beside them."""
    return StageEstimate(
        name,
        len(jobs) if n_jobs is None else n_jobs,
        sum(job.core_seconds for job in jobs),
        None,
        max((job.memory_bytes for job in jobs), default=PLAIN_BYTES),
        sum(job.disk_bytes for job in jobs),
    )


def _simulation(study: Configuration, size: StudySize) -> Iterator[StageEstimate]:
    if study.simulation is None:
        return
    stimuli = study.simulation.n_images * SECONDS_TO_DRAW
    # planted spaces are computed once more, by their libraries
    planted = _features(study, size)
    sessions = sum(subject.sessions * subject.grid for subject in size.subjects.values())
    disk = study.simulation.n_images * IMAGE_BYTES + sessions * 750 * 2
    memory = TORCH_BYTES + study.simulation.n_images * IMAGE_BYTES * 2
    yield StageEstimate("simulation", 1, stimuli + planted.core_seconds, None, memory, disk)


def _features(study: Configuration, size: StudySize) -> StageEstimate:
    core, gpu, disk, memory = 0.0, 0.0, 0.0, 0.0
    shards = study.extraction.shards
    for name, cost in size.networks.items():
        captioned = study.networks[name].stimulus == "captions"
        stimuli = size.images * (size.captions_per_image if captioned else 1)
        job = extraction_job(stimuli / shards, cost.operations, cost.parameter_bytes)
        core += shards * job.core_seconds
        memory = max(memory, job.memory_bytes)
        gpu += shards * SECONDS_TO_START
        gpu += stimuli * max(cost.operations / GPU_RATE, 1 / PREPARED_PER_SECOND)
        disk += size.images * (FLOAT * sum(cost.widths.values()) + 8)
    made = list(_spaces(study, size))
    for space, n_images in made:
        disk += n_images * (FLOAT * size.features[space] + 8)
    jobs = shards * len(size.networks) + len(made)
    core += SECONDS_TO_START * len(made)
    return StageEstimate("features", jobs, core, gpu, memory, disk)


def extraction_job(stimuli: float, operations: float, parameter_bytes: float) -> JobEstimate:
    """Of a shard of stimuli through a network of so many operations for each."""
    seconds = SECONDS_TO_START + stimuli * operations / NETWORK_RATE
    return JobEstimate(seconds, TORCH_BYTES + 2 * parameter_bytes)


def _spaces(study: Configuration, size: StudySize) -> Iterator[tuple[str, int]]:
    """Each feature space as often as it is made, and of how many images."""
    for space in size.features:
        if study.feature_spaces[space].is_fitted:
            yield from ((space, subject.images) for subject in size.subjects.values())
        else:
            yield space, size.images


def _responses(size: StudySize) -> StageEstimate:
    jobs = [response_job(subject) for subject in size.subjects.values()]
    return _stage("responses", jobs, 3 * len(jobs))


def response_job(subject: SubjectSize) -> JobEstimate:
    """Of averaging a subject's trials."""
    seconds = subject.voxels * subject.sessions * SECONDS_PER_VOXEL_AND_SESSION
    averaged = subject.images * subject.voxels * (FLOAT + 1)
    memory = PLAIN_BYTES + min(BLOCK_BYTES, 1.5 * averaged)
    return JobEstimate(SECONDS_TO_START + seconds, memory, averaged + subject.voxels * 12)


def _fits(
    study: Configuration, size: StudySize, variants: Mapping[str, VariantSettings]
) -> list[tuple[SubjectSize, list[str]]]:
    """How much there is to each fit of some variants."""
    return [
        (variant_size(subject, variant), spaces)
        for subject, (name, variant) in itertools.product(size.subjects.values(), variants.items())
        for spaces in study.fits(name).values()
    ]


def variant_size(subject: SubjectSize, variant: VariantSettings) -> SubjectSize:
    """How much of a subject a variant has; of subsets as if they held every image."""
    train = subject.images - subject.test_images
    fewer = max(0, train - (variant.training_images or train))
    return replace(subject, images=subject.images - fewer)


def _encoding(study: Configuration, size: StudySize) -> StageEstimate:
    jobs = [
        fit_job(study, subject, {s: size.features[s] for s in spaces}, size.images)
        for subject, spaces in _fits(study, size, study.all_variants)
    ]
    return _stage("encoding", jobs)


def fit_job(
    study: Configuration, subject: SubjectSize, widths: Mapping[str, int], n_images: int
) -> JobEstimate:
    """Of fitting all subsets of some feature spaces.

    Parameters
    ----------
    subject : of whose voxels the job may have a part
    widths : {feature space: number of features}
    n_images : rows of their files
    """
    models = subsets(list(widths))
    operations = sum(
        _search_operations(study, subject, sum(widths[space] for space in model), len(model))
        for model in models
    )
    searched = sum(_candidates(study, len(model)) for model in models)
    per_voxel = 16 + sum(FLOAT * (4 + len(model)) for model in models)
    if study.encoding.stacking and len(widths) > 1:
        # each space alone, by exact search
        operations += sum(
            _search_operations(study, subject, width, 1, "exact") for width in widths.values()
        )
        per_voxel += FLOAT * (2 + len(widths))
    seconds = SECONDS_TO_START + operations / SOLVER_RATES[study.encoding.solver]
    seconds += searched * study.splits.folds * SECONDS_PER_DECOMPOSITION
    # predictions of the test images are kept
    per_voxel += FLOAT * subject.test_images * len(models)
    memory = solver_memory(study, FLOAT * n_images * max(widths.values()))
    return JobEstimate(seconds, memory, subject.voxels * per_voxel)


def solver_memory(study: Configuration, largest_space: float) -> float:
    """Bytes: the solver takes what it may; features are read of all images, a space at a time."""
    return 1e9 * (1 + study.encoding.memory_gb) + largest_space


def _search_operations(
    study: Configuration,
    subject: SubjectSize,
    n_features: int,
    n_bands: int,
    search: str | None = None,
) -> float:
    """Of the search of one model: a factorisation and all penalties' predictions per fold."""
    folds = study.splits.folds
    train = (subject.images - subject.test_images) * (1 - 1 / folds)
    held_out = train / (folds - 1)
    rank = min(train, n_features)
    rows = held_out if study.encoding.solver == "himalaya" else min(held_out, rank)
    tried = SEARCHED[search or study.encoding.search] * study.encoding.alphas.number
    predictions = 2 * tried * rows * rank * subject.voxels
    return _candidates(study, n_bands) * folds * (9 * rank**2 * max(rank, train / 3) + predictions)


def _candidates(study: Configuration, n_bands: int) -> int:
    """Band weights that the search of one model tries."""
    banded = n_bands > 1 and study.encoding.penalty == "banded"
    return study.encoding.band_weight_samples if banded else 1


def _significance(study: Configuration, size: StudySize) -> StageEstimate:
    jobs = [
        significance_job(study, subject, len(spaces))
        for subject, spaces in _fits(study, size, study.assessed_variants)
    ]
    return _stage("significance", jobs)


def significance_job(study: Configuration, subject: SubjectSize, n_spaces: int) -> JobEstimate:
    """Of the tests and intervals of a fit."""
    draws, permutations = study.significance.draws, study.significance.permutations
    models = 2**n_spaces - 1
    responses = subject.voxels * subject.test_images * models
    # sums of predictions, their squares, their products with responses, and of errors
    seconds = responses * (8 * draws / DRAW_RATE + permutations / PERMUTATION_RATE)
    # intervals of r and R², p and q of models, and the same of components
    disk = subject.voxels * FLOAT * (8 * models + 2)
    return JobEstimate(SECONDS_TO_START + seconds, 3 * PLAIN_BYTES, disk)


def _partitions(study: Configuration, size: StudySize) -> StageEstimate:
    jobs = [
        partition_job(subject, len(spaces))
        for subject, spaces in _fits(study, size, study.assessed_variants)
        if len(spaces) > 1
    ]
    return _stage("partitions", jobs)


def partition_job(subject: SubjectSize, n_spaces: int) -> JobEstimate:
    """Of the variance of a fit, partitioned."""
    return JobEstimate(0.5, PLAIN_BYTES, subject.voxels * (2 * FLOAT * (2**n_spaces - 1) + 8))


def _maps_and_report(study: Configuration, size: StudySize) -> StageEstimate:
    maps = {name: _n_maps(study, name) for name in study.assessed_variants}
    subjects = size.subjects.values()
    made = [map_job(study, subject, variant) for subject in subjects for variant in maps]
    made += [page_job(study)] * len(subjects)
    # tables of voxels of each subject, and six jobs of the whole study
    small = len(subjects) + 6
    seconds = sum(job.core_seconds for job in made) + SECONDS_TO_START * small
    own = sum(subject.voxels for subject in subjects)
    further = sum(subject.mapped for subject in subjects)
    # the report draws its pictures inside itself, of the responses' own space
    disk = FLOAT * (2 * sum(maps.values()) * own + maps[WHOLE] * further)
    disk += FIGURE_BYTES + len(subjects) * PAGE_BYTES
    jobs = len(made) + small
    return StageEstimate("maps, tables, report", jobs, seconds, None, PICTURES_BYTES, disk)


def map_job(study: Configuration, subject: SubjectSize, variant: str) -> JobEstimate:
    """Of a subject's maps; variants have them in the responses' own space only."""
    per_place = SECONDS_PER_PLACE + _n_maps(study, variant) * SECONDS_PER_PLACE_AND_MAP
    places = subject.mapped if variant == WHOLE else 0
    return JobEstimate(SECONDS_TO_START + places * per_place, PICTURES_BYTES)


def page_job(study: Configuration) -> JobEstimate:
    """Of a subject's page, which pictures the whole study."""
    seconds = _n_maps(study, WHOLE) * PICTURE_SECONDS_PER_MAP
    return JobEstimate(SECONDS_TO_START + seconds, PICTURES_BYTES)


def _n_maps(study: Configuration, variant: str) -> int:
    """Maps of a variant in one space: of models, bands, components, ceilings, ROIs, preference."""
    fits = study.fits(variant)
    models = {subset for spaces in fits.values() for subset in subsets(spaces)}
    bands = sum(len(subset) for subset in models if len(subset) > 1)
    joint = [spaces for spaces in fits.values() if len(spaces) > 1]
    components = sum(len(subsets(spaces)) for spaces in joint)
    single = sum(len(subset) == 1 for subset in models)
    others = 2 + len(study.rois) + (single > 1)
    return MAPS_PER_MODEL * len(models) + bands + MAPS_PER_COMPONENT * components + others
