"""Maps of voxels' projections on components."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.maps.files import bids_label
from pipeline.maps.quantities import VoxelMap
from pipeline.results.space_weights import untrained_spaces
from pipeline.results.storage import Result

QUANTITIES = {
    "weightProjection": (
        "projection of the voxel's weights on a principal component of all subjects' weights",
        "weight",
    ),
}


def voxel_maps(result: Result) -> Iterator[VoxelMap]:
    """Yield the projections of a model's weights on the components, a map per component."""
    configuration = result.configuration
    untrained = untrained_spaces(result.provenance, configuration["spaces"])
    for number, values in enumerate(result["projections"], start=1):
        name = f"{configuration['model']} component {number}"
        yield VoxelMap(
            *("weightProjection", name, None, result["voxel"], values, untrained),
            named=f"model-{bids_label(configuration['model'])}_component-{number:02d}",
        )
