"""Maps of preferred layers."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.maps.files import bids_label
from pipeline.maps.quantities import VoxelMap
from pipeline.results.storage import Result

QUANTITIES = {
    "preferredLayer": (
        "number of the layer (1: first) with the best cross-validated R²; none where the "
        "reliability is below the minimum",
        "label",
    ),
    "firstLayer": (
        "number of the first layer (1: first) whose cross-validated R² nearly reaches the best; "
        "none where the reliability is below the minimum",
        "label",
    ),
}
# titles on the surface page of maps whose labels have an order
ORDERED = {"preferredLayer": "preferred layer"}
# {quantity: array of a layers file}
LAYERS = {"preferredLayer": "best", "firstLayer": "first"}


def voxel_maps(result: Result) -> Iterator[VoxelMap]:
    """Yield the preferred layers of a network as labels, which no change of space averages."""
    name = result.configuration["network"]
    labels = dict(enumerate(result.configuration["spaces"], start=1))
    named = f"network-{bids_label(name)}"
    for quantity, key in LAYERS.items():
        yield VoxelMap.of(result, quantity, name, result[key], labels=labels, named=named)
