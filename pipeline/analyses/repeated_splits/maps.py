"""Maps of the mean and the standard deviation over repeated random splits."""

from __future__ import annotations

from collections.abc import Iterator

from encoding.variance_partitioning import model_name
from pipeline.maps.quantities import VoxelMap
from pipeline.results.storage import Result

QUANTITIES = {
    "splitMean": ("test R², or unique or shared variance, mean over random splits", "R²"),
    "splitDeviation": (
        "test R², or unique or shared variance, standard deviation over random splits",
        "R²",
    ),
}


def voxel_maps(result: Result) -> Iterator[VoxelMap]:
    """Yield the mean and the standard deviation of a model, or of a comparison's components."""
    if "variance" in result.data:
        names = result["component"].tolist()
        scores = dict(zip(names, result["variance"].swapaxes(0, 1), strict=True))
    else:
        scores = {model_name(result.configuration["spaces"]): result["r2"]}
    for name, of_splits in scores.items():
        yield VoxelMap.of(result, "splitMean", name, of_splits.mean(axis=0))
        yield VoxelMap.of(result, "splitDeviation", name, of_splits.std(axis=0, ddof=1))
