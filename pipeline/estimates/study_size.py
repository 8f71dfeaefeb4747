"""Sizes of a study by its configuration alone: numbers of sessions, images, voxels and features."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from encoding.variance_partitioning import subsets
from pipeline.configuration.fits import Penalty
from pipeline.configuration.settings import COMPOSITE
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.matrices.sizes import count
from pipeline.nsd.composite_rois import COMPOSITES
from pipeline.nsd.manifest import Manifest
from pipeline.simulation.atlases import LABELS
from pipeline.simulation.settings import IMAGES_PER_SESSION

if TYPE_CHECKING:
    from features.costs import NetworkCost

CAPTIONS_PER_IMAGE = 5
# trials of an image
REPEATS = 3
# numbers of ROIs of atlases, and the number assumed for others
ROIS = {
    **{atlas: len(labels) for atlas, labels in LABELS.items()},
    **{COMPOSITE: len(COMPOSITES), "HCP_MMP1": 180},
}
ROIS_OF_OTHERS = 10
# cost of BERT base for a caption of a dozen tokens
BERT_OPERATIONS, BERT_BYTES, BERT_WIDTH, BERT_LAYERS = 2.1e9, 440_000_000, 768, 13


@dataclass(frozen=True)
class SubjectSize:
    """Size of a subject's data.

    Attributes
    ----------
    images, test_images : numbers of images seen at least once
    voxels : number of voxels in the mask
    grid : number of voxels or vertices of the space of the responses
    mapped : number of voxels and vertices of one map in all further spaces together
    penalty : of the fits to these data (`part_of`)
    """

    sessions: int
    images: int
    test_images: int
    voxels: int
    grid: int
    mapped: int
    penalty: Penalty = "banded"


@dataclass(frozen=True)
class FeatureSizes:
    """Costs and widths of the networks of a study.

    Attributes
    ----------
    networks : {network: cost of one stimulus}
    taken : {feature space: number of features before their reduction}
    widths : {feature space: number of features}
    assumed : networks whose costs are those of BERT base
    """

    networks: Mapping[str, NetworkCost]
    taken: Mapping[str, int]
    widths: Mapping[str, int]
    assumed: list[str]


def captions_per_image(study: Configuration, network: str) -> int:
    """Return about how many stimuli a network takes per image."""
    if study.network_specification(network)["stimulus"] != "captions":
        return 1
    return study.simulation.captions_per_image if study.simulation else CAPTIONS_PER_IMAGE


def subject_size(study: Configuration, manifest: Manifest, subject: str) -> SubjectSize:
    """Return the size of a subject's data; of NSD or its simulation no file is opened."""
    if study.responses is None:
        return SubjectSize(sessions=1, mapped=0, **vars(count(study.nsd, subject)))
    further, mask = study.map_spaces[1:], study.responses.mask
    if study.simulation is None:
        facts, space = manifest.subjects[subject], study.responses.space
        sessions = min(study.responses.sessions or facts.sessions, facts.sessions)
        # as if the trials of an image were spread over the sessions at random
        seen = 1 - (1 - sessions / facts.sessions) ** REPEATS
        return SubjectSize(
            sessions=sessions,
            images=round(seen * facts.images),
            test_images=round(seen * facts.shared),
            voxels=manifest.n_masked(subject, space, mask),
            grid=manifest.n_voxels(subject, space),
            mapped=sum(manifest.n_masked(subject, other, mask) for other in further),
        )
    simulated = study.simulation.subjects[subject]
    voxels = simulated.n_masked(mask.within)
    # small meshes and templates have about as many voxels as the mask
    mapped = len(further) * voxels
    if study.simulation.templates == "nsd":
        mapped = sum(manifest.n_masked(subject, other, mask) for other in further)
    sessions = min(study.responses.sessions or simulated.sessions, simulated.sessions)
    done = sessions / study.simulation.planned_sessions
    return SubjectSize(
        sessions=sessions,
        images=IMAGES_PER_SESSION * sessions,
        test_images=round(done * study.simulation.shared_images),
        voxels=voxels,
        grid=math.prod(simulated.shape),
        mapped=mapped,
    )


def part_of(
    study: Configuration, subject: SubjectSize, variant: str, chunks: int, most: bool = False
) -> SubjectSize:
    """Return the size of a variant and chunk; subsets hold the share that COCO's images show.

    `most` is for what must suffice: subsets then hold all images, as a subject's may.
    """
    share = 1.0 if most else subset_share(study, variant)
    train, test = (
        round(share * images)
        for images in (subject.images - subject.test_images, subject.test_images)
    )
    train = min(train, study.all_variants[variant].training_images or train)
    return replace(
        subject,
        images=train + test,
        test_images=test,
        voxels=math.ceil(subject.voxels / chunks),
        penalty=study.encoding_of(variant).penalty,
    )


def subset_share(study: Configuration, variant: str) -> float:
    """Return about which share of images a variant has; of matched ones, that of the smallest."""
    subset = study.all_variants[variant].subset
    subsets_drawn = [*([subset] if subset else []), *study.matched_subsets(variant)]
    return min((one.largest_share for one in subsets_drawn), default=1.0)


def n_models(study: Configuration, variant: str) -> float:
    """Return the number of models of a variant; a component of variance counts as 0.4 models."""
    components = sum(len(subsets(spaces)) for spaces in study.comparisons_of(variant).values())
    return len(study.fits(variant)) + 0.4 * components


def n_rois(atlases: Sequence[str]) -> int:
    """Return about how many regions atlases have, with all voxels as one region."""
    return 1 + sum(ROIS.get(atlas, ROIS_OF_OTHERS) for atlas in atlases)


def feature_sizes(study: Configuration) -> FeatureSizes:
    """Measure the sizes of all networks of a study, built with random weights.

    A pretrained network of transformers is assumed to be BERT base: its architecture would have to
    be downloaded.

    Raises
    ------
    InputError
        A feature space's network or layer is unknown.
    """
    # imported here: it imports torch, and every start of the workflow imports this module
    from features.layers import Layer

    costs = {network: _network_cost(study, network) for network in study.used_networks}
    networks = {name: cost or _bert_base(study, name) for name, cost in costs.items()}
    taken, widths = {}, {}
    for space in study.used_spaces:
        settings = study.feature_spaces[space]
        of_layers, reduction = networks[settings.network].widths, settings.reduction
        layers = Layer.parse(settings.taken).matching(of_layers)
        taken[space] = sum(of_layers[layer] for layer in layers)
        # components may be a fraction of the variance, reached by at most all features
        widths[space] = taken[space]
        if reduction is not None and reduction.components >= 1:
            widths[space] = int(reduction.components)
    return FeatureSizes(networks, taken, widths, [name for name in costs if costs[name] is None])


def _network_cost(study: Configuration, name: str) -> NetworkCost | None:
    from features.costs import NetworkCost, network_cost
    from features.layers import Layer
    from features.networks.vectors import RANDOM_WIDTH

    network = study.network_specification(name)
    layers = [Layer.parse(layer) for layer in study.network_layers(name)]
    if network["library"] == "vectors":
        widths = {"categories": 80, "supercategories": 12, "identity": RANDOM_WIDTH}
        return NetworkCost(dict.fromkeys(layers, widths[network["stimulus"]]), 0.0, 0)
    if (network["library"], network["weights"]) == ("transformers", "pretrained"):
        return None
    try:
        return network_cost(network, layers)
    except ValueError as error:
        raise InputError(f"networks.{name}: {error}") from None


def _bert_base(study: Configuration, name: str) -> NetworkCost:
    from features.costs import NetworkCost
    from features.layers import Layer

    patterns = [Layer.parse(layer) for layer in study.network_layers(name)]
    numbered = [
        Layer(layer.name.replace("*", str(number)), layer.pooling)
        for layer, number in itertools.product(patterns, range(BERT_LAYERS))
    ]
    return NetworkCost(dict.fromkeys(numbered, BERT_WIDTH), BERT_OPERATIONS, BERT_BYTES)
