"""Weights of a model whose penalties and band weights are known: scores are kept, weights are not.

One feature has weights as many as there are voxels: a cortex of 100,000 voxels and a space of 1,024
features are 400 MB. They are refitted on request, a block of voxels at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from encoding.ridge.backend import Arrays, matmul_precision
from encoding.ridge.grid import SearchGrid
from encoding.ridge.memory import Plan
from encoding.ridge.problem import DEFAULTS, Options, Problem, Responses
from encoding.ridge.refit import Refit
from encoding.ridge.responses import measured_alike


def stream_weights(
    bands: Mapping[str, np.ndarray],
    responses: Responses,
    folds: np.ndarray,
    alpha: np.ndarray,
    band_weights: np.ndarray,
    options: Options = DEFAULTS,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Refit banded ridge with what a search picked for each voxel.

    Parameters
    ----------
    bands : {feature space: (image, feature)}, scaled as for the search
    responses : (image, voxel), an array or anything that is sliced like one
    folds : (image,) those of the search
    alpha : (voxel,) penalties; NaN for voxels that were not fitted
    band_weights : (band, voxel)

    Yields
    ------
    voxels : (voxel,) their columns in `responses`; each once, those that cannot be fitted never
    weights : (feature, voxel) of `options.dtype`, bands one after another

    Raises
    ------
    ValueError
        A voxel that can be fitted has no penalty, or shapes disagree.
    """
    alpha, band_weights = np.asarray(alpha, np.float64), np.asarray(band_weights, np.float64)
    shape = len(bands), responses.shape[1]
    if alpha.shape != shape[1:] or band_weights.shape != shape:
        raise ValueError(
            f"penalties {alpha.shape} and band weights {band_weights.shape} of {shape[0]} bands and"
            f" {shape[1]} voxels: expected {shape[1:]} and {shape}"
        )
    picked = np.isfinite(alpha)
    if not picked.any():
        return
    alphas = np.unique(alpha[picked])
    candidates, index = np.unique(band_weights[:, picked].T, axis=0, return_inverse=True)
    chosen = np.full(len(alpha), -1)
    chosen[picked] = index.ravel()
    problem = Problem.of_one_model(bands, responses, folds, alphas, candidates, options)
    arrays = Arrays(options.backend, options.workers)
    for blocks in measured_alike(problem, arrays):
        grid = SearchGrid(blocks.design, candidates, alphas)
        plan = Plan.of(grid, 1, options.memory_bytes, "refit")
        refit = Refit(grid, plan.refit_decompositions)
        with matmul_precision(arrays, options.matmul_precision):
            for block in blocks.read(plan.block_voxels):
                if not picked[block.voxels].all():
                    lacking = block.voxels[~picked[block.voxels]]
                    raise ValueError(f"{len(lacking)} voxels have no penalty (first: {lacking[0]})")
                indices = np.searchsorted(alphas, alpha[block.voxels])
                picks = np.broadcast_to(indices, (len(candidates), len(indices)))
                weights = refit.coefficients(block, {"model": chosen[block.voxels]}, picks)
                yield block.voxels, weights["model"]
