"""How much there is of a study: from its files, or from what NSD is known to have."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from features.costs import NetworkCost, network_cost
from features.layers import Layer
from features.networks.vectors import RANDOM_WIDTH
from pipeline.configuration import Configuration
from pipeline.errors import InputError
from pipeline.estimates import StudySize, SubjectSize
from pipeline.manifest import Manifest
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import TRIALS_PER_SESSION, NSDLayout
from pipeline.nsd.rois import read_mask
from pipeline.nsd.spaces import open_space

CAPTIONS_PER_IMAGE = 5
# BERT base: of a caption of a dozen tokens
BERT_OPERATIONS, BERT_BYTES, BERT_WIDTH, BERT_LAYERS = 2.1e9, 440_000_000, 768, 13
VECTOR_WIDTHS = {"categories": 80, "supercategories": 12, "identity": RANDOM_WIDTH}
# shares of a simulated brain's grid
SIMULATED_SHARES = {"nsdgeneral": 0.087, "cortex": 0.28}


def measure_study(
    study: Configuration, layout: NSDLayout, manifest: Manifest
) -> tuple[StudySize, list[str]]:
    """Sizes of everything, and the networks whose costs are assumed.

    A pretrained network of transformers is taken as BERT base.

    Raises
    ------
    InputError
        A feature space's network or layer is unknown.
    """
    subjects, images = {}, []
    for subject in study.subjects:
        try:
            subjects[subject], seen = _from_files(study, layout, manifest, subject)
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
    costs = {network: _network_cost(study, network) for network in study.used_networks}
    assumed = [network for network, cost in costs.items() if cost is None]
    networks = {name: cost or _bert_base(study, name) for name, cost in costs.items()}
    widths = {space: _space_width(study, space, networks) for space in study.used_spaces}
    return StudySize(subjects, n_images, captions, networks, widths), assumed


def _from_files(
    study: Configuration, layout: NSDLayout, manifest: Manifest, subject: str
) -> tuple[SubjectSize, np.ndarray]:
    design = read_design(layout, subject)
    space = open_space(layout, subject, study.responses.space, study.responses.betas)
    voxels = len(read_mask(space, study.responses.mask))
    size = SubjectSize(
        sessions=design.n_sessions,
        images=len(design.images),
        test_images=int(np.isin(design.images, design.shared).sum()),
        voxels=voxels,
        grid=space.n_voxels,
        mapped=_mapped(study, manifest, subject, voxels, layout.is_simulated),
    )
    return size, design.images


def _expected(study: Configuration, manifest: Manifest, subject: str) -> SubjectSize:
    if study.simulation is None:
        facts, space = manifest.subjects[subject], study.responses.space
        voxels = manifest.n_masked(subject, space, study.responses.mask)
        return SubjectSize(
            sessions=facts.sessions,
            images=facts.images,
            test_images=facts.shared,
            voxels=voxels,
            grid=manifest.n_voxels(subject, space),
            mapped=_mapped(study, manifest, subject, voxels, simulated=False),
        )
    simulated = study.simulation.subjects[subject]
    grid = math.prod(simulated.grid)
    voxels = round(SIMULATED_SHARES[study.responses.mask] * grid)
    return SubjectSize(
        sessions=simulated.sessions,
        images=simulated.sessions * TRIALS_PER_SESSION // 3,
        test_images=study.simulation.shared_images,
        voxels=voxels,
        grid=grid,
        mapped=_mapped(study, manifest, subject, voxels, simulated=True),
    )


def _mapped(
    study: Configuration, manifest: Manifest, subject: str, voxels: int, simulated: bool
) -> int:
    """Voxels of one map in the further spaces; a simulated brain has about as many in each."""
    others = study.map_spaces[1:]
    if simulated:
        return voxels * len(others)
    return sum(manifest.n_masked(subject, space, study.responses.mask) for space in others)


def _network_cost(study: Configuration, name: str) -> NetworkCost | None:
    network = study.network_specification(name)
    layers = [Layer.parse(layer) for layer in study.network_layers(name)]
    if network["library"] == "vectors":
        return NetworkCost(dict.fromkeys(layers, VECTOR_WIDTHS[network["stimulus"]]), 0.0, 0)
    if (network["library"], network["weights"]) == ("transformers", "pretrained"):
        # its architecture would have to be asked of a hub
        return None
    try:
        return network_cost(network, layers)
    except ValueError as error:
        raise InputError(f"networks.{name}: {error}") from None


def _bert_base(study: Configuration, name: str) -> NetworkCost:
    layers = [Layer.parse(layer) for layer in study.network_layers(name)]
    numbered = itertools.chain.from_iterable(
        [
            Layer(layer.name.replace("*", str(number)), layer.pooling)
            for number in range(BERT_LAYERS)
        ]
        for layer in layers
    )
    return NetworkCost(dict.fromkeys(numbered, BERT_WIDTH), BERT_OPERATIONS, BERT_BYTES)


def _space_width(study: Configuration, space: str, networks: Mapping[str, NetworkCost]) -> int:
    settings = study.feature_spaces[space]
    widths = networks[settings.network].widths
    width = sum(widths[layer] for layer in Layer.parse(settings.taken).matching(widths))
    if settings.reduction is None:
        return width
    # a share of the variance takes as many components as there are features, at most
    wanted = settings.reduction.components
    return int(wanted) if wanted >= 1 else width
