"""Generalised cross-validation: what k-fold cross-validation would about give, without folds."""

from __future__ import annotations

import numpy as np

from encoding.ridge.backend import Array
from encoding.ridge.block import CentredResponses
from encoding.ridge.decomposition import AllImagesDecomposition


def gcv_curve(
    centred: CentredResponses,
    decompositions: list[AllImagesDecomposition],
    n_alphas: int,
    rotated: list[Array],
) -> np.ndarray:
    """Generalised cross-validation's mean squared error, (alpha, voxel) float64.

    GCV(α) = (RSS(α) / n) / (1 - df(α) / n)² with df(α) = Σ L / (L + α), and one more for the
    intercept; infinite where no degree of freedom is left (Golub, Heath and Wahba 1979,
    Technometrics). The residual is a sum of squares, RSS(α) = Σ (α / (L + α))² c² + ‖y‖² - Σ c²,
    which does not cancel where a model fits all images; the last two terms, what no model of these
    features fits, are 0 if there are as many components as images.

    Parameters
    ----------
    decompositions : of all images
    rotated : c of each of `decompositions`, (voxel, component)
    """
    design, total = centred.design, centred.energy
    n_free = design.n_images - design.fit_intercept
    curve = np.full((n_alphas, len(total)), np.inf)
    for decomposition, projected in zip(decompositions, rotated, strict=True):
        shrinkage = decomposition.shrinkage(decomposition.alphas)
        squares = design.arrays.to_numpy(projected**2).astype(np.float64)
        residual = (1 - shrinkage) ** 2 @ squares.T
        if squares.shape[1] < n_free:
            residual += np.maximum(total - squares.sum(axis=1), 0)
        # of degrees of freedom too what is left is summed
        left = (n_free - squares.shape[1] + (1 - shrinkage).sum(axis=1))[:, None] / design.n_images
        with np.errstate(divide="ignore", invalid="ignore"):
            values = residual / design.n_images / left**2
        curve[decomposition.alpha_indices] = np.where(left > 0, values, np.inf)
    return curve
