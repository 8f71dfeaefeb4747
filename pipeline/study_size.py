"""How much there is of a study: from its files, or from what NSD is known to have."""

from __future__ import annotations

import math

import numpy as np

from features.costs import FeatureCost, feature_cost
from pipeline.configuration import Configuration
from pipeline.errors import InputError
from pipeline.estimates import StudySize, SubjectSize
from pipeline.manifest import Manifest
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import TRIALS_PER_SESSION, NSDLayout
from pipeline.nsd.rois import read_mask
from pipeline.nsd.spaces import open_space

CAPTIONS_PER_IMAGE = 5
# of a caption of a dozen tokens
BERT_BASE = FeatureCost("captions", 768, 2.1e9, 440_000_000)
# shares of a simulated brain's grid
SIMULATED_SHARES = {"nsdgeneral": 0.087, "cortex": 0.28}


def measure_study(
    study: Configuration, layout: NSDLayout, manifest: Manifest
) -> tuple[StudySize, list[str]]:
    """Sizes of everything, and the feature spaces whose costs are assumed.

    A pretrained network of transformers tells its size only once it was downloaded.

    Raises
    ------
    InputError
        A feature space's network or layer is unknown.
    """
    subjects, images = {}, []
    for subject in study.subjects:
        try:
            subjects[subject], seen = _from_files(study, layout, subject)
            images.append(seen)
        except InputError:
            subjects[subject] = _expected(study, manifest, subject)
    if len(images) == len(subjects):
        n_images = len(np.unique(np.concatenate(images)))
    else:
        # shared images are counted once
        shared = max(size.test_images for size in subjects.values())
        n_images = shared + sum(size.images - size.test_images for size in subjects.values())
    captions = study.simulation.captions_per_image if study.simulation else CAPTIONS_PER_IMAGE
    costs = {space: _feature_cost(study, space) for space in study.used_spaces}
    assumed = [space for space, cost in costs.items() if cost is None]
    features = {space: cost or BERT_BASE for space, cost in costs.items()}
    return StudySize(subjects, n_images, captions, features), assumed


def _from_files(
    study: Configuration, layout: NSDLayout, subject: str
) -> tuple[SubjectSize, np.ndarray]:
    design = read_design(layout, subject)
    space = open_space(layout, subject, study.responses.space, study.responses.betas)
    size = SubjectSize(
        sessions=design.n_sessions,
        images=len(design.images),
        test_images=int(np.isin(design.images, design.shared).sum()),
        voxels=len(read_mask(space, study.responses.mask)),
        grid=space.n_voxels,
    )
    return size, design.images


def _expected(study: Configuration, manifest: Manifest, subject: str) -> SubjectSize:
    if study.simulation is None:
        facts, space = manifest.subjects[subject], study.responses.space
        return SubjectSize(
            sessions=facts.sessions,
            images=facts.images,
            test_images=facts.shared,
            voxels=manifest.n_masked(subject, space, study.responses.mask),
            grid=manifest.n_voxels(subject, space),
        )
    simulated = study.simulation.subjects[subject]
    grid = math.prod(simulated.grid)
    return SubjectSize(
        sessions=simulated.sessions,
        images=simulated.sessions * TRIALS_PER_SESSION // 3,
        test_images=study.simulation.shared_images,
        voxels=round(SIMULATED_SHARES[study.responses.mask] * grid),
        grid=grid,
    )


def _feature_cost(study: Configuration, space: str) -> FeatureCost | None:
    specification = study.space_specification(space)
    network = specification["network"]
    try:
        return feature_cost(network, specification["layer"], specification.get("pooling"))
    except ValueError as error:
        if (network["library"], network["weights"]) == ("transformers", "pretrained"):
            return None
        raise InputError(f"feature_spaces.{space}: {error}") from None
