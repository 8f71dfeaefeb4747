"""How well predictions meet measured responses, voxel by voxel. Signed, never clipped."""

from __future__ import annotations

import numpy as np


def r2_score(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Coefficient of determination, R² = 1 - Σ(y - ŷ)² / Σ(y - mean(y))².

    Parameters
    ----------
    measured, predicted : (image, voxel)

    Returns
    -------
    (voxel,) float64; NaN where the measured responses do not vary. Images that are NaN for a voxel
    are left out of its score.
    """
    y, prediction = _paired(measured, predicted)
    residual = np.nansum((y - prediction) ** 2, axis=0)
    total = np.nansum((y - _nanmean(y)) ** 2, axis=0)
    return _divide(total - residual, total)


def correlation_score(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson correlation of measured and predicted responses.

    Parameters
    ----------
    measured, predicted : (image, voxel)

    Returns
    -------
    (voxel,) float64 in [-1, 1]; NaN where either does not vary. Images that are NaN for a voxel are
    left out of its score.
    """
    y, prediction = _paired(measured, predicted)
    y, prediction = y - _nanmean(y), prediction - _nanmean(prediction)
    scale = np.sqrt(np.nansum(y**2, axis=0) * np.nansum(prediction**2, axis=0))
    return _divide(np.nansum(y * prediction, axis=0), scale)


def _paired(measured: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if measured.shape != predicted.shape:
        raise ValueError(f"measured {measured.shape} and predicted {predicted.shape} differ")
    y = np.asarray(measured, np.float64)
    prediction = np.asarray(predicted, np.float64)
    return y, np.where(np.isnan(y), np.nan, prediction)


def _nanmean(values: np.ndarray) -> np.ndarray:
    return _divide(np.nansum(values, axis=0), np.count_nonzero(~np.isnan(values), axis=0))


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    result = np.full(np.shape(numerator), np.nan)
    # rounding error of a constant column is not variance
    return np.divide(numerator, denominator, out=result, where=denominator > 1e-12)
