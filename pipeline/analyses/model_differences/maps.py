"""Maps of differences of two models' R²."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.analyses.model_differences.tables import spaces_of
from pipeline.maps.files import bids_label
from pipeline.maps.quantities import VoxelMap
from pipeline.results.storage import Result
from pipeline.tables.columns import INTERVAL

QUANTITIES = {
    "r2Difference": ("test R² of the first model minus that of the second", "R²"),
    "r2DifferenceLower": (
        f"lower end of the {INTERVAL} of the R² difference",
        "R²",
    ),
    "r2DifferenceUpper": (
        f"upper end of the {INTERVAL} of the R² difference",
        "R²",
    ),
}
ARRAYS = {
    "r2Difference": "difference",
    "r2DifferenceLower": "lower",
    "r2DifferenceUpper": "upper",
}


def voxel_maps(result: Result) -> Iterator[VoxelMap]:
    """Yield the difference of two models in a subject, with its q, and both interval ends."""
    models = result.configuration["models"]
    first, second = map(bids_label, models)
    named = f"model-{first}Minus{second[0].upper()}{second[1:]}"
    tested = {"q": result["q"], "test": result.configuration["test"]}
    for quantity, array in ARRAYS.items():
        yield VoxelMap.of(
            *(result, quantity, " minus ".join(models), result[array], spaces_of(models)),
            named=named,
            model=result.path.stem,
            **(tested if quantity == "r2Difference" else {}),
        )
