"""Spaces in which maps are written, and how maps of modelled voxels are transformed to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


class Target(ABC):
    """One space, and how maps of modelled voxels are transformed to it.

    Attributes
    ----------
    name : name of the space
    interpolation : description of the transformation
    geometry : `grid_shape` with `affine`, or `grid_shape` (left, right vertices)
    place : (place,) C-order indices into the grid of the voxels or vertices with values
    """

    name: str
    interpolation: str
    geometry: Mapping[str, np.ndarray]
    place: np.ndarray

    @abstractmethod
    def values(self, values: np.ndarray) -> np.ndarray:
        """Transform maps (voxel, map), NaN where unknown, to this space: (place, map) float32."""

    @abstractmethod
    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Transform labels (voxel,), NaN where there is none, to this space: (place,) float32."""

    @abstractmethod
    def inside(self, members: np.ndarray) -> np.ndarray:
        """Transform sets of voxels (voxel, set) to this space by majority: (place, set) bool."""


@dataclass(frozen=True)
class Own(Target):
    """The space of the responses."""

    name: str
    geometry: Mapping[str, np.ndarray]
    place: np.ndarray
    interpolation = "none: the space of the responses"

    def values(self, values: np.ndarray) -> np.ndarray:
        """Return maps as they are."""
        return np.asarray(values, dtype=np.float32)

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as they are."""
        return np.asarray(labels, dtype=np.float32)

    def inside(self, members: np.ndarray) -> np.ndarray:
        """Return sets of voxels as they are."""
        return members
