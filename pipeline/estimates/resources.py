"""Estimates of the time, memory and disk that a study and each of its jobs need.

`snakemake preflight` displays them by stage, and jobs request them; other estimates rerun nothing.
Rates were measured on two cores of a server, those of a GPU are assumed. Only the largest terms are
counted: disk and the time of long stages should be right within a factor of 1.5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import h5py

from encoding.ridge.fold_deletion import DECOMPOSITION
from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.settings import SURFACES, WHOLE
from pipeline.configuration.study import Configuration
from pipeline.dataset.responses import NOISE_IMAGES
from pipeline.estimates.study_size import (
    FeatureSizes,
    SubjectSize,
    captions_per_image,
    n_models,
    n_rois,
    part_of,
)
from pipeline.fits.predictions_read import in_order, jobs_that_read, largest_at_once
from pipeline.fits.solver_needs import solver_needs
from pipeline.nsd.layout import (
    IMAGE_SIZE,
    SYNTHETIC,
    SYNTHETIC_FRAME,
    SYNTHETIC_IMAGES,
    SYNTHETIC_SHARED,
    TRIALS_OF,
    TRIALS_PER_SESSION,
)
from pipeline.simulation.settings import SimulationSettings

# operations per second and core of networks (AlexNet reached 75e9, ResNet-50 41e9, where a matrix
# product reached 95e9), solvers, and bootstrap draws
NETWORK_RATE, SOLVER_RATES, DRAW_RATE = 65e9, {"native": 102e9, "himalaya": 13e9}, 50e9
# operations per second of networks and solvers on a data-centre GPU (assumed), and stimuli that a
# process prepares in a second
GPU_RATE, GPU_SOLVER_RATE, PREPARED_PER_SECOND = 5e12, 20e12, 400
# fraction of the grid of penalties for which a search computes predictions
SEARCHED = {"exact": 1.0, "windowed": 0.4}
# share of the pairs of a candidate and a penalty that some voxel picks, each of which is refitted
PICKED = 0.5
# seconds to start a job, load a network, begin to decompose a candidate in a fold, test a response,
# draw an image, draw the pictures of a model, and the figures of a study
START, LOAD, DECOMPOSE, TEST, DRAWING, PICTURES, FIGURES = 1.2, 5, 0.02, 1e-7, 0.04, 1, 12
SIMULATED, SECONDS_PER_VOXEL_AND_SESSION, SECONDS_PER_MAPPED_VOXEL_AND_MODEL = 65e-6, 25e-6, 4.5e-6
# seconds to draw a voxel of the grid for a model
DRAWN = 8.5e-6
# memory of processes that use torch, average betas, test fits, draw maps; and of others
TORCH_BYTES, BETAS_BYTES, TESTS_BYTES, MAPS_BYTES, PLAIN_BYTES = 0.8e9, 1e9, 0.5e9, 1.2e9, 0.2e9
# memory of a fit without features
FIT_BYTES = 0.25e9
# threads of a fit, as in profiles/slurm
THREADS = 8
# bytes of float32, float64, float16, and of a beta as NSD stores it, with its share of the index
FLOAT, DOUBLE, HALF, STORED_BETA = 4, 8, 2, 2.09
# bytes of an empty HDF5 file with its provenance, and of the header of an array
FILE_BYTES, ARRAY_BYTES = 8000, 600
# bytes of a model per voxel in tables; of a map per voxel, per voxel of other spaces, of sidecars
VOXEL_BYTES, MAP_BYTES, MAPPED_VOXEL_BYTES, SIDECARS_BYTES = 30, 4, 4.4, 5500
# maps of every model, and that of r where it is significant; comparisons have as many per model
MODEL_MAPS = ("r", "r2", "normalisedR", "normalisedR2", "cvScore", "alpha", "p", "q")
# bytes of a row of tables and of a figure, in all formats and on pages
ROW_BYTES, FIGURE_BYTES = 1000, 280_000
# bytes of a picture of a map in slices, and of flat and inflated hemispheres; seconds to draw them,
# which are drawn if a brain has at least the vertices of fsaverage5, as brains of human size do
PICTURE_BYTES, CORTEX_BYTES, CORTEX, WHOLE_BRAIN = 250_000, 2_500_000, 3, 100_000
# Jobs request more than is estimated: cluster nodes can be slower than the machine where rates were
# measured, and eight threads are not eight times as fast as one.
TIME_FACTOR, MEMORY_FACTOR, MIN_MINUTES = 3, 1.5, 30


@dataclass(frozen=True)
class Job:
    """Needs of one job.

    `gpu_seconds` replace `core_seconds` on a GPU; `temporary_bytes` are deleted when they have been
    read.
    """

    core_seconds: float = START
    memory_bytes: float = PLAIN_BYTES
    disk_bytes: float = 0.0
    gpu_seconds: float = 0.0
    temporary_bytes: float = 0.0


def estimate_study(
    study: Configuration, subjects: Sequence[SubjectSize], features: FeatureSizes
) -> dict[str, list[Job]]:
    """Estimate {stage: its jobs}, in the order of the data flow."""
    splits_and_labels = [Job()] * len(subjects) * (1 + len(study.all_variants))
    widths, chunks = features.widths, study.scatter.voxel_chunks
    assessed, fits, comparisons = study.assessed_variants, study.fits, study.comparisons_of
    fitted = _parts(study, subjects, study.all_variants, fits, chunks)
    tested = _parts(study, subjects, assessed, fits, chunks)
    compared = _parts(study, subjects, assessed, comparisons, chunks)
    parted = _parts(study, subjects, assessed, comparisons, 1)
    stages = {
        "simulation": _simulation(study, features),
        "features": [*_extractions(study, subjects, features), *_spaces(study, subjects, features)],
        "responses": [*map(averaging, subjects), *splits_and_labels],
        "encoding": [fit(study, part, {s: widths[s] for s in spaces}) for part, spaces in fitted],
        "predictions": _predictions(study, subjects, widths),
        "significance": [
            *(model_tests(study, part) for part, _ in tested),
            *(component_tests(study, part, len(spaces)) for part, spaces in compared),
        ],
        "partitions": [_partition(part, len(spaces)) for part, spaces in parted],
        "analyses": _analyses(study, subjects, widths),
        "maps, tables, report": _maps_and_report(study, subjects),
    }
    return {name: jobs for name, jobs in stages.items() if jobs}


def _parts(
    study: Configuration,
    subjects: Sequence[SubjectSize],
    variants: Iterable[str],
    of_variant: Callable[[str], Mapping[str, list[str]]],
    chunks: int,
) -> Iterator[tuple[SubjectSize, list[str]]]:
    """Yield, for each job, its part of a subject and the spaces of its fit or comparison."""
    for subject, variant in itertools.product(subjects, variants):
        for spaces in of_variant(variant).values():
            yield from [(part_of(study, subject, variant, chunks), spaces)] * chunks


def _simulation(study: Configuration, features: FeatureSizes) -> list[Job]:
    """Estimate the simulation of NSD; a planted space costs as much as the network of its name.

    Others cost the mean of the study's networks.
    """
    if study.simulation is None:
        return []
    settings, costs = study.simulation, features.networks
    operations = {name: c.operations * captions_per_image(study, name) for name, c in costs.items()}
    mean = sum(operations.values()) / len(operations)
    planted = sum(operations.get(name, mean) for name in settings.planted_spaces)
    brains = settings.subjects.values()
    stored = sum(brain.n_stored * brain.sessions for brain in brains)
    files = sum(brain.n_stored * brain.sessions * len(brain.formats) for brain in brains)
    seconds = START + LOAD * len(settings.planted_spaces) + SIMULATED * stored
    seconds += settings.n_drawn * (DRAWING + planted / NETWORK_RATE)
    disk = settings.n_drawn * IMAGE_SIZE**2 * 3 + STORED_BETA * TRIALS_PER_SESSION * files
    if settings.synthetic is not None:
        # of all subjects, and coloured for each
        coloured = (SYNTHETIC_IMAGES - SYNTHETIC_SHARED) * len(brains)
        images = SYNTHETIC_SHARED + coloured
        seconds += images * (DRAWING + planted / NETWORK_RATE)
        seconds += SIMULATED * sum(brain.n_stored for brain in brains)
        disk += images * math.prod(SYNTHETIC_FRAME)
        disk += (
            STORED_BETA * TRIALS_OF[SYNTHETIC] * sum(b.n_stored * len(b.formats) for b in brains)
        )
    parameters = max(cost.parameter_bytes for cost in costs.values())
    return [Job(seconds, simulation_bytes(settings) + 2 * parameters, disk)]


def simulation_bytes(settings: SimulationSettings) -> float:
    """Return the memory of the simulation: two sessions, signal and averages of nsdgeneral."""
    of_brains = [
        2 * FLOAT * TRIALS_PER_SESSION * brain.n_stored
        + 3 * DOUBLE * settings.images_per_subject * brain.n_masked("nsdgeneral")
        for brain in settings.subjects.values()
    ]
    return TORCH_BYTES + max(of_brains)


def _extractions(
    study: Configuration, subjects: Sequence[SubjectSize], features: FeatureSizes
) -> Iterator[Job]:
    """Estimate the extraction: shared images once per network, and each subject's own images."""
    shards = study.extraction.shards
    own = [subject.images - subject.test_images for subject in subjects]
    parts = [max(subject.test_images for subject in subjects), *own]
    for (name, cost), images in itertools.product(features.networks.items(), parts):
        stimuli = images / shards * captions_per_image(study, name)
        values = images / shards * sum(cost.widths.values())
        job = Job(
            core_seconds=LOAD + stimuli * cost.operations / NETWORK_RATE,
            memory_bytes=TORCH_BYTES + 2 * cost.parameter_bytes,
            disk_bytes=_file(HALF * values, 2 * len(cost.widths)) + FILE_BYTES,
            gpu_seconds=LOAD + stimuli * max(cost.operations / GPU_RATE, 1 / PREPARED_PER_SECOND),
        )
        yield from [job] * shards


def _spaces(
    study: Configuration, subjects: Sequence[SubjectSize], features: FeatureSizes
) -> Iterator[Job]:
    """Estimate the feature spaces, which refer to extracted features unless they are reduced."""
    fits = {variant: study.fits(variant).values() for variant in study.all_variants}
    for space, width in features.widths.items():
        settings, variants, values = study.feature_spaces[space], [WHOLE], 0
        if settings.is_fitted:
            variants = [name for name in fits if any(space in spaces for spaces in fits[name])]
            values = features.taken[space] * width
        for subject, variant in itertools.product(subjects, variants):
            images = part_of(study, subject, variant, 1).images if settings.reduction else 0
            yield Job(disk_bytes=_file(FLOAT * (images * width + values), 15))


def averaging(subject: SubjectSize) -> Job:
    """Estimate the averaging of a subject's trials, in two bytes, and noise."""
    seconds = START + subject.voxels * subject.sessions * SECONDS_PER_VOXEL_AND_SESSION
    per_voxel = subject.images * HALF + min(subject.images, NOISE_IMAGES) * FLOAT
    return Job(seconds, BETAS_BYTES, _file(per_voxel * subject.voxels, 10))


def fit(study: Configuration, part: SubjectSize, widths: Mapping[str, int]) -> Job:
    """Estimate the fit of spaces {space: width} to a subject's voxels or part of them."""
    settings = study.encoding
    banded = len(widths) > 1 and part.penalty == "banded"
    candidates = settings.band_weight_samples if banded else 1
    seconds = START + candidates * _candidate(study, part, sum(widths.values()), settings.search)
    if settings.stacking and len(widths) > 1:
        # stacking fits each space of a comparison alone once more
        seconds += sum(_candidate(study, part, width, "exact") for width in widths.values())
    # scores, penalties, band weights
    disk = _file(FLOAT * 10 * part.voxels, 16)
    memory = solver_memory(study, part, [*widths.values()])
    return Job(seconds, memory, disk, gpu_seconds=_on_gpu(study, seconds))


def _on_gpu(study: Configuration, seconds: float) -> float:
    """Return the seconds of a job with a solver on a GPU; 0 if it requests none.

    Projected by the same operations, at the rate that is assumed.
    """
    if study.encoding.backend not in ("auto", "torch_cuda") or study.encoding.solver != "native":
        return 0.0
    return START + (seconds - START) * SOLVER_RATES["native"] / GPU_SOLVER_RATE


def refit(study: Configuration, part: SubjectSize, widths: Mapping[str, int]) -> Job:
    """Estimate the predictions of a subject's test images: refits in float64, without search."""
    settings, n, width = study.encoding, part.images - part.test_images, sum(widths.values())
    banded = len(widths) > 1 and part.penalty == "banded"
    pairs = PICKED * settings.alphas.number * (settings.band_weight_samples if banded else 1)
    others = width - max(widths.values())
    # what is factorised: images, or features of all spaces but the widest
    factorised = n**3 / 3 if width > n else others**2 * (width - others) + others**3 / 3
    components = sum(9 * min(n, w) ** 2 * max(min(n, w), n / 3) for w in widths.values())
    shared = components + n * min(n, width) ** 2
    per_voxel = 2 * width * (n + 2 * min(n, width) + part.test_images)
    # float64 takes twice the time
    operations = 2 * (shared + pairs * factorised + part.voxels * per_voxel)
    disk = _file(FLOAT * part.test_images * part.voxels, 3)
    memory = solver_memory(study, part, [*widths.values()])
    seconds = START + operations / SOLVER_RATES["native"]
    return Job(seconds, memory, temporary_bytes=disk, gpu_seconds=_on_gpu(study, seconds))


def _predictions(
    study: Configuration, subjects: Sequence[SubjectSize], widths: Mapping[str, int]
) -> list[Job]:
    """Estimate predictions; disk is counted for those that exist at the same time, of one subject.

    Those of tests and of each analysis are made separately.
    """
    made = in_order(study)
    of_subjects = [
        {
            each: refit(
                study,
                part_of(study, subject, each.variant, 1),
                {space: widths[space] for space in study.fits(each.variant)[each.model]},
            )
            for each in made
        }
        for subject in subjects
    ]
    sizes = [{each: job.temporary_bytes for each, job in jobs.items()} for jobs in of_subjects]
    read = [*jobs_that_read(study)]
    at_once = [largest_at_once(read, size.__getitem__) for size in sizes]
    totals = [sum(size[each] for each in some) for size, some in zip(sizes, at_once, strict=True)]
    fullest = totals.index(max(totals))
    return [
        replace(job, temporary_bytes=job.temporary_bytes * (n == fullest and each in at_once[n]))
        for n, jobs in enumerate(of_subjects)
        for each, job in jobs.items()
    ]


def _candidate(study: Configuration, subject: SubjectSize, n_features: int, search: str) -> float:
    """Return seconds to decompose features and predict with all penalties, in all folds."""
    folds = study.splits.folds
    train = (subject.images - subject.test_images) * (1 - 1 / folds)
    held_out, rank = train / (folds - 1), min(train, n_features)
    rows = held_out if study.encoding.solver == "himalaya" else min(held_out, rank)
    tried = SEARCHED[search] * study.encoding.alphas.number
    predicted = 2 * tried * rows * rank * subject.voxels
    # and operators of the held-out images, in float64; windows need a decomposition of all images
    decomposed = DECOMPOSITION * rank**3 + 4 * held_out * rank**2
    decompositions = folds + (search == "windowed")
    operations = decompositions * decomposed + folds * predicted
    return decompositions * DECOMPOSE + operations / SOLVER_RATES[study.encoding.solver]


def solver_memory(
    study: Configuration, part: SubjectSize, widths: Sequence[int], threads: int = THREADS
) -> float:
    """Return the bytes of a job that fits spaces with these widths to a subject's voxels."""
    needs = _solver_needs(study, part, widths, threads)
    return _memory_besides_solver(part, widths) + min(1e9 * study.encoding.memory_gb, needs)


def _solver_needs(
    study: Configuration, part: SubjectSize, widths: Sequence[int], threads: int
) -> float:
    """Return the bytes with which the solver is fastest, even if they exceed its budget."""
    n_images = part.images - part.test_images
    settings, folds = study.encoding, study.splits.folds
    if settings.solver == "himalaya":
        return 1e9 * settings.memory_gb
    return solver_needs(settings, folds, n_images, part.voxels, widths, threads)


def _memory_besides_solver(part: SubjectSize, widths: Sequence[int]) -> float:
    """Return the bytes of the program, all features in two copies, and one space as it is read."""
    return FIT_BYTES + FLOAT * part.images * (2 * sum(widths) + max(widths))


def model_tests(study: Configuration, subject: SubjectSize) -> Job:
    """Estimate the tests and intervals of a fit."""
    # sums of predictions, their squares, their products with responses, and of errors
    return _tests(study, subject, 8, 1, 6)


def component_tests(study: Configuration, subject: SubjectSize, n_spaces: int) -> Job:
    """Estimate the tests and intervals of a comparison's components."""
    components = 2**n_spaces - 1
    # sums of errors alone
    return _tests(study, subject, 2, components, 4 * components)


def _tests(
    study: Configuration, subject: SubjectSize, operations: int, models: int, arrays: int
) -> Job:
    per_response = operations * study.significance.draws / DRAW_RATE + TEST
    seconds = START + subject.voxels * subject.test_images * models * per_response
    return Job(seconds, TESTS_BYTES, _arrays(subject, arrays))


def _partition(subject: SubjectSize, n_spaces: int) -> Job:
    return Job(0.5, disk_bytes=_arrays(subject, 2 * (2**n_spaces - 1) + n_spaces + 4))


def _analyses(
    study: Configuration, subjects: Sequence[SubjectSize], widths: Mapping[str, int]
) -> list[Job]:
    """Estimate the enabled analyses: jobs per subject, and one for the tables of each analysis."""
    found = {
        name: [job for subject in subjects for job in analysis.jobs(study, subject, widths)]
        for name, analysis in ANALYSES.items()
    }
    return [job for jobs in found.values() if jobs for job in (*jobs, Job())]


def _maps_and_report(study: Configuration, subjects: Sequence[SubjectSize]) -> list[Job]:
    """Estimate maps, voxel tables and pages per subject and variant, and the shared tables."""
    modelled = {variant: n_models(study, variant) for variant in study.assessed_variants}
    n_spaces = [len(spaces) for spaces in study.comparisons.values()]
    n_maps = 1 + len(set(MODEL_MAPS) & set(study.mapped_quantities))
    jobs = []
    for subject in subjects:
        for variant, models in modelled.items():
            mapped = subject.mapped * (variant == WHOLE)
            seconds = START + mapped * models * SECONDS_PER_MAPPED_VOXEL_AND_MODEL
            of_map = MAP_BYTES * subject.voxels + MAPPED_VOXEL_BYTES * mapped + SIDECARS_BYTES
            disk = models * (VOXEL_BYTES * subject.voxels + n_maps * of_map)
            jobs.append(Job(seconds, MAPS_BYTES, disk))
        n_pictures = len(study.models) + sum(n_spaces)
        cortex = subject.grid >= WHOLE_BRAIN and bool({*SURFACES} & {*study.map_spaces})
        pictures = n_pictures * (PICTURE_BYTES + CORTEX_BYTES * cortex)
        seconds = (PICTURES + DRAWN * subject.grid) * modelled[WHOLE] + n_pictures * CORTEX * cortex
        jobs += [Job(), Job(START + seconds, MAPS_BYTES, pictures)]
    rows = n_rois(study.rois) * (60 + len(subjects) * sum(modelled.values()))
    tables = ROW_BYTES * rows + FIGURE_BYTES * (10 + 3 * len(n_spaces))
    of_analyses = sum(analysis.picture_bytes(study) for analysis in ANALYSES.values())
    return [*jobs, Job(START + FIGURES, disk_bytes=tables + of_analyses), *[Job()] * 5]


def _arrays(subject: SubjectSize, arrays: int) -> float:
    """Return the bytes of a file with this number of float32 arrays (voxel,)."""
    return _file(FLOAT * subject.voxels * arrays, arrays)


def _file(data: float, arrays: int) -> float:
    """Return the bytes of an HDF5 file with `data` bytes of numbers."""
    return data + FILE_BYTES + ARRAY_BYTES * arrays


def solving_minutes(
    estimate: Callable[[Configuration, SubjectSize, Mapping[str, int]], Job],
    study: Configuration,
    part: SubjectSize,
    features: Sequence[str],
    threads: int,
) -> int:
    """Return the time limit of a job with a solver that reads these files of features.

    Parameters
    ----------
    estimate : `fit` or `refit`

    Raises
    ------
    FileNotFoundError
        A file of features is missing.
    """
    widths = {path: feature_shape(path)[1] for path in features}
    seconds = estimate(study, part, widths).core_seconds / threads
    return max(MIN_MINUTES, math.ceil(TIME_FACTOR * seconds / 60))


def job_megabytes(
    study: Configuration, part: SubjectSize, features: Sequence[str], threads: int
) -> int:
    """Return the memory of a job with a solver that reads these files of features."""
    widths = [feature_shape(path)[1] for path in features]
    return math.ceil(MEMORY_FACTOR * solver_memory(study, part, widths, threads) / 1e6)


def solver_megabytes(
    study: Configuration, part: SubjectSize, features: Sequence[str], threads: int, shared: float
) -> int:
    """Return the memory of its solver, with which the job uses at most `shared` megabytes.

    It is what the solver needs, times the factor by which jobs request more than is estimated, and
    at most the configured memory.
    """
    widths = [feature_shape(path)[1] for path in features]
    needs = MEMORY_FACTOR * _solver_needs(study, part, widths, threads)
    left = 1e6 * shared / MEMORY_FACTOR - _memory_besides_solver(part, widths)
    return int(min(1e9 * study.encoding.memory_gb, needs, max(0, left)) / 1e6)


def feature_shape(path: str) -> tuple[int, int]:
    """Read (images, features); `open` raises the error that Snakemake expects of a missing file."""
    with open(path, "rb") as opened, h5py.File(opened, "r") as file:
        return file["features"].shape
