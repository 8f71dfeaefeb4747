"""How much there is of a study: from its files, or as expected."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.costs import NetworkCost, network_cost
from features.layers import Layer
from features.networks.vectors import RANDOM_WIDTH
from pipeline.configuration import Configuration
from pipeline.errors import InputError
from pipeline.expected_size import (
    captions_per_image,
    distinct_images,
    expected_subject,
    mapped_places,
)
from pipeline.manifest import Manifest
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_mask
from pipeline.nsd.spaces import open_space
from pipeline.sizes import StudySize, SubjectSize

# BERT base: of a caption of a dozen tokens
BERT_OPERATIONS, BERT_BYTES, BERT_WIDTH, BERT_LAYERS = 2.1e9, 440_000_000, 768, 13
VECTOR_WIDTHS = {"categories": 80, "supercategories": 12, "identity": RANDOM_WIDTH}


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
            subjects[subject] = expected_subject(study, manifest, subject)
    if len(images) == len(subjects):
        n_images = len(np.unique(np.concatenate(images)))
    else:
        n_images = distinct_images(subjects.values())
    found = measure_features(study)
    captions = captions_per_image(study)
    size = StudySize(subjects, n_images, captions, found.networks, found.widths, found.taken)
    return size, found.assumed


@dataclass(frozen=True)
class MeasuredFeatures:
    """What networks tell of a study's features.

    Attributes
    ----------
    networks : {network: cost of a pass of one stimulus}
    taken : {feature space: number of features before their reduction}
    widths : {feature space: its width}
    assumed : networks whose costs are those of BERT base
    """

    networks: Mapping[str, NetworkCost]
    taken: Mapping[str, int]
    widths: Mapping[str, int]
    assumed: list[str]


def measure_features(study: Configuration) -> MeasuredFeatures:
    """Ask all networks that a study uses.

    Raises
    ------
    InputError
        A feature space's network or layer is unknown.
    """
    costs = {network: _network_cost(study, network) for network in study.used_networks}
    assumed = [network for network, cost in costs.items() if cost is None]
    networks = {name: cost or _bert_base(study, name) for name, cost in costs.items()}
    taken = {space: _taken_width(study, space, networks) for space in study.used_spaces}
    widths = {space: _space_width(study, space, width) for space, width in taken.items()}
    return MeasuredFeatures(networks, taken, widths, assumed)


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
        mapped=mapped_places(study, manifest, subject),
    )
    return size, design.images


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


def _taken_width(study: Configuration, space: str, networks: Mapping[str, NetworkCost]) -> int:
    settings = study.feature_spaces[space]
    widths = networks[settings.network].widths
    return sum(widths[layer] for layer in Layer.parse(settings.taken).matching(widths))


def _space_width(study: Configuration, space: str, taken: int) -> int:
    reduction = study.feature_spaces[space].reduction
    # a share of the variance takes as many components as there are features, at most
    if reduction is None or reduction.components < 1:
        return taken
    return int(reduction.components)
