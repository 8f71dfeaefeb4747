"""A small brain: an ellipsoid with a cortical shell whose posterior part is divided into ROIs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from pipeline.simulation.atlases import LABELS, SUBCORTICAL
from pipeline.simulation.settings import MaskSizes, VoxelGroup

NO_SIGNAL = "no signal"
BRAIN_RADIUS, WHITE_MATTER_RADIUS = 0.95, 0.68
# NSD's brain mask is deliberately liberal
MASK_RADIUS = 1.45
SUBCORTICAL_RADIUS = 0.35
# nsdgeneral is the cortex behind this coordinate (-1 posterior … 1 anterior)
ANTERIOR_END = -0.25
# in every simulated brain this label exists in the left hemisphere only
LEFT_ONLY = ("floc-words", "mfs-words")


@dataclass(frozen=True)
class Brain:
    """Masks, voxel groups and positions (X, Y, Z) of a simulated brain.

    Attributes
    ----------
    mask, brain, cortex, left : bool; `mask` are the voxels with data, which can be more than the
        brain
    group : int, index into `group_names`, -1 outside nsdgeneral
    group_names : names of the voxel groups, `NO_SIGNAL` last
    radius : float, 0 at the centre, 1 at the surface of the ellipsoid that fills the grid
    radii : where cortex ends and begins
    """

    mask: np.ndarray
    brain: np.ndarray
    cortex: np.ndarray
    left: np.ndarray
    group: np.ndarray
    group_names: list[str]
    radius: np.ndarray
    radii: tuple[float, float]

    @property
    def stored(self) -> np.ndarray:
        """C-order indices (voxel,) of the voxels with data, in the order of NSD's HDF5 files."""
        inside = np.flatnonzero(self.mask)
        return inside[np.lexsort(np.unravel_index(inside, self.mask.shape))]

    @property
    def nsdgeneral(self) -> np.ndarray:
        """C-order indices (voxel,) of nsdgeneral, sorted."""
        return np.flatnonzero(self.group >= 0)

    def group_of(self, voxel: np.ndarray) -> np.ndarray:
        """Name the groups of voxels: (voxel,)."""
        return np.array(self.group_names)[self.group.ravel()[voxel]]


def make_brain(
    grid: tuple[int, int, int],
    groups: list[VoxelGroup],
    seed: int,
    sizes: MaskSizes | None = None,
) -> Brain:
    """Build a brain on a grid, with its groups in order from posterior to anterior."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid), indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    if sizes is None:
        radii = BRAIN_RADIUS, WHITE_MATTER_RADIUS
        mask, brain = radius < MASK_RADIUS, radius < BRAIN_RADIUS
        cortex = brain & (radius > WHITE_MATTER_RADIUS)
        general = cortex & (y < ANTERIOR_END)
    else:
        ends = np.sort(radius, axis=None)[[sizes.brain, sizes.brain - sizes.cortex - 1]]
        radii = float(ends[0]), float(ends[1])
        mask = brain = radius < radii[0]
        cortex = brain & (radius > radii[1])
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
    names = [*(g.name for g in groups), NO_SIGNAL]
    return Brain(mask, brain, cortex, x < 0, group, names, radius, radii)


def roi_volumes(brain: Brain) -> dict[str, np.ndarray]:
    """Label cortex as {atlas: (X, Y, Z)}: -1 outside cortex, 0 cortex without label, 1…N."""
    volumes = {"nsdgeneral": np.where(brain.group >= 0, 1, 0)}
    for atlas, labels in LABELS.items():
        volume = np.zeros(brain.group.shape, dtype=int)
        for number, label in enumerate(labels, start=1):
            name = f"{atlas}/{label}"
            if name in brain.group_names:
                volume[brain.group == brain.group_names.index(name)] = number
        volumes[atlas] = volume
    anterior = brain.group == len(brain.group_names) - 2
    left_atlas, left_label = LEFT_ONLY
    volumes[left_atlas][anterior & brain.left] = LABELS[left_atlas].index(left_label) + 1
    y = np.linspace(0, 1, brain.group.shape[1], endpoint=False)[None, :, None]
    parcel = (y * len(LABELS["HCP_MMP1"])).astype(int) + 1
    volumes["HCP_MMP1"] = np.broadcast_to(parcel, brain.group.shape)
    streams = np.clip(brain.group, 0, len(LABELS["streams"]) - 1) + 1
    volumes["streams"] = np.where(brain.group >= 0, streams, 0)
    return {atlas: np.where(brain.cortex, volume, -1) for atlas, volume in volumes.items()}


def subcortical_volumes(brain: Brain) -> dict[str, np.ndarray]:
    """Label subcortical grey matter as {atlas: (X, Y, Z)}: 0 elsewhere, 1…N."""
    volumes = {}
    for atlas, labels in SUBCORTICAL.items():
        y = np.linspace(-1, 1, brain.group.shape[1])[None, :, None]
        number = np.clip(((y + 0.3) / 0.6 * len(labels)).astype(int), 0, len(labels) - 1) + 1
        inside = brain.radius < SUBCORTICAL_RADIUS
        volumes[atlas] = np.where(inside, np.broadcast_to(number, inside.shape), 0)
    return volumes


def mean_image(brain: Brain, generator: np.random.Generator) -> np.ndarray:
    """Simulate a mean functional image: bright grey matter, darker white matter."""
    tissue = np.where(brain.cortex, 900.0, np.where(brain.brain, 620.0, 0.0))
    ventricle = brain.radius < 0.18
    tissue[ventricle] = 1200.0
    return tissue + np.where(brain.brain, generator.normal(0, 25, tissue.shape), 0)
