"""Generalised cross-validation: what k-fold cross-validation would about give, without folds."""

from __future__ import annotations

from typing import Any

import numpy as np

from encoding.arrays import tiled_matmul
from encoding.factors import Factor
from encoding.operands import TILE, Operands


def gcv_curve(
    operands: Operands, factors: list[Factor], n_alphas: int, rotated: list[Any]
) -> np.ndarray:
    """Generalised cross-validation's mean squared error, (alpha, voxel) float64.

    GCV(α) = (RSS(α) / n) / (1 - df(α) / n)² with df(α) = Σ L / (L + α), and one more for the
    intercept; infinite where no degree of freedom is left (Golub, Heath and Wahba 1979,
    Technometrics).

    Parameters
    ----------
    factors : of all images
    rotated : c of each of `factors`, (voxel, component)
    """
    design, arrays = operands.design, operands.design.arrays
    responses = operands.responses
    total = arrays.xp.einsum("ij,ij->i", responses, responses)
    curve = np.full((n_alphas, len(total)), np.inf)
    for factor, projected in zip(factors, rotated, strict=True):
        values, penalties = factor.values, factor.alphas[:, None]
        explained = (values + 2 * penalties) / (values + penalties) ** 2
        freedom = (values / (values + penalties)).sum(axis=1) + design.fit_intercept
        squares = projected**2
        weights = arrays.contiguous(arrays.asarray(explained.T, factor.dtype))
        fitted = arrays.to_numpy(tiled_matmul(arrays, squares, weights, TILE)).T
        residual = np.maximum(arrays.to_numpy(total) - fitted.astype(np.float64), 0)
        left = 1 - freedom[:, None] / design.n_images
        with np.errstate(divide="ignore", invalid="ignore"):
            values = residual / design.n_images / left**2
        curve[factor.alpha_indices] = np.where(left > 1e-6, values, np.inf)
    return curve
