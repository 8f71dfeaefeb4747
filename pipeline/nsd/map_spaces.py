"""Maps of modelled voxels in other spaces, by NSD's transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.configuration.settings import MNI, NATIVE
from pipeline.errors import InputError
from pipeline.maps.spaces import Own, Target
from pipeline.nsd.layout import FSAVERAGE, HEMISPHERES, NSDLayout
from pipeline.nsd.sampling import HALF, KnownVoxels
from pipeline.nsd.transforms import mni_points, nearest_native_vertices, surface_points

INTERPOLATION: dict[str, str] = {
    NATIVE: "Catmull-Rom at three cortical depths, averaged; labels by winner-take-all at the "
    "middle depth. Voxels beyond the modelled ones take the value of the nearest modelled one; "
    "vertices with less than half of their linear weight in modelled voxels have no value",
    MNI: "Catmull-Rom; labels by winner-take-all. Voxels beyond the modelled ones take the value "
    "of the nearest modelled one; voxels of MNI152 with less than half of their linear weight in "
    "modelled voxels have no value",
}
INTERPOLATION[FSAVERAGE] = f"to nativesurface: {INTERPOLATION[NATIVE]}; then the nearest vertex"


@dataclass(frozen=True)
class Sampled(Target):
    """Points sampled in a functional volume: vertices of the native surface, or MNI voxels."""

    name: str
    geometry: Mapping[str, np.ndarray]
    place: np.ndarray
    interpolation: str
    sampling: KnownVoxels

    def values(self, values: np.ndarray) -> np.ndarray:
        """Bring maps (voxel, map) to this space."""
        return self.sampling.values(values)

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Bring labels (voxel,) to this space."""
        return self.sampling.labels(labels)

    def inside(self, members: np.ndarray) -> np.ndarray:
        """Decide where sets (voxel, set) of voxels outweigh the others."""
        everything = np.ones((len(members), 1), dtype=bool)
        return self.sampling.shares(members) > HALF * self.sampling.shares(everything)


@dataclass(frozen=True)
class Indexed(Target):
    """fsaverage: every vertex takes the value of a vertex of the native surface.

    Attributes
    ----------
    source : the native surface, with a point for every vertex
    row : (point,) vertex of `source`
    """

    name: str
    geometry: Mapping[str, np.ndarray]
    place: np.ndarray
    source: Target
    row: np.ndarray
    interpolation = INTERPOLATION[FSAVERAGE]

    def values(self, values: np.ndarray) -> np.ndarray:
        """Bring maps (voxel, map) to this space."""
        return self.source.values(values)[self.row]

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Bring labels (voxel,) to this space."""
        return self.source.labels(labels)[self.row]

    def inside(self, members: np.ndarray) -> np.ndarray:
        """Decide where sets (voxel, set) of voxels outweigh the others."""
        return self.source.inside(members)[self.row]


@dataclass(frozen=True)
class AllVertices(Own):
    """The native surface as the space of the responses, with a point for every vertex.

    Attributes
    ----------
    voxel : (voxel,) vertices that are modelled
    """

    voxel: np.ndarray

    def _fill(self, values: np.ndarray, missing: object) -> np.ndarray:
        filled = np.full((len(self.place), *values.shape[1:]), missing)
        filled[self.voxel] = values
        return filled

    def values(self, values: np.ndarray) -> np.ndarray:
        """Bring maps (voxel, map) to this space."""
        return self._fill(np.asarray(values, np.float32), np.float32(np.nan))

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Bring labels (voxel,) to this space."""
        return self.values(labels)

    def inside(self, members: np.ndarray) -> np.ndarray:
        """Decide where sets (voxel, set) of voxels outweigh the others."""
        return self._fill(members, False)


def open_target(
    layout: NSDLayout,
    subject: str,
    own: str,
    voxel: np.ndarray,
    geometry: Mapping[str, np.ndarray],
    name: str,
) -> Target:
    """Open another space, into which maps of a subject's modelled voxels are brought.

    Parameters
    ----------
    own : space of the responses
    voxel : (voxel,) C-order indices of the modelled voxels into its grid
    geometry : grid of that space, see `ResponseSpace.geometry`
    name : nativesurface, fsaverage or MNI152

    Raises
    ------
    InputError
        A transform is missing or damaged.
    """
    shape = tuple(int(n) for n in geometry["grid_shape"])
    if name == MNI:
        return _mni(layout, subject, own, voxel, shape)
    if own == NATIVE:
        native: Target = AllVertices(NATIVE, geometry, np.arange(sum(shape)), voxel)
        return _fsaverage(layout, subject, native)
    native = _native(layout, subject, own, voxel, shape)
    return native if name == NATIVE else _fsaverage(layout, subject, native)


def _mni(
    layout: NSDLayout, subject: str, own: str, voxel: np.ndarray, shape: tuple[int, ...]
) -> Target:
    points, affine = mni_points(layout, subject, own)
    flat = points.reshape(-1, 3)
    everything = KnownVoxels(shape, voxel, [flat]).shares(np.ones((len(voxel), 1), dtype=bool))
    # keep only grey matter, a tenth of seven million voxels
    place = np.flatnonzero(everything[:, 0] >= HALF)
    if len(place) == 0:
        raise InputError(
            f"{subject}: no voxel of MNI152 lies in a modelled voxel of {own}. The transform "
            "belongs to another subject; fetch it again from NSD."
        )
    geometry = {"grid_shape": np.array(points.shape[:3]), "affine": affine}
    return Sampled(
        MNI, geometry, place, INTERPOLATION[MNI], KnownVoxels(shape, voxel, [flat[place]])
    )


def _native(
    layout: NSDLayout, subject: str, own: str, voxel: np.ndarray, shape: tuple[int, ...]
) -> Target:
    parts = [surface_points(layout, subject, own, hemisphere) for hemisphere in HEMISPHERES]
    layers = [np.concatenate(depth) for depth in zip(*parts, strict=True)]
    grid = np.array([len(part[0]) for part in parts])
    sampling = KnownVoxels(shape, voxel, layers)
    points = np.arange(grid.sum())
    return Sampled(NATIVE, {"grid_shape": grid}, points, INTERPOLATION[NATIVE], sampling)


def _fsaverage(layout: NSDLayout, subject: str, native: Target) -> Target:
    left, right = (int(n) for n in native.geometry["grid_shape"])
    rows = [
        nearest_native_vertices(layout, subject, hemisphere, n)
        for hemisphere, n in zip(HEMISPHERES, (left, right), strict=True)
    ]
    geometry = {"grid_shape": np.array([len(part) for part in rows])}
    row = np.concatenate([rows[0], rows[1] + left])
    return Indexed(FSAVERAGE, geometry, np.arange(len(row)), native, row)
