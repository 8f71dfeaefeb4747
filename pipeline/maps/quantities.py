"""Which quantities become maps, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from encoding.partition import COMPONENT_SEPARATOR
from pipeline.maps.volume import bids_label
from pipeline.storage import Result

DESCRIPTIONS = {
    "r": ("Pearson correlation of measured and predicted test responses", "correlation"),
    "r2": ("coefficient of determination of the test responses", "R²"),
    "unique": ("variance of the test responses that only this feature space explains", "R²"),
    "shared": ("variance of the test responses that these feature spaces share", "R²"),
    "ceiling": ("noise ceiling: explainable share of the test responses' variance", "R²"),
}


@dataclass(frozen=True)
class VoxelMap:
    """One map-to-be.

    Attributes
    ----------
    quantity : a key of `DESCRIPTIONS`
    name : the encoding model, or the component of a contrast
    contrast : the contrast, None for models
    values : (voxel,)
    """

    quantity: str
    name: str
    contrast: str | None
    values: np.ndarray

    @property
    def entities(self) -> str:
        """The middle of the file name."""
        if self.quantity == "ceiling":
            return "stat-ceiling"
        if self.contrast is None:
            return f"model-{bids_label(self.name)}_stat-{self.quantity}"
        return (
            f"contrast-{bids_label(self.contrast)}_component-{bids_label(self.name)}"
            f"_stat-{self.quantity}"
        )


def encoding_maps(result: Result) -> Iterator[VoxelMap]:
    """r and R² of every model in an encoding result."""
    for model in result["models"].tolist():
        for quantity in ("r", "r2"):
            yield VoxelMap(quantity, model, None, result[f"{model}/{quantity}"])


def partition_maps(result: Result, contrast: str) -> Iterator[VoxelMap]:
    """Every component of a partition."""
    for key in result.arrays:
        if key.startswith("component/"):
            name = key.removeprefix("component/")
            quantity = "shared" if COMPONENT_SEPARATOR in name else "unique"
            yield VoxelMap(quantity, name, contrast, result[key])
