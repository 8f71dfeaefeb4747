"""The problem of `solver.py` solved by himalaya: the oracle, and an alternative."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from himalaya.backend import get_backend, set_backend
from himalaya.kernel_ridge import (
    solve_multiple_kernel_ridge_random_search,
)
from himalaya.ridge import solve_group_ridge_random_search
from sklearn.model_selection import PredefinedSplit

from encoding.ridge.backend import Arrays
from encoding.ridge.problem import Problem
from encoding.ridge.responses import patterns
from encoding.ridge.solver import BandedRidgeFit

# himalaya divides by √γ
SMALLEST_BAND_WEIGHT = 1e-6
WORKSPACE_BYTES = 300e6
BLOCK_VOXELS = 4096


def stream_fits(
    problem: Problem,
) -> Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]:
    """Fit as `solver.stream_fits` does, by himalaya's exact search; nothing is inherited.

    Weights of bands are kept at or above 1e-6. With more features than images the dual form is
    solved. Of the options, `backend` and `dtype` count; voxels that lack images are left out.
    """
    responses, options = problem.responses, problem.options
    alphas = problem.alphas.astype(options.dtype)
    features = {name: band.astype(options.dtype) for name, band in problem.bands.items()}
    for pattern in patterns(responses, "exclude", Arrays()):
        for start in range(0, len(pattern.voxels), BLOCK_VOXELS):
            voxels = pattern.voxels[start : start + BLOCK_VOXELS]
            values = np.asarray(responses[:, voxels[0] : voxels[-1] + 1])
            targets = values[:, voxels - voxels[0]].astype(options.dtype)
            with _himalaya_backend(options.backend):
                fits = {
                    name: _fit(
                        [features[space] for space in spaces],
                        targets,
                        problem.folds,
                        alphas,
                        np.asarray(problem.candidates[name]),
                    )
                    for name, spaces in problem.models.items()
                }
            yield voxels, fits


def _fit(
    features: list[np.ndarray],
    targets: np.ndarray,
    folds: np.ndarray,
    alphas: np.ndarray,
    band_weights: np.ndarray,
) -> BandedRidgeFit:
    weights = np.maximum(band_weights, SMALLEST_BAND_WEIGHT)
    weights /= weights.sum(axis=1, keepdims=True)
    alpha, gamma, scores, coefficients, intercept = _search(
        features, targets, PredefinedSplit(folds), alphas, weights
    )
    return BandedRidgeFit(
        alpha=alpha,
        band_weights=gamma,
        cv_score=1 + scores.max(axis=0) / targets.var(axis=0),
        coefficients=coefficients,
        intercept=intercept,
        candidate_scores=scores,
        exact=np.ones(len(alpha), bool),
        search="exact",
        precision=str(targets.dtype),
    )


def _search(
    features: list[np.ndarray],
    targets: np.ndarray,
    cv: PredefinedSplit,
    alphas: np.ndarray,
    band_weights: np.ndarray,
) -> tuple[np.ndarray, ...]:
    n_images = len(targets)
    n_features = sum(band.shape[1] for band in features)
    options = {
        "n_iter": band_weights.astype(targets.dtype),
        "alphas": alphas,
        "cv": cv,
        "fit_intercept": True,
        "progress_bar": False,
        **_batches(n_images, n_features, len(alphas), cv.get_n_splits()),
    }
    solve = _solve_dual if n_features > n_images else _solve_primal
    deltas, coefficients, scores, intercept = solve(features, targets, options)
    # himalaya's deltas are log(γ / α), and γ sums to 1
    total = np.exp(deltas).sum(axis=0)
    return 1 / total, np.exp(deltas) / total, scores, coefficients, intercept


def _solve_primal(
    features: list[np.ndarray], targets: np.ndarray, options: dict[str, Any]
) -> tuple[np.ndarray, ...]:
    found = solve_group_ridge_random_search(features, targets, return_weights=True, **options)
    return _to_numpy(*found)


def _solve_dual(
    features: list[np.ndarray], targets: np.ndarray, options: dict[str, Any]
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
    weights = [band.T @ dual * np.exp(delta) for band, delta in zip(features, deltas, strict=True)]
    return deltas, np.concatenate(weights), scores, intercept


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


@contextmanager
def _himalaya_backend(name: str) -> Iterator[None]:
    """Set the global backend of himalaya, and restore it afterwards."""
    before = get_backend()
    set_backend(name, on_error="raise")
    try:
        yield
    finally:
        set_backend(before.name)
