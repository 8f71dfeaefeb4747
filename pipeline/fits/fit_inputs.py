"""Inputs of fits: scaled features of a split's images, and their responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from encoding.ridge.problem import Options
from encoding.scaling import FeatureScaling, Scaling
from pipeline.errors import InputError
from pipeline.jobs.machine import machine_gpus
from pipeline.results.result_file import decoded
from pipeline.results.storage import canonical, read_result

# the others hold what libraries allocate for themselves
OF_FREE_GPU_MEMORY = 0.8


class ResponseRows:
    """Some images and adjacent voxels of stored responses (image, voxel), read in blocks."""

    def __init__(
        self, dataset: h5py.Dataset, rows: np.ndarray, voxels: slice = slice(None)
    ) -> None:
        self.dataset, self.rows = dataset, rows
        self.first, end, _ = voxels.indices(dataset.shape[1])
        self.shape = len(rows), end - self.first

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        images, voxels = key
        start, end, _ = voxels.indices(self.shape[1])
        stored = self.dataset[:, self.first + start : self.first + end]
        return decoded(self.dataset, stored[self.rows[images]])

    def of(self, voxels: np.ndarray) -> np.ndarray:
        """Read responses (image, voxel) of voxels in ascending order."""
        first = voxels[0]
        return self[:, first : voxels[-1] + 1][:, voxels - first]


@dataclass(frozen=True)
class ScaledFeatures:
    """Features (image, feature) float32 and their scaling."""

    features: np.ndarray
    scaling: FeatureScaling


def read_scaled(
    path: Path,
    nsd_id: np.ndarray,
    training: np.ndarray,
    requested_by: str,
    scaling: Scaling = "zscore",
) -> ScaledFeatures:
    """Read features of images, scaled by the statistics of the training images.

    Parameters
    ----------
    path : a feature space's file
    nsd_id : (image,)
    training : (image,) bool
    requested_by : file that lists the images, for the message if some are missing
    scaling : see `FeatureScaling`
    """
    features = read_result(path, ["features"]).ordered("image", nsd_id, requested_by)["features"]
    try:
        fitted = FeatureScaling.fit(features[training], scaling)
    except ValueError as error:
        raise InputError(f"{path}: {error}. Choose another layer or network.") from error
    return ScaledFeatures(fitted.transform(features), fitted)


def verify_features(path: Path, specification: Mapping[str, Any]) -> None:
    """Raise unless a file holds the features of the expected space, layer and network.

    Parameters
    ----------
    specification : see `pipeline.configuration.checkpoints.features_to_expect`

    Raises
    ------
    InputError
        The file holds other features.
    """
    recorded = read_result(path, []).configuration
    extracted_from = recorded.get("extraction", {}).get("network")
    own = {k: v for k, v in recorded.items() if k not in ("layers", "extraction")}
    made = {**own, "extracted_from": extracted_from}
    for key in dict.fromkeys([*specification, *made]):
        if made.get(key) != specification.get(key):
            raise InputError(
                f"{path}: features of {key} {_brief(made.get(key))}, but the configuration says "
                f"{_brief(specification.get(key))}. They are of another model or run; delete the "
                "file and run snakemake again."
            )


def _brief(value: Any) -> str:
    return canonical(value) if isinstance(value, dict) else f"'{value}'"


def has_gpu() -> bool:
    """Tell whether torch sees a GPU; schedulers hide those that are reserved for other jobs."""
    if not machine_gpus():
        return False
    import torch

    return torch.cuda.is_available()


def free_gpu_memory() -> int:
    """Return the free bytes of the GPU."""
    import torch

    return torch.cuda.mem_get_info()[0]


def solver_options(settings: Mapping[str, Any], memory_mb: float) -> Options:
    """Return the options of the solver, as configured under `encoding`."""
    backend, memory = settings["backend"], memory_mb * 1e6
    if backend == "auto":
        backend = "torch_cuda" if has_gpu() else "numpy"
    if backend == "torch_cuda" and has_gpu():
        memory = min(memory, OF_FREE_GPU_MEMORY * free_gpu_memory())
    return Options(
        search=settings["search"],
        backend=backend,
        memory_bytes=memory,
        missing=settings["missing_images"],
    )
