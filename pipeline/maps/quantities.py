"""Which quantities become maps, and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from encoding.noise_ceiling import correlation_ceiling
from encoding.partition import COMPONENT_SEPARATOR, MODEL_SEPARATOR
from pipeline.maps.files import bids_label
from pipeline.storage import Result

DESCRIPTIONS = {
    "r": ("Pearson correlation of measured and predicted test responses", "correlation"),
    "r2": ("coefficient of determination of the test responses", "R²"),
    "unique": ("variance of the test responses that only this feature space explains", "R²"),
    "shared": ("variance of the test responses that these feature spaces share", "R²"),
    "q": ("false discovery rate over the voxels of this map, of a test against chance", "q"),
    "preferredLayer": (
        "layer with the best cross-validated score, from 1 for the first, of explainable voxels",
        "layer",
    ),
    "firstLayer": (
        "first layer that nearly reaches the best one's cross-validated score, from 1",
        "layer",
    ),
    "ceiling": ("noise ceiling: explainable share of the test responses' variance", "R²"),
    "correlationCeiling": ("square root of the noise ceiling: bound of r", "correlation"),
}
# of the data, whatever the model
CEILINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ceiling": np.asarray,
    "correlationCeiling": correlation_ceiling,
}

# of all layers of a network: {quantity: array of a layers file}
LAYERS = {"preferredLayer": "best", "firstLayer": "first"}


@dataclass(frozen=True)
class VoxelMap:
    """One map-to-be.

    Attributes
    ----------
    quantity : a key of `DESCRIPTIONS`
    name : the encoding model, the network whose layers are compared, or the component of a contrast
    contrast : the contrast, None for models and networks
    voxel : (voxel,) C-order indices, those of the file that the values are from
    values : (voxel,)
    untrained : feature spaces of the map whose weights are untrained
    """

    quantity: str
    name: str
    contrast: str | None
    voxel: np.ndarray
    values: np.ndarray
    untrained: tuple[str, ...] = ()

    @property
    def entities(self) -> str:
        """The middle of the file name."""
        if self.quantity in CEILINGS:
            return f"stat-{self.quantity}"
        if self.quantity in LAYERS:
            return f"network-{bids_label(self.name)}_stat-{self.quantity}"
        if self.contrast is None:
            return f"model-{bids_label(self.name)}_stat-{self.quantity}"
        return (
            f"contrast-{bids_label(self.contrast)}_component-{bids_label(self.name)}"
            f"_stat-{self.quantity}"
        )


def encoding_maps(result: Result) -> Iterator[VoxelMap]:
    """The noise ceiling, and r and R² of every model in an encoding result."""
    voxel = result["voxel"]
    for quantity, of in CEILINGS.items():
        yield VoxelMap(quantity, "noise ceiling", None, voxel, of(result["noise_ceiling"]))
    for model in result["models"].tolist():
        untrained = _untrained(result, model.split(MODEL_SEPARATOR))
        for quantity in ("r", "r2"):
            yield VoxelMap(quantity, model, None, voxel, result[f"{model}/{quantity}"], untrained)


def partition_maps(result: Result, contrast: str) -> Iterator[VoxelMap]:
    """Every component of a partition."""
    # a component subtracts models of all the contrast's spaces, not of its own alone
    untrained = _untrained(result, result.provenance["configuration"]["spaces"])
    for key in result.arrays:
        if key.startswith("component/"):
            name = key.removeprefix("component/")
            quantity = "shared" if COMPONENT_SEPARATOR in name else "unique"
            yield VoxelMap(quantity, name, contrast, result["voxel"], result[key], untrained)


def layer_maps(result: Result) -> Iterator[VoxelMap]:
    """The preferred layers of a network."""
    configuration = result.provenance["configuration"]
    untrained = _untrained(result, configuration["spaces"])
    for quantity, key in LAYERS.items():
        name = configuration["network"]
        yield VoxelMap(quantity, name, None, result["voxel"], result[key], untrained)


def significance_maps(result: Result, contrast: str) -> Iterator[VoxelMap]:
    """q of every model's r, and of the unique variance of a contrast's spaces."""
    for key, values in result.arrays.items():
        if not key.endswith("/q"):
            continue
        name = key.removesuffix("/q")
        component = name.removeprefix("component/")
        spaces = result.provenance["configuration"]["spaces"]
        of = None if component == name else contrast
        untrained = _untrained(result, name.split(MODEL_SEPARATOR) if of is None else spaces)
        yield VoxelMap("q", component, of, result["voxel"], values, untrained)


def _untrained(result: Result, spaces: Sequence[str]) -> tuple[str, ...]:
    untrained = result.provenance["configuration"]["untrained_spaces"]
    return tuple(space for space in spaces if space in untrained)
