"""Maps of unique and shared variance as shares of the noise ceiling."""

from __future__ import annotations

from collections.abc import Iterator

from encoding.variance_partitioning import COMPONENT_SEPARATOR
from pipeline.maps.quantities import VoxelMap
from pipeline.results.storage import Result

QUANTITIES = {
    "uniqueShare": (
        "variance that only this feature space explains, divided by the noise ceiling; not "
        "clipped; no value where the noise ceiling is not above `ceiling_shares.min_noise_ceiling`",
        "share of the noise ceiling",
    ),
    "sharedShare": (
        "variance that these feature spaces share, divided by the noise ceiling; not clipped; no "
        "value where the noise ceiling is not above `ceiling_shares.min_noise_ceiling`",
        "share of the noise ceiling",
    ),
}


def voxel_maps(result: Result) -> Iterator[VoxelMap]:
    """Yield a map for each component of a subject's comparison."""
    for name, share in result.by_label("share").items():
        quantity = "sharedShare" if COMPONENT_SEPARATOR in name else "uniqueShare"
        yield VoxelMap.of(result, quantity, name, share)
