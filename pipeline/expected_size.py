"""How much there is of a study by its configuration alone: what NSD has, or what is simulated.

No file is opened and no network is built, so that every start of the workflow can ask.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from pipeline.configuration import Configuration
from pipeline.manifest import Manifest
from pipeline.nsd.layout import TRIALS_PER_SESSION
from pipeline.settings import MapSpace
from pipeline.simulation.settings import (
    FSAVERAGE_VERTICES,
    MASK_SHARES,
    MNI_SHAPE,
    NATIVE_VERTICES,
    SURFACE_SHARES,
    TEMPLATE_SHARE,
)
from pipeline.sizes import StudySize, SubjectSize

CAPTIONS_PER_IMAGE = 5


def captions_per_image(study: Configuration) -> float:
    """About how many captions an image has."""
    return study.simulation.captions_per_image if study.simulation else CAPTIONS_PER_IMAGE


def distinct_images(subjects: Collection[SubjectSize]) -> int:
    """Images that any of the subjects saw; shared ones are counted once."""
    shared = max(size.test_images for size in subjects)
    return shared + sum(size.images - size.test_images for size in subjects)


def expected_subject(study: Configuration, manifest: Manifest, subject: str) -> SubjectSize:
    """What NSD has of a subject, or what is to be simulated of it."""
    if study.simulation is None:
        facts, space = manifest.subjects[subject], study.responses.space
        voxels = manifest.n_masked(subject, space, study.responses.mask)
        return SubjectSize(
            sessions=facts.sessions,
            images=facts.images,
            test_images=facts.shared,
            voxels=voxels,
            grid=manifest.n_voxels(subject, space),
            mapped=mapped_places(study, manifest, subject),
        )
    simulated = study.simulation.subjects[subject]
    grid = math.prod(simulated.grid)
    voxels = round(MASK_SHARES[study.responses.mask] * grid)
    return SubjectSize(
        sessions=simulated.sessions,
        images=simulated.sessions * TRIALS_PER_SESSION // 3,
        test_images=study.simulation.shared_images,
        voxels=voxels,
        grid=grid,
        mapped=mapped_places(study, manifest, subject),
    )


def expected_study(
    study: Configuration, manifest: Manifest, widths: Mapping[str, int]
) -> StudySize:
    """What fits are made of, before there is any file.

    Parameters
    ----------
    widths : {feature space: number of features}
    """
    subjects = {name: expected_subject(study, manifest, name) for name in study.subjects}
    images = distinct_images(subjects.values())
    return StudySize(subjects, images, captions_per_image(study), {}, widths)


def mapped_places(study: Configuration, manifest: Manifest, subject: str) -> dict[MapSpace, int]:
    """{further space: voxels or vertices of one map there}; of a simulated brain, about."""
    mask = study.responses.mask
    further = study.map_spaces[1:]
    if study.simulation is None:
        return {space: manifest.n_masked(subject, space, mask) for space in further}
    on_surface = SURFACE_SHARES[mask]
    simulated = {
        "nativesurface": on_surface * sum(NATIVE_VERTICES.values()),
        "fsaverage": on_surface * 2 * FSAVERAGE_VERTICES,
        "MNI152": TEMPLATE_SHARE * MASK_SHARES[mask] * math.prod(MNI_SHAPE),
    }
    return {space: round(simulated[space]) for space in further}
