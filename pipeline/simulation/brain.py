"""A simulated brain; the small one is an ellipsoid with a shell whose back is divided into ROIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from pipeline.simulation.atlases import LABELS, SUBCORTICAL
from pipeline.simulation.settings import MaskSizes, VoxelGroup

NO_SIGNAL = "no signal"
BRAIN_RADIUS, WHITE_MATTER_RADIUS = 0.95, 0.68
# NSD's brain mask is deliberately liberal
MASK_RADIUS = 1.45
SUBCORTICAL_RADIUS, VENTRICLE_RADIUS = 0.35, 0.18
# nsdgeneral is the cortex behind this coordinate (-1 posterior … 1 anterior)
ANTERIOR_END = -0.25
# in every simulated brain this label exists in the left hemisphere only
LEFT_ONLY = ("floc-words", "mfs-words")


@dataclass(frozen=True)
class Brain:
    """Masks, voxel groups and positions (X, Y, Z) of a simulated brain.

    Attributes
    ----------
    mask, cortex, left : bool; `mask` are the voxels with data, which can be more than the brain
    group : int, index into `group_names`, -1 outside nsdgeneral
    group_names : names of the voxel groups, `NO_SIGNAL` last
    labels : {atlas: int}, -1 outside cortex, 0 cortex without label, 1…N
    subcortical : {atlas: int}, 0 outside, 1…N
    mean : float, the mean functional image
    """

    mask: np.ndarray
    cortex: np.ndarray
    left: np.ndarray
    group: np.ndarray
    group_names: list[str]
    labels: Mapping[str, np.ndarray]
    subcortical: Mapping[str, np.ndarray]
    mean: np.ndarray

    @property
    def stored(self) -> np.ndarray:
        """C-order indices (voxel,) of the voxels with data, in the order of NSD's HDF5 files."""
        inside = np.flatnonzero(self.mask)
        return inside[np.lexsort(np.unravel_index(inside, self.mask.shape))]

    @property
    def nsdgeneral(self) -> np.ndarray:
        """C-order indices (voxel,) of nsdgeneral, sorted."""
        return np.flatnonzero(self.group >= 0)

    @property
    def grid(self) -> tuple[int, ...]:
        """Size of the volume (X, Y, Z)."""
        return self.mask.shape

    def group_of(self, voxel: np.ndarray) -> np.ndarray:
        """Name the groups of voxels: (voxel,)."""
        return np.array(self.group_names)[self.group.ravel()[voxel]]


def group_names(groups: list[VoxelGroup]) -> list[str]:
    """Name the groups, and the voxels without signal."""
    return [*(group.name for group in groups), NO_SIGNAL]


def shell_radii(grid: tuple[int, int, int], sizes: MaskSizes | None = None) -> tuple[float, float]:
    """Compute where the cortex of an ellipsoid ends and begins, 1 being the edge of the grid."""
    if sizes is None:
        return BRAIN_RADIUS, WHITE_MATTER_RADIUS
    ends = np.sort(_radius(grid), axis=None)[[sizes.brain, sizes.brain - sizes.cortex - 1]]
    return float(ends[0]), float(ends[1])


def make_ellipsoid(
    grid: tuple[int, int, int],
    groups: list[VoxelGroup],
    seed: int,
    sizes: MaskSizes | None = None,
) -> Brain:
    """Build an ellipsoid on a grid, with its groups in order from posterior to anterior."""
    x, y, z = _unit(grid)
    radius, radii = _radius(grid), shell_radii(grid, sizes)
    brain = radius < radii[0]
    cortex = brain & (radius > radii[1])
    if sizes is None:
        mask = radius < MASK_RADIUS
        general = cortex & (y < ANTERIOR_END)
    else:
        mask = brain
        inside = np.flatnonzero(cortex)
        from_behind = inside[np.lexsort((radius.flat[inside], y.flat[inside]))]
        general = np.zeros(grid, bool)
        general.flat[from_behind[: sizes.nsdgeneral]] = True
    # |x|: the hemispheres mirror one another
    position = np.column_stack([np.abs(x)[general], y[general], z[general]])
    parcels = KMeans(len(groups) + 1, random_state=seed, n_init=4).fit(position)
    order = np.argsort(np.argsort(parcels.cluster_centers_[:, 1]))
    group = np.full(grid, -1)
    group[general] = order[parcels.labels_]
    names = group_names(groups)
    labels = _labels(cortex, x < 0, group, names)
    mean = _mean_image(brain, cortex, radius)
    return Brain(mask, cortex, x < 0, group, names, labels, _subcortical(radius), mean)


def _unit(grid: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """Coordinates (X, Y, Z) of voxels on each axis, from -1 to 1."""
    return np.meshgrid(*(np.linspace(-1, 1, n) for n in grid), indexing="ij")


def _radius(grid: tuple[int, int, int]) -> np.ndarray:
    """Compute the radius of voxels (X, Y, Z), 1 at the surface of the ellipsoid in the grid."""
    x, y, z = _unit(grid)
    return np.asarray(np.sqrt(x**2 + y**2 + z**2))


def _labels(
    cortex: np.ndarray, left: np.ndarray, group: np.ndarray, names: list[str]
) -> dict[str, np.ndarray]:
    """Label cortex as {atlas: (X, Y, Z)}: -1 outside cortex, 0 cortex without label, 1…N."""
    volumes = {"nsdgeneral": np.where(group >= 0, 1, 0)}
    for atlas, labels in LABELS.items():
        volume = np.zeros(group.shape, dtype=int)
        for number, label in enumerate(labels, start=1):
            name = f"{atlas}/{label}"
            if name in names:
                volume[group == names.index(name)] = number
        volumes[atlas] = volume
    anterior = group == len(names) - 2
    left_atlas, left_label = LEFT_ONLY
    volumes[left_atlas][anterior & left] = LABELS[left_atlas].index(left_label) + 1
    y = np.linspace(0, 1, group.shape[1], endpoint=False)[None, :, None]
    parcel = (y * len(LABELS["HCP_MMP1"])).astype(int) + 1
    volumes["HCP_MMP1"] = np.broadcast_to(parcel, group.shape)
    streams = np.clip(group, 0, len(LABELS["streams"]) - 1) + 1
    volumes["streams"] = np.where(group >= 0, streams, 0)
    return {atlas: np.where(cortex, volume, -1) for atlas, volume in volumes.items()}


def _subcortical(radius: np.ndarray) -> dict[str, np.ndarray]:
    """Label subcortical grey matter as {atlas: (X, Y, Z)}: 0 elsewhere, 1…N."""
    volumes = {}
    for atlas, labels in SUBCORTICAL.items():
        y = np.linspace(-1, 1, radius.shape[1])[None, :, None]
        number = np.clip(((y + 0.3) / 0.6 * len(labels)).astype(int), 0, len(labels) - 1) + 1
        inside = radius < SUBCORTICAL_RADIUS
        volumes[atlas] = np.where(inside, np.broadcast_to(number, inside.shape), 0)
    return volumes


def _mean_image(brain: np.ndarray, cortex: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Simulate a mean functional image: bright grey matter, darker white matter."""
    tissue = np.where(cortex, 900.0, np.where(brain, 620.0, 0.0))
    tissue[radius < VENTRICLE_RADIUS] = 1200.0
    return tissue
