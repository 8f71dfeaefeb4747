"""Scores and components of variance as shares of what any model could explain."""

from __future__ import annotations

import numpy as np


def ceiling_share(variance: np.ndarray, ceiling: np.ndarray, minimum: float) -> np.ndarray:
    """Variance as a share of the noise ceiling, signed and not clipped.

    Parameters
    ----------
    variance : (…, voxel) R² or a component of it, of the test images
    ceiling : (voxel,) noise ceiling of the same images, R²
    minimum : ceilings that are not above it are too near 0 to divide by

    Returns
    -------
    (…, voxel) float64, NaN where the ceiling is not above `minimum`
    """
    bound = np.where(ceiling > minimum, ceiling, np.nan).astype(np.float64)
    return np.asarray(variance, np.float64) / bound


def mean_ceiling_share(variance: np.ndarray, ceiling: np.ndarray, minimum: float) -> np.ndarray:
    """Mean variance over the mean noise ceiling, of voxels whose ceiling is above a minimum.

    A mean of ratios would be decided by the voxels with the lowest ceilings; this one weighs each
    voxel's share by its ceiling.

    Parameters
    ----------
    variance : (…, voxel) R² or a component of it; NaN where a voxel has none, which is left out
    ceiling : (voxel,) noise ceiling of the same images, R²
    minimum : of the ceilings

    Returns
    -------
    (…,) float64, NaN without a voxel
    """
    variance = np.asarray(variance, np.float64)
    usable = np.isfinite(variance).all(axis=tuple(range(variance.ndim - 1))) & (ceiling > minimum)
    if not usable.any():
        return np.full(variance.shape[:-1], np.nan)
    return variance[..., usable].mean(axis=-1) / ceiling[usable].mean(dtype=np.float64)
