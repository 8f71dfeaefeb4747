"""Bytes of the analyses that a configuration can switch on."""

from __future__ import annotations

from collections.abc import Sequence

from encoding.identification import SIMULATED
from pipeline.configuration import Configuration
from pipeline.disk_estimates import ACCOUNT_BYTES, FLOAT, ID, hdf5_bytes
from pipeline.nsd.composite_rois import ATLAS as COMPOSITE
from pipeline.nsd.composite_rois import COMPOSITES
from pipeline.settings import WHOLE
from pipeline.simulation.atlases import LABELS
from pipeline.sizes import StudySize, SubjectSize

DOUBLE = 8
# of atlases of which not all labels are known here; some are of Glasser's 180
ROIS_OF_OTHERS, ROIS_OF_GLASSER = 10, 180
CATEGORIES = 92


def n_rois(study: Configuration, atlases: Sequence[str]) -> int:
    """About how many regions atlases have: those that NSD drew, or those that are simulated."""
    if study.simulation is not None:
        made = {(group.atlas, group.roi) for group in study.simulation.groups}
        # it is drawn in every simulated brain
        made.add(("floc-words", "mfs-words"))
        composed = sum(
            any((atlas, roi) in made and atlas in study.rois for roi in rois)
            for members in COMPOSITES.values()
            for atlas, rois in members.items()
        )
        own = sum(atlas in atlases for atlas, _ in made)
        return own + composed * (COMPOSITE in atlases)
    known = {atlas: len(labels) for atlas, labels in LABELS.items()}
    known |= {"HCP_MMP1": ROIS_OF_GLASSER, COMPOSITE: len(COMPOSITES)}
    return sum(known.get(atlas, ROIS_OF_OTHERS) for atlas in atlases)


def interpretation_bytes(study: Configuration, size: StudySize) -> float:
    """Estimates for weights, their components, and every voxel's projections."""
    settings = study.interpretation
    if settings is None:
        return 0.0
    width = sum(size.features[space] for space in study.fits(WHOLE)[settings.model])
    total, chosen, n = 0.0, 0, settings.components
    for subject in size.subjects.values():
        voxels = min(settings.voxels_per_subject, subject.voxels)
        chosen += voxels
        train = subject.images - subject.test_images
        # with those of permuted images
        draws = 1 + settings.permutations
        weights = voxels * (draws * FLOAT * width + FLOAT + ID) + 2 * DOUBLE * width + ID * train
        projections = subject.voxels * (FLOAT * n + ID)
        total += hdf5_bytes(weights, 7) + hdf5_bytes(projections, 2)
    n_scored = max(subject.test_images for subject in size.subjects.values())
    components = DOUBLE * (width * (n + 3) + chosen * (n + 3) + n_scored * (n + 1))
    for subject in size.subjects.values():
        total += hdf5_bytes(subject.images * (CATEGORIES + ID), 3)
    return total + hdf5_bytes(components, 32, 3)


def similarity_bytes(study: Configuration, subject: SubjectSize) -> float:
    """Estimate for the similarities of a subject's test images."""
    settings = study.representational_similarity
    if settings is None:
        return 0.0
    pairs = subject.test_images * (subject.test_images - 1) // 2
    rois = 1 + n_rois(study, settings.atlases)
    arrays = rois + len(settings.spaces)
    data = FLOAT * pairs * arrays + ID * (subject.test_images + rois)
    return hdf5_bytes(data, 1 + arrays + rois, 3 + 2 * len(settings.atlases))


def layer_bytes(study: Configuration, subject: SubjectSize) -> float:
    """Estimates for the scores of layers of every network, and the layers that voxels prefer."""
    total = 0.0
    for spaces in study.layerwise.values():
        per_voxel = ID + FLOAT * (3 * len(spaces) + 5)
        total += hdf5_bytes(subject.voxels * per_voxel, 10, 1)
    return total


def learning_curve_bytes(study: Configuration) -> float:
    """Estimates for a subject's scores by numbers of training images, and their draws."""
    settings = study.learning_curves
    if settings is None:
        return 0.0
    curves = len(settings.models) * (1 + len(settings.variants))
    rois = 1 + n_rois(study, [*study.rois, COMPOSITE])
    return hdf5_bytes(curves * rois * (2 * FLOAT * settings.draws + 2 * DOUBLE), 11, 1)


def identification_bytes(study: Configuration, size: StudySize, subject: SubjectSize) -> float:
    """Estimate for the identification of a subject's test images by models and other brains."""
    settings = study.error_consistency
    if settings is None:
        return 0.0
    n, models, others = subject.test_images, len(study.identifying_models), len(size.subjects) - 1
    of_roi = models * n * (FLOAT + 1) + others * n * (models + FLOAT + 1 + ID) + ID
    simulated = models + others * (models + 1)
    of_roi += SIMULATED * n * simulated
    arrays, groups = (
        1 + 2 * models + others * (models + 3) + simulated,
        2 + models + others * (models + 2),
    )
    rois = n_rois(study, settings.atlases)
    groups = rois * (1 + groups) + len(settings.atlases)
    return hdf5_bytes(rois * of_roi + 2 * ID * n, 3 + rois * arrays, groups)


def analyses_bytes(study: Configuration, size: StudySize) -> float:
    """Estimates for all analyses, beside their tables, maps and figures."""
    total = interpretation_bytes(study, size)
    for subject in size.subjects.values():
        total += similarity_bytes(study, subject) + layer_bytes(study, subject)
        total += learning_curve_bytes(study) + identification_bytes(study, size, subject)
    return total + ACCOUNT_BYTES
