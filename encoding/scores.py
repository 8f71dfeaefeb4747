"""Scores of predictions, voxel by voxel. Signed, never clipped."""

from __future__ import annotations

import numpy as np


def r2_score(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Coefficient of determination, R² = 1 - Σ(y - ŷ)² / Σ(y - mean(y))².

    Parameters
    ----------
    measured, predicted : (image, voxel)

    Returns
    -------
    (voxel,) float64; NaN where the measured responses do not vary or a prediction is NaN. Images
    whose response is NaN for a voxel are left out of its score.
    """
    y, prediction, scored = _paired(measured, predicted)
    residual = np.sum((y - prediction) ** 2, axis=0, where=scored)
    total = np.sum((y - _mean(y, scored)) ** 2, axis=0, where=scored)
    return _divide(total - residual, total, np.sum(y**2, axis=0, where=scored))


def correlation_score(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson correlation of measured and predicted responses.

    Parameters
    ----------
    measured, predicted : (image, voxel)

    Returns
    -------
    (voxel,) float64 in [-1, 1]; NaN where either does not vary or a prediction is NaN. Images whose
    response is NaN for a voxel are left out of its score.
    """
    y, prediction, scored = _paired(measured, predicted)
    size = _lengths(y, prediction, scored)
    y, prediction = y - _mean(y, scored), prediction - _mean(prediction, scored)
    product = np.sum(y * prediction, axis=0, where=scored)
    return _divide(product, _lengths(y, prediction, scored), size)


def loss_difference(measured: np.ndarray, without: np.ndarray, with_it: np.ndarray) -> np.ndarray:
    """Compute how much smaller the squared errors of one model are than those of another.

    (y - ŷ₀)² - (y - ŷ₁)² = (ŷ₁ - ŷ₀) (2 y - ŷ₀ - ŷ₁): where two models predict almost the same, as
    they do where a space adds nothing, the difference of squares would be rounding error.

    Parameters
    ----------
    measured : (image, voxel)
    without, with_it : (image, voxel) predictions ŷ₀ and ŷ₁

    Returns
    -------
    (image, voxel), of the precision of the arguments; above 0 where ŷ₁ is nearer
    """
    return (with_it - without) * (2 * measured - without - with_it)


def _paired(
    measured: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both in float64, and which images are scored: a NaN prediction is not skipped, it spreads."""
    if measured.shape != predicted.shape:
        raise ValueError(f"measured {measured.shape} and predicted {predicted.shape} differ")
    y = np.asarray(measured, np.float64)
    return y, np.asarray(predicted, np.float64), ~np.isnan(y)


def _mean(values: np.ndarray, scored: np.ndarray) -> np.ndarray:
    return _divide(np.sum(values, axis=0, where=scored), np.count_nonzero(scored, axis=0))


def _lengths(first: np.ndarray, second: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Product of the lengths of two vectors of images, (voxel,)."""
    lengths = (np.sqrt(np.sum(v**2, axis=0, where=scored)) for v in (first, second))
    return np.prod(list(lengths), axis=0)


def _divide(
    numerator: np.ndarray, denominator: np.ndarray, size: np.ndarray | float = 0.0
) -> np.ndarray:
    """Divide; NaN where the denominator is 0 or only rounding error relative to `size`."""
    result = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=result, where=denominator > 1e-12 * size)
