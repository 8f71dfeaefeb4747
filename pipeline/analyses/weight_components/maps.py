"""Maps of voxels' projections on components."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.maps.files import bids_label
from pipeline.maps.quantities import VoxelMap
from pipeline.results.storage import Result

QUANTITIES = {
    "weightProjection": (
        "projection of the voxel's weights on a principal component of all subjects' weights",
        "weight",
    ),
}


def voxel_maps(result: Result) -> Iterator[VoxelMap]:
    """Yield the projections of a model's weights on the components, a map per component."""
    model = result.configuration["model"]
    for number, values in enumerate(result["projections"], start=1):
        named = f"model-{bids_label(model)}_component-{number:02d}"
        name = f"{model} component {number}"
        yield VoxelMap.of(result, "weightProjection", name, values, named=named, model=model)
