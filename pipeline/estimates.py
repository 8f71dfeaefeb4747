"""What a study will need, told before it starts: disk, memory and time of every stage.

The rates were measured on two cores of an ordinary server by the stages' own benchmarks; the
rate of a GPU is an assumption. Times are meant to be right within a factor of two, disk within
five percent of the demo and of the small study of the tests.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from encoding.variance_partitioning import subsets
from pipeline.analysis_estimates import analyses_bytes
from pipeline.configuration import Configuration
from pipeline.configuration.variants import VariantSettings
from pipeline.disk_estimates import (
    FLOAT,
    IMAGE_BYTES,
    REFERENCE_BYTES,
    encoding_bytes,
    partition_bytes,
    prediction_bytes,
    reference_bytes,
    response_bytes,
    shard_bytes,
    significance_bytes,
    simulation_bytes,
    space_bytes,
)
from pipeline.map_estimates import (
    figures_bytes,
    group_maps_bytes,
    maps_of,
    report_bytes,
    subject_maps_bytes,
    tables_bytes,
    voxel_tables_bytes,
)
from pipeline.settings import WHOLE
from pipeline.simulation.settings import PlantedSpace
from pipeline.sizes import StudySize, SubjectSize

# operations per second and core of networks in float32, of this project's solver, of himalaya's
NETWORK_RATE, SOLVER_RATES = 110e9, {"own": 90e9, "himalaya": 11e9}
# penalties that a search computes predictions for, as a share of the grid
SEARCHED = {"exact": 1.0, "windowed": 0.4}
# draws of matrix products, and responses that are tested, per second and core
DRAW_RATE, TEST_RATE = 50e9, 10e6
# of a present-day data-centre GPU in float32, and stimuli that one process can prepare for it
GPU_RATE, PREPARED_PER_SECOND = 5e12, 400
SECONDS_PER_VOXEL_AND_SESSION = 25e-6
SECONDS_TO_START = 1.2
# of a candidate in a fold, however small
SECONDS_PER_DECOMPOSITION = 0.02
SECONDS_TO_DRAW = 0.04
PICTURE_SECONDS_PER_MAP = 0.2
# weights of three cortical depths; applying them, and compressing what they give
SECONDS_PER_PLACE, SECONDS_PER_PLACE_AND_MAP = 12e-6, 0.2e-6
# what a process holds that has loaded torch, and one that has not
TORCH_BYTES, PLAIN_BYTES = 0.8e9, 0.15e9
BLOCK_BYTES = 0.9e9
# maps of a subject, and pictures of them
PICTURES_BYTES = 1.2e9


@dataclass(frozen=True)
class JobEstimate:
    """Time and memory of one job, on CPU.

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
    """Time and memory of all jobs of a stage together.

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
        _responses(study, size),
        _encoding(study, size),
        _significance(study, size),
        _partitions(study, size),
    ]
    later = [*_analyses(study, size), _maps_and_report(study, size)]
    return [*_simulation(study, size), *stages, *later]


def _stage(name: str, jobs: Sequence[JobEstimate]) -> StageEstimate:
    """All jobs of a stage on CPU."""
    return StageEstimate(
        name,
        len(jobs),
        sum(job.core_seconds for job in jobs),
        None,
        max((job.memory_bytes for job in jobs), default=PLAIN_BYTES),
        sum(job.disk_bytes for job in jobs),
    )


def _simulation(study: Configuration, size: StudySize) -> Iterator[StageEstimate]:
    if study.simulation is None:
        return
    simulation = study.simulation
    planted = [_planted_job(study, size, space) for space in simulation.planted_spaces.values()]
    seconds = simulation.n_images * SECONDS_TO_DRAW + sum(job.core_seconds for job in planted)
    # all pictures beside the largest network
    memory = simulation.n_images * IMAGE_BYTES + max(job.memory_bytes for job in planted)
    disk = simulation_bytes(simulation)
    yield StageEstimate("simulation", 1, seconds, None, memory, disk)


def _planted_job(study: Configuration, size: StudySize, space: PlantedSpace) -> JobEstimate:
    """Estimate for a planted space's features, as for networks of the same architecture."""
    alike = [
        cost
        for name, cost in size.networks.items()
        if study.networks[name].architecture == space.architecture
        and study.networks[name].stimulus == space.stimulus
    ]
    captions = size.captions_per_image if space.stimulus == "captions" else 1
    jobs = [
        extraction_job(size.images * captions, cost.operations, cost.parameter_bytes)
        for cost in alike or size.networks.values()
    ]
    return max(jobs, key=lambda job: job.memory_bytes)


def _features(study: Configuration, size: StudySize) -> StageEstimate:
    core, gpu, disk, memory = 0.0, 0.0, 0.0, 0.0
    shards, parts = study.extraction.shards, _image_parts(size)
    for name, cost in size.networks.items():
        captioned = study.networks[name].stimulus == "captions"
        for images in parts:
            stimuli = images * (size.captions_per_image if captioned else 1)
            job = extraction_job(stimuli / shards, cost.operations, cost.parameter_bytes)
            core += shards * job.core_seconds
            memory = max(memory, job.memory_bytes)
            gpu += shards * SECONDS_TO_START
            gpu += stimuli * max(cost.operations / GPU_RATE, 1 / PREPARED_PER_SECOND)
            per_shard = math.ceil(images / shards)
            disk += shards * shard_bytes(per_shard, list(cost.widths.values()))
    made = list(_spaces(study, size))
    for space, subject in made:
        settings = study.feature_spaces[space]
        taken = size.taken[space] if settings.is_fitted else 0
        if settings.reduction is None:
            disk += reference_bytes(subject.test_images, subject.images - subject.test_images)
        else:
            disk += space_bytes(subject.images, size.features[space], taken)
    extracted = shards * len(parts) * len(size.networks)
    disk += REFERENCE_BYTES * extracted
    core += SECONDS_TO_START * len(made)
    return StageEstimate("features", extracted + len(made), core, gpu, memory, disk)


def _image_parts(size: StudySize) -> list[int]:
    """Numbers of images that go through a network together: all subjects', and each one's own."""
    subjects = size.subjects.values()
    own = [subject.images - subject.test_images for subject in subjects]
    return [max(subject.test_images for subject in subjects), *own]


def extraction_job(stimuli: float, operations: float, parameter_bytes: float) -> JobEstimate:
    """Time and memory to extract one shard by a network of so many operations a stimulus."""
    seconds = SECONDS_TO_START + stimuli * operations / NETWORK_RATE
    return JobEstimate(seconds, TORCH_BYTES + 2 * parameter_bytes)


def _spaces(study: Configuration, size: StudySize) -> Iterator[tuple[str, SubjectSize]]:
    """Each feature space as often as it is made, and of how much of a subject."""
    for space in size.features:
        if not study.feature_spaces[space].is_fitted:
            yield from ((space, subject) for subject in size.subjects.values())
            continue
        for name, variant in study.all_variants.items():
            if any(space in spaces for spaces in study.fits(name).values()):
                for subject in size.subjects.values():
                    yield space, variant_size(subject, variant)


def _responses(study: Configuration, size: StudySize) -> StageEstimate:
    jobs = [response_job(subject) for subject in size.subjects.values()]
    # labels of ROIs, and the variants' splits
    n_small = len(jobs) * (1 + len(study.all_variants))
    small = [JobEstimate(SECONDS_TO_START, PLAIN_BYTES)] * n_small
    return _stage("responses", [*jobs, *small])


def response_job(subject: SubjectSize) -> JobEstimate:
    """Estimate for averaging a subject's trials."""
    seconds = subject.voxels * subject.sessions * SECONDS_PER_VOXEL_AND_SESSION
    disk = response_bytes(subject.images, subject.voxels)
    memory = PLAIN_BYTES + min(BLOCK_BYTES, 1.5 * disk)
    return JobEstimate(SECONDS_TO_START + seconds, memory, disk)


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
        fit_job(study, subject, {s: size.features[s] for s in spaces})
        for subject, spaces in _fits(study, size, study.all_variants)
    ]
    return _stage("encoding", jobs)


def fit_job(study: Configuration, subject: SubjectSize, widths: Mapping[str, int]) -> JobEstimate:
    """Estimate for fitting all subsets of some feature spaces.

    Parameters
    ----------
    subject : of whose voxels the job may have a part
    widths : {feature space: number of features}
    """
    models = subsets(list(widths))
    operations = sum(
        _search_operations(study, subject, sum(widths[space] for space in model), len(model))
        for model in models
    )
    searched = sum(_candidates(study, len(model)) for model in models)
    stacked = len(widths) if study.encoding.stacking and len(widths) > 1 else 0
    if stacked:
        # each space alone, by exact search
        operations += sum(
            _search_operations(study, subject, width, 1, "exact") for width in widths.values()
        )
    seconds = SECONDS_TO_START + operations / SOLVER_RATES[study.encoding.solver]
    seconds += searched * study.splits.folds * SECONDS_PER_DECOMPOSITION
    memory = solver_memory(study, FLOAT * subject.images * max(widths.values()))
    disk = encoding_bytes(
        subject.test_images, subject.voxels, [len(model) for model in models], stacked
    )
    disk += prediction_bytes(subject.test_images, subject.voxels, len(models))
    return JobEstimate(seconds, memory, disk)


def solver_memory(study: Configuration, largest_space: float) -> float:
    """Bytes: the solver takes what it may; features are read a space at a time."""
    return 1e9 * (1 + study.encoding.memory_gb) + largest_space


def _search_operations(
    study: Configuration,
    subject: SubjectSize,
    n_features: int,
    n_bands: int,
    search: str | None = None,
) -> float:
    """Search of one model: a factorisation and all penalties' predictions per fold."""
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
    """Estimate for the tests and intervals of a fit."""
    draws = study.significance.draws
    models = 2**n_spaces - 1
    responses = subject.voxels * subject.test_images * models
    # sums of predictions, their squares, their products with responses, and of errors
    seconds = responses * (8 * draws / DRAW_RATE + 1 / TEST_RATE)
    disk = significance_bytes(subject.voxels, models, models if n_spaces > 1 else 0)
    return JobEstimate(SECONDS_TO_START + seconds, 3 * PLAIN_BYTES, disk)


def _partitions(study: Configuration, size: StudySize) -> StageEstimate:
    jobs = [
        partition_job(study, subject, len(spaces))
        for subject, spaces in _fits(study, size, study.assessed_variants)
        if len(spaces) > 1
    ]
    return _stage("partitions", jobs)


def partition_job(study: Configuration, subject: SubjectSize, n_spaces: int) -> JobEstimate:
    """Estimate for the variance of a fit, partitioned."""
    disk = partition_bytes(subject.voxels, n_spaces, study.encoding.stacking)
    return JobEstimate(0.5, PLAIN_BYTES, disk)


def _analyses(study: Configuration, size: StudySize) -> Iterator[StageEstimate]:
    """Estimates for what the configuration switches on; tables are made of each once more."""
    switched = (study.representational_similarity, study.error_consistency, study.learning_curves)
    kinds = len(study.layerwise) + sum(settings is not None for settings in switched)
    jobs = (len(size.subjects) + 1) * kinds
    operations, memory = 0.0, 2 * PLAIN_BYTES
    if study.interpretation is not None:
        # weights and projections of each subject; components, what they prefer, best images
        jobs += 2 * len(size.subjects) + 3
        widths = [size.features[space] for space in study.fits(WHOLE)[study.interpretation.model]]
        analysed = study.interpretation.voxels_per_subject * study.interpretation.permutations
        operations = sum(
            _solving_operations(subject, sum(widths), analysed)
            for subject in size.subjects.values()
        )
        images = max(subject.images for subject in size.subjects.values())
        memory = solver_memory(study, FLOAT * images * max(widths))
    if not jobs:
        return
    seconds = jobs * SECONDS_TO_START + operations / SOLVER_RATES["own"]
    yield StageEstimate("analyses", jobs, seconds, None, memory, analyses_bytes(study, size))


def _solving_operations(subject: SubjectSize, n_features: int, permuted: int) -> float:
    """Operations to make weights of what was picked: all voxels', and permuted images'."""
    train = subject.images - subject.test_images
    rank = min(train, n_features)
    return 2 * (9 * rank**2 * max(rank, train / 3) + 2 * train * rank * subject.voxels) + (
        4 * train * rank * permuted
    )


def _maps_and_report(study: Configuration, size: StudySize) -> StageEstimate:
    subjects = size.subjects.values()
    made = [
        map_job(study, subject, variant)
        for subject in subjects
        for variant in study.assessed_variants
    ]
    made += [page_job(study)] * len(subjects)
    # tables of voxels of each subject, and six jobs of the whole study
    small = len(subjects) + 6
    seconds = sum(job.core_seconds for job in made) + SECONDS_TO_START * small
    disk = sum(job.disk_bytes for job in made) + group_maps_bytes(study, size)
    disk += sum(voxel_tables_bytes(study, subject) for subject in subjects)
    disk += tables_bytes(study, size) + figures_bytes(study, size) + report_bytes(study, size)
    jobs = len(made) + small
    return StageEstimate("maps, tables, report", jobs, seconds, None, PICTURES_BYTES, disk)


def map_job(study: Configuration, subject: SubjectSize, variant: str) -> JobEstimate:
    """Estimate for a subject's maps; variants have them in the responses' own space only."""
    per_place = SECONDS_PER_PLACE + maps_of(study, variant).number * SECONDS_PER_PLACE_AND_MAP
    places = sum(subject.mapped.values()) if variant == WHOLE else 0
    disk = subject_maps_bytes(study, subject, variant)
    return JobEstimate(SECONDS_TO_START + places * per_place, PICTURES_BYTES, disk)


def page_job(study: Configuration) -> JobEstimate:
    """Estimate for a subject's page, which pictures the whole study."""
    seconds = maps_of(study, WHOLE).number * PICTURE_SECONDS_PER_MAP
    return JobEstimate(SECONDS_TO_START + seconds, PICTURES_BYTES)
