"""Maps of preferred layers."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.maps.files import bids_label
from pipeline.maps.quantities import VoxelMap
from pipeline.results.space_weights import untrained_spaces
from pipeline.results.storage import Result

QUANTITIES = {
    "preferredLayer": (
        "layer with the best cross-validated score, from 1 for the first, of explainable voxels",
        "label",
    ),
    "firstLayer": (
        "first layer that nearly reaches the best one's cross-validated score, from 1",
        "label",
    ),
}
# of labels in an order: titles on the surface page
ORDERED = {"preferredLayer": "preferred layer"}
# {quantity: array of a layers file}
LAYERS = {"preferredLayer": "best", "firstLayer": "first"}


def voxel_maps(result: Result) -> Iterator[VoxelMap]:
    """The preferred layers of a network, as labels: layers are not averaged when places change."""
    configuration = result.configuration
    untrained = untrained_spaces(result.provenance, configuration["spaces"])
    labels = dict(enumerate(configuration["spaces"], start=1))
    name = configuration["network"]
    for quantity, key in LAYERS.items():
        yield VoxelMap(
            quantity,
            name,
            None,
            result["voxel"],
            result[key],
            untrained,
            labels=labels,
            named=f"network-{bids_label(name)}",
        )
