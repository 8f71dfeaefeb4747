"""Banded ridge regression for every voxel, by random search over band weights (himalaya)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from himalaya.backend import get_backend, set_backend
from himalaya.kernel_ridge import (
    primal_weights_weighted_kernel_ridge,
    solve_multiple_kernel_ridge_random_search,
)
from himalaya.ridge import solve_group_ridge_random_search
from sklearn.model_selection import PredefinedSplit

SMALLEST_BAND_WEIGHT = 1e-6
WORKSPACE_BYTES = 300e6


@dataclass(frozen=True)
class BandedRidgeFit:
    """A fitted encoding model. Voxels that could not be fitted are NaN throughout.

    Attributes
    ----------
    alpha : (voxel,) float32, the penalty picked by cross-validation
    band_weights : (band, voxel) float32, on the simplex
    cv_score : (voxel,) float32, 1 - (mean squared error over the validation folds) / (variance of
        the training responses)
    coefficients : (feature, voxel) float32, bands one after another
    intercept : (voxel,) float32
    """

    alpha: np.ndarray
    band_weights: np.ndarray
    cv_score: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray

    def predict(self, bands: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predict (image, voxel) float32 from bands (image, feature) in the order of the fit."""
        return np.hstack(list(bands.values())) @ self.coefficients + self.intercept


def draw_band_weights(n_bands: int, n_samples: int, seed: int) -> np.ndarray:
    """Candidates for the band weights: equal weights, then draws from Dirichlet distributions.

    Concentrations 1 and 0.1 alternate, as in himalaya (Dupré la Tour et al. 2022, NeuroImage): a
    flat prior over the simplex, and one that favours its corners. A draw can underflow to 0, by
    which himalaya divides; weights are therefore kept at or above 1e-6.

    Returns
    -------
    (sample, band) float64; rows sum to 1; a single row for a single band
    """
    if n_bands == 1:
        return np.ones((1, 1))
    generator = np.random.default_rng(seed)
    concentrations = [(1.0, 0.1)[row % 2] for row in range(n_samples - 1)]
    draws = [generator.dirichlet(np.full(n_bands, value)) for value in concentrations]
    weights = np.maximum(np.array([np.full(n_bands, 1 / n_bands), *draws]), SMALLEST_BAND_WEIGHT)
    return weights / weights.sum(axis=1, keepdims=True)


def fit_banded_ridge(
    bands: Mapping[str, np.ndarray],
    responses: np.ndarray,
    folds: np.ndarray,
    alphas: np.ndarray,
    band_weights: np.ndarray,
    backend: str = "numpy",
) -> BandedRidgeFit:
    """Fit every voxel with its own penalty and band weights, picked by cross-validation.

    For a voxel y, bands X_b, band weights γ on the simplex and penalty α,

        w* = argmin_w ‖y - Σ_b X_b w_b‖² + α Σ_b ‖w_b‖² / γ_b

    (γ, α) minimise the squared error of the held-out folds; the model is refitted on all images.
    With more features than images the same problem is solved in its dual form.

    Parameters
    ----------
    bands : {feature space: (image, feature)}, scaled (see `FeatureScaling`); at least one
    responses : (image, voxel); voxels with NaN or without variance are left out, their fit is NaN
    folds : (image,) integers, the fold in which an image validates
    alphas : (alpha,) candidate penalties
    band_weights : (candidate, band), see `draw_band_weights`
    backend : himalaya backend, e.g. "numpy" or "torch_cuda"

    Raises
    ------
    ValueError
        Shapes disagree, or the features are not finite.
    """
    features = [np.asarray(band, dtype=np.float32) for band in bands.values()]
    responses = np.asarray(responses, dtype=np.float32)
    _check(features, responses, folds, band_weights)
    usable = np.isfinite(responses).all(axis=0)
    usable[usable] = responses[:, usable].std(axis=0) > 0
    targets = responses[:, usable]
    with _himalaya_backend(backend):
        alpha, gamma, loss, coefficients, intercept = _search(
            features, targets, PredefinedSplit(folds), np.asarray(alphas), band_weights
        )
    score = 1 - loss / targets.var(axis=0)
    spread = (_spread(values, usable) for values in (alpha, gamma, score, coefficients, intercept))
    return BandedRidgeFit(*spread)


def _check(
    features: list[np.ndarray], responses: np.ndarray, folds: np.ndarray, band_weights: np.ndarray
) -> None:
    rows = {len(values) for values in (*features, responses, folds)}
    if len(rows) != 1:
        raise ValueError(f"bands, responses and folds have different numbers of images: {rows}")
    if band_weights.ndim != 2 or band_weights.shape[1] != len(features):
        raise ValueError(f"band weights {band_weights.shape} do not fit {len(features)} bands")
    if not all(np.isfinite(band).all() for band in features):
        raise ValueError("the features hold NaN or infinite values")


def _search(
    features: list[np.ndarray],
    targets: np.ndarray,
    cv: PredefinedSplit,
    alphas: np.ndarray,
    band_weights: np.ndarray,
) -> tuple[np.ndarray, ...]:
    n_images, n_voxels = targets.shape
    n_features = sum(band.shape[1] for band in features)
    if n_voxels == 0:
        empty = (0,), (len(features), 0), (0,), (n_features, 0), (0,)
        return tuple(np.empty(shape, np.float32) for shape in empty)
    options = {
        "n_iter": band_weights.astype(np.float32),
        "alphas": alphas.astype(np.float32),
        "cv": cv,
        "fit_intercept": True,
        "progress_bar": False,
        **_batches(n_images, n_features, len(alphas), cv.get_n_splits()),
    }
    solve = _solve_dual if n_features > n_images else _solve_primal
    deltas, coefficients, losses, intercept = solve(features, targets, options)
    # himalaya's deltas are log(γ / α), and γ sums to 1
    total = np.exp(deltas).sum(axis=0)
    return 1 / total, np.exp(deltas) / total, -losses.max(axis=0), coefficients, intercept


def _solve_primal(
    features: list[np.ndarray], targets: np.ndarray, options: dict
) -> tuple[np.ndarray, ...]:
    found = solve_group_ridge_random_search(features, targets, return_weights=True, **options)
    return _to_numpy(*found)


def _solve_dual(
    features: list[np.ndarray], targets: np.ndarray, options: dict
) -> tuple[np.ndarray, ...]:
    # a kernel squares the spread of the singular values: small penalties drown in float32
    features = [band.astype(np.float64) for band in features]
    kernels = get_backend().asarray(np.stack([band @ band.T for band in features]))
    targets = targets.astype(np.float64)
    deltas, dual, scores, intercept = solve_multiple_kernel_ridge_random_search(
        kernels, targets, return_weights="dual", **options
    )
    deltas, dual, scores, intercept = _to_numpy(deltas, dual, scores, intercept)
    # himalaya centres the kernels: its intercept belongs to features as given
    weights = primal_weights_weighted_kernel_ridge(dual, deltas, features)
    return deltas, np.concatenate(_to_numpy(*weights)), scores, intercept


def _batches(n_images: int, n_features: int, n_alphas: int, n_splits: int) -> dict[str, int]:
    """Batch sizes that keep himalaya's temporaries (about four copies) near the workspace."""
    inner = min(n_features, n_images)
    per_alpha = 16 * n_images * max(inner, n_images // n_splits)
    n_alphas_batch = int(np.clip(WORKSPACE_BYTES // per_alpha, 1, n_alphas))
    per_voxel = 16 * n_alphas_batch * max(inner, math.ceil(n_images / n_splits))
    return {
        "n_alphas_batch": n_alphas_batch,
        "n_targets_batch": max(1, int(WORKSPACE_BYTES // per_voxel)),
    }


def _to_numpy(*arrays: object) -> tuple[np.ndarray, ...]:
    backend = get_backend()
    return tuple(backend.to_numpy(array) for array in arrays)


def _spread(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    everywhere = np.full((*values.shape[:-1], len(usable)), np.nan, dtype=np.float32)
    everywhere[..., usable] = values
    return everywhere


@contextmanager
def _himalaya_backend(name: str) -> Iterator[None]:
    """himalaya's backend is global: leave it as it was found."""
    before = get_backend()
    set_backend(name, on_error="raise")
    try:
        yield
    finally:
        set_backend(before.name)
