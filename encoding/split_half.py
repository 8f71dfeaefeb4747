"""Would other test images have given the same map? Two halves of them are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from encoding.inference.bootstrap import bootstrap_r2
from encoding.variance_partitioning import partition_variance


def draw_halves(
    n_images: int, n_splits: int, seed: int, blocks: np.ndarray | None = None
) -> np.ndarray:
    """Random halves of the test images.

    Parameters
    ----------
    n_images : test images; of an odd number the second half has one more
    n_splits : times that they are halved
    blocks : (image,) labels of images that resemble one another, which stay in one half; halves
        are then of as many blocks, not of as many images

    Returns
    -------
    (split, 2, image) float32, 1 where an image is in a half

    Raises
    ------
    ValueError
        There are fewer than two images or blocks.
    """
    blocks = np.arange(n_images) if blocks is None else np.asarray(blocks)
    _, block = np.unique(blocks, return_inverse=True)
    n_blocks = int(block.max()) + 1
    if n_blocks < 2:
        raise ValueError(f"{n_blocks} image or block of images cannot be halved")
    random = np.random.default_rng(seed)
    even = np.arange(n_blocks) < n_blocks // 2
    first = np.array([random.permutation(even)[block] for _ in range(n_splits)])
    return np.stack([first, ~first], axis=1).astype(np.float32)


def unique_variance_of_halves(
    measured: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    spaces: Sequence[str],
    halves: np.ndarray,
) -> np.ndarray:
    """Compute the unique variance of each feature space in either half of the test images.

    Parameters
    ----------
    measured : (image, voxel); NaN where a voxel has no response to an image, which is left out
    predicted : {model: (image, voxel)} of every subset of `spaces`, the joint one last
    halves : (split, 2, image), see `draw_halves`

    Returns
    -------
    (split, 2, space, voxel) float64; NaN where a half's responses do not vary
    """
    r2 = bootstrap_r2(measured, predicted, halves.reshape(-1, halves.shape[-1]))
    components = partition_variance(r2, spaces)
    unique = np.stack([components[space] for space in spaces], axis=1)
    return unique.reshape(*halves.shape[:2], len(spaces), -1)


def split_half_correlation(halves: np.ndarray) -> float:
    """Correlation over voxels of the two halves' values, mean over splits.

    Parameters
    ----------
    halves : (split, 2, voxel); voxels without a value in a half are left out

    Returns
    -------
    in [-1, 1]; NaN with fewer than three voxels, or where values do not vary
    """
    values = np.asarray(halves, dtype=np.float64)
    values = values[..., np.isfinite(values).all(axis=(0, 1))]
    if values.shape[-1] < 3:
        return np.nan
    first, second = np.moveaxis(values - values.mean(axis=-1, keepdims=True), 1, 0)
    size = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    if not (size > 0).all():
        return np.nan
    return float(np.mean(np.sum(first * second, axis=-1) / size))


def spearman_brown(r: float) -> float:
    """Reliability of all images if halves correlate by r: 2 r / (1 + r).

    Brown (1910), Spearman (1910). Of halves whose errors are independent and as large as one
    another, it is the share of a map's variance over voxels that other images would give again.

    Returns
    -------
    at most 1; negative where r is, NaN where r is
    """
    return 2 * r / (1 + r) if r > -1 else np.nan
