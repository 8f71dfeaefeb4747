"""Sampling volumes at points by NSD's interpolation: arrays in, arrays out.

`nsd_mapdata` (Allen et al. 2022; cvnlab/nsdcode, MATLAB) gives points as 1-based matrix
coordinates: (1, 1, 1) is the centre of the first voxel. A point is inside if 1 ≤ c ≤ n on every
axis; all other points are NaN, such as those marked by 9999, or by 9999 after an affine transform.

Each interpolation is a sparse matrix (point × voxel), so that many maps are sampled at once. A
point is NaN if any voxel with a weight is NaN. Maps of the cortex, which have values only in a thin
sheet of voxels, would be NaN almost everywhere: `KnownVoxels` extends it by its nearest voxels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import scipy.sparse

POINTS_PER_BLOCK = 100_000
HALF = 0.5
NO_LABEL = -1
Weights = Callable[[np.ndarray], np.ndarray]


def _catmull_rom(d: np.ndarray) -> np.ndarray:
    """Cubic convolution with a = -1/2 (Keys 1981) over the voxels at -1, 0, 1 and 2."""
    return 0.5 * np.array(
        [
            -d + 2 * d**2 - d**3,
            2 - 5 * d**2 + 3 * d**3,
            d + 4 * d**2 - 3 * d**3,
            -(d**2) + d**3,
        ]
    )


def _linear(d: np.ndarray) -> np.ndarray:
    return np.array([1 - d, d])


# {interpolation: (offset of the first voxel from the one below the point, its weights)}
KERNELS: dict[str, tuple[int, Weights]] = {"cubic": (-1, _catmull_rom), "linear": (0, _linear)}


def sample(volumes: np.ndarray, points: np.ndarray, interpolation: str = "cubic") -> np.ndarray:
    """Sample volumes at points.

    Parameters
    ----------
    volumes : (X, Y, Z) or (X, Y, Z, map); NaN where there are no data
    points : (point, 3) 1-based matrix coordinates
    interpolation : "cubic" (Catmull-Rom, edges replicated), "linear" or "nearest" (halves away from
        zero)

    Returns
    -------
    (point,) or (point, map) float64; NaN outside the volume

    Raises
    ------
    ValueError
        The interpolation is unknown.
    """
    if interpolation not in (*KERNELS, "nearest"):
        raise ValueError(f"'{interpolation}' is not an interpolation")
    shape = volumes.shape[:3]
    flat = np.asarray(volumes, dtype=np.float64).reshape(int(np.prod(shape)), -1)
    result = np.full((len(points), flat.shape[1]), np.nan)
    for rows, weights in _blocks(shape, points, interpolation):
        result[rows] = weights @ flat
    return result.reshape(len(points), *volumes.shape[3:])


def winner_take_all(labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Find the label with the largest weight around each point.

    Every label becomes a volume of 0 and 1 that is sampled linearly; the label with the largest
    value wins, on ties the smallest label. -1 is a label too.

    Parameters
    ----------
    labels : (X, Y, Z) integers
    points : (point, 3) 1-based matrix coordinates

    Returns
    -------
    (point,) float64; NaN outside the volume
    """
    names = np.unique(labels)
    result = np.full(len(points), np.nan)
    for rows, weights in _blocks(labels.shape, points, "linear"):
        best, largest = np.zeros(len(rows)), np.zeros(len(rows))
        for name in names:
            sampled = weights @ (labels == name).ravel().astype(np.float64)
            wins = sampled > largest
            best[wins], largest[wins] = name, sampled[wins]
        result[rows] = best
    return result


@dataclass(frozen=True)
class KnownVoxels:
    """Sampling of maps that have values in some voxels of a volume only (known voxels).

    A point gets a value if known voxels have at least half of its linear weight, as in
    winner-take-all. The map is sampled by Catmull-Rom, where unknown voxels take the value of the
    nearest known one. If all 64 voxels around a point are known, the result is that of `sample`.

    Attributes
    ----------
    shape : (X, Y, Z)
    voxel : (voxel,) C-order indices of the voxels of maps
    layers : one or more (point, 3), the same points at several depths, which are averaged
    """

    shape: tuple[int, ...]
    voxel: np.ndarray
    layers: Sequence[np.ndarray]

    def values(self, values: np.ndarray) -> np.ndarray:
        """Sample maps (voxel, map), NaN where unknown, at the points: (point, map) float32."""
        result = np.full((len(self.layers[0]), values.shape[1]), np.nan, np.float32)
        for known, columns in _patterns(np.isfinite(values)):
            reached = np.flatnonzero(self.shares(known[:, None])[:, 0] >= HALF)
            rows = self._nearest(known)
            part = np.nan_to_num(values[:, columns]).astype(np.float64)
            for start in range(0, len(reached), POINTS_PER_BLOCK):
                points = reached[start : start + POINTS_PER_BLOCK]
                total = np.zeros((len(points), len(columns)))
                for layer in self.layers:
                    weights = _weights(self.shape, layer[points].astype(np.float64), "cubic")
                    content = weights.data, rows[weights.indices], weights.indptr
                    shape = len(points), len(values)
                    total += scipy.sparse.csr_matrix(content, shape=shape) @ part
                result[points[:, None], columns] = total / len(self.layers)
        return result

    def shares(self, members: np.ndarray) -> np.ndarray:
        """Sum the linear weights of the voxels in a set, mean over depths; 0 outside the volume.

        Parameters
        ----------
        members : (voxel, set) bool

        Returns
        -------
        (point, set) float32
        """
        total = np.zeros((len(self.layers[0]), members.shape[1]), np.float32)
        everywhere = np.ones(len(total), dtype=bool)
        selected = members.astype(np.float32)
        for layer in self.layers:
            inside = np.zeros(len(total), dtype=bool)
            for rows, weights in _blocks(self.shape, layer, "linear"):
                total[rows] += (weights[:, self.voxel] @ selected) / len(self.layers)
                inside[rows] = True
            everywhere &= inside
        total[~everywhere] = 0
        return total

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Sample labels (voxel,), NaN where there is none, by winner-take-all at the middle depth.

        Returns
        -------
        (point,) float32; NaN where no label wins
        """
        volume = np.full(int(np.prod(self.shape)), NO_LABEL, dtype=np.int64)
        volume[self.voxel] = np.where(np.isfinite(labels), labels, NO_LABEL)
        middle = self.layers[len(self.layers) // 2]
        found = winner_take_all(volume.reshape(self.shape), middle)
        return np.where(found == NO_LABEL, np.nan, found).astype(np.float32)

    def _nearest(self, known: np.ndarray) -> np.ndarray:
        """Find the nearest known voxel of every voxel: (all voxels,) position in `voxel`."""
        number = np.full(int(np.prod(self.shape)), -1, dtype=np.int64)
        number[self.voxel[known]] = np.flatnonzero(known)
        indices = scipy.ndimage.distance_transform_edt(
            (number < 0).reshape(self.shape), return_distances=False, return_indices=True
        )
        return number.reshape(self.shape)[tuple(indices)].ravel()


def _patterns(known: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Group the columns (voxel, map) that have the same known voxels."""
    columns: dict[bytes, list[int]] = {}
    for column, pattern in enumerate(known.T):
        columns.setdefault(np.packbits(pattern).tobytes(), []).append(column)
    for alike in columns.values():
        if (pattern := known[:, alike[0]]).any():
            yield pattern, np.array(alike)


def _blocks(
    shape: tuple[int, ...], points: np.ndarray, interpolation: str
) -> Iterator[tuple[np.ndarray, scipy.sparse.csr_matrix]]:
    """Yield the rows of points inside the volume and their weights, in blocks of points."""
    for start in range(0, len(points), POINTS_PER_BLOCK):
        block = np.asarray(points[start : start + POINTS_PER_BLOCK], dtype=np.float64)
        inside = np.flatnonzero(((block >= 1) & (block <= shape)).all(axis=1))
        yield start + inside, _weights(shape, block[inside], interpolation)


def _weights(
    shape: tuple[int, ...], points: np.ndarray, interpolation: str
) -> scipy.sparse.csr_matrix:
    """Compute the weights (point, voxel) of points inside a volume."""
    if interpolation == "nearest":
        neighbours, parts = (
            np.floor(points + 0.5).astype(np.int64)[None],
            np.ones((1, *points.shape)),
        )
    else:
        first, kernel = KERNELS[interpolation]
        below = np.floor(points).astype(np.int64)
        parts = kernel(points - below)
        neighbours = below + first + np.arange(len(parts))[:, None, None]
    # 0-based, edges replicated
    neighbours = np.clip(neighbours - 1, 0, np.array(shape) - 1)
    voxel, weight = [], []
    for i, j, k in itertools.product(range(len(parts)), repeat=3):
        corner = neighbours[i, :, 0], neighbours[j, :, 1], neighbours[k, :, 2]
        voxel.append(np.ravel_multi_index(corner, shape))
        weight.append(parts[i, :, 0] * parts[j, :, 1] * parts[k, :, 2])
    starts = np.arange(len(points) + 1) * len(voxel)
    content = np.stack(weight, axis=1).ravel(), np.stack(voxel, axis=1).ravel(), starts
    return scipy.sparse.csr_matrix(content, shape=(len(points), int(np.prod(shape))))
