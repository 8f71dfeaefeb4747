"""Stacked regression: single-space models weighed by how well they predict held-out images.

For predictions ŷ_k of the spaces, each with its own penalty, weights s on the simplex minimise
‖y - Σ_k s_k ŷ_k‖² over the validation folds, voxel by voxel (Breiman 1996, Machine Learning; Lin
et al. 2024, stacked encoding models). It costs one fit per space.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import cast

import numpy as np

from encoding.ridge.backend import Array, Arrays
from encoding.ridge.block import CentredResponses
from encoding.ridge.candidates import equal_weights
from encoding.ridge.decomposition import AllImagesDecomposition
from encoding.ridge.grid import CandidateDecompositions, SearchGrid, decompose_candidates
from encoding.ridge.memory import Plan
from encoding.ridge.problem import DEFAULTS, Options, Problem, Responses
from encoding.ridge.refit import Refit
from encoding.ridge.responses import ResponseBlocks, VoxelBlock, measured_alike
from encoding.ridge.search import search_exactly

# its name among the models of some spaces
STACK = "stacked"


@dataclass(frozen=True)
class StackedFit:
    """A stacked model. Voxels that could not be fitted are NaN throughout.

    Attributes
    ----------
    alpha : (space, voxel) the penalty of each space's own model
    weights : (space, voxel), on the simplex
    cv_score : (voxel,) of the stack, as in `BandedRidgeFit`; the weights were chosen on it
    coefficients : (feature, voxel) of the stack, spaces one after another
    intercept : (voxel,)
    """

    alpha: np.ndarray
    weights: np.ndarray
    cv_score: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray

    def predict(self, bands: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predict (image, voxel) from bands (image, feature) in the order of the fit."""
        return np.hstack(list(bands.values())) @ self.coefficients + self.intercept


def fit_stacking(
    bands: Mapping[str, np.ndarray],
    responses: Responses,
    folds: np.ndarray,
    alphas: np.ndarray,
    options: Options = DEFAULTS,
) -> StackedFit:
    """Fit every space alone by exact search, and weigh the spaces by their held-out errors.

    Parameters and errors are those of `solver.fit_banded_ridge`.
    """
    widths, n_voxels = [np.shape(band)[1] for band in bands.values()], responses.shape[1]
    shapes = [(len(bands),), (len(bands),), (), (sum(widths),), ()]
    stack = StackedFit(*(np.full((*shape, n_voxels), np.nan, options.dtype) for shape in shapes))
    for voxels, found in stream_stacks(bands, responses, folds, alphas, options):
        for field in fields(stack):
            getattr(stack, field.name)[..., voxels] = getattr(found, field.name)
    return stack


def stream_stacks(
    bands: Mapping[str, np.ndarray],
    responses: Responses,
    folds: np.ndarray,
    alphas: np.ndarray,
    options: Options = DEFAULTS,
) -> Iterator[tuple[np.ndarray, StackedFit]]:
    """`fit_stacking`, a block of voxels at a time.

    Yields
    ------
    voxels : (voxel,) their columns in `responses`; each is yielded once, those that cannot be
        fitted never
    fit : of these voxels
    """
    models, candidates = (
        {name: [name] for name in bands},
        {name: equal_weights(1) for name in bands},
    )
    problem = Problem(bands, responses, folds, alphas, models, candidates, options)
    arrays = Arrays(options.backend, options.workers)
    for blocks in measured_alike(problem, arrays):
        for block, found in _fit_blocks(problem, blocks):
            yield block.voxels, found


def _fit_blocks(
    problem: Problem, blocks: ResponseBlocks
) -> Iterator[tuple[VoxelBlock, StackedFit]]:
    design, n_spaces, alphas = blocks.design, len(problem.bands), np.sort(problem.alphas)
    # errors of every two spaces meet in the rows that their folds' own decompositions leave
    grid = SearchGrid(design, np.eye(n_spaces), alphas, cholesky=False, deletion=False)
    plan = Plan.of(grid, n_spaces, problem.options.memory_bytes, "exact")
    decompositions = decompose_candidates(grid, of_all=False)
    refit = Refit(grid, n_spaces)
    for block in blocks.read(plan.block_voxels):
        found = search_exactly(block.centred, decompositions, alphas).pick
        products = error_products(block.centred, decompositions, found)
        weights = simplex_weights(products)
        chosen = {str(k): np.full(len(block.voxels), k) for k in range(n_spaces)}
        single = refit.coefficients(block, chosen, found)
        coefficients = sum(weights[k] * single[str(k)] for k in range(n_spaces))
        loss = np.einsum("kv,vkl,lv->v", weights, products, weights)
        intercept = block.mean - design.offset @ coefficients
        score = 1 - loss / block.variance
        yield block, StackedFit(alphas[found], weights, score, coefficients, intercept)


def error_products(
    centred: CentredResponses, candidates: list[CandidateDecompositions], picks: np.ndarray
) -> np.ndarray:
    """Mean products of held-out errors of every two candidates at their picked penalties.

    Parameters
    ----------
    picks : (candidate, voxel) index of the penalty

    Returns
    -------
    (voxel, candidate, candidate) float64, averaged over validation images, then folds
    """
    design, xp = centred.design, centred.design.arrays.xp
    n_voxels, n_candidates = centred.n_voxels, len(candidates)
    products = np.zeros((n_voxels, n_candidates, n_candidates))
    for index, fold in enumerate(design.folds):
        errors = [
            # the grid neither deletes folds nor solves them by Cholesky
            _errors(
                centred, index, cast(Sequence[AllImagesDecomposition], candidate.folds[index]), pick
            )
            for candidate, pick in zip(candidates, picks, strict=True)
        ]
        target = centred.held_out(fold, candidates[0].folds[index][0])
        outside = design.arrays.to_numpy(target.outside)
        for i, j in itertools.product(range(n_candidates), repeat=2):
            product = design.arrays.to_numpy(xp.einsum("ij,ij->i", errors[i], errors[j]))
            products[:, i, j] += (product + outside) / fold.n_validation
    return products / len(design.folds)


def _errors(
    centred: CentredResponses,
    index: int,
    decompositions: Sequence[AllImagesDecomposition],
    picks: np.ndarray,
) -> Array:
    """Errors (voxel, held row) of one fold, each voxel at its picked penalty."""
    design, arrays = centred.design, centred.design.arrays
    fold = design.folds[index]
    alphas = np.concatenate([decomposition.alphas for decomposition in decompositions])
    alphas = alphas[
        np.argsort(
            np.concatenate([decomposition.alpha_indices for decomposition in decompositions])
        )
    ]
    errors = centred.held_out(fold, decompositions[0]).rows + 0
    for decomposition in decompositions:
        shrinkage = arrays.asarray(decomposition.shrinkage(alphas[picks]), decomposition.dtype)
        predicted = (centred.rotated(fold, decomposition) * shrinkage) @ decomposition.operators
        served = arrays.asarray(
            np.isin(picks, decomposition.alpha_indices).astype(decomposition.dtype)
        )
        errors -= arrays.asarray(served[:, None] * predicted, design.dtype)
    return errors


def simplex_weights(error_products: np.ndarray) -> np.ndarray:
    """Weights s ≥ 0 with Σ s = 1 that minimise sᵀ P s for every voxel.

    The minimum lies inside one face of the simplex, where s ∝ P⁻¹1 over the spaces of the face:
    all faces are tried. For two spaces this is the textbook's clipped ratio.

    Parameters
    ----------
    error_products : (voxel, space, space) P, products of the held-out errors of the spaces

    Returns
    -------
    (space, voxel) float64
    """
    products = np.asarray(error_products, dtype=np.float64)
    n_voxels, n_spaces = products.shape[:2]
    best, least = np.zeros((n_voxels, n_spaces)), np.full(n_voxels, np.inf)
    sizes = range(1, n_spaces + 1)
    for face in itertools.chain(*(itertools.combinations(range(n_spaces), k) for k in sizes)):
        inside = products[:, face][:, :, face]
        weights = np.linalg.pinv(inside, hermitian=True).sum(axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            weights /= weights.sum(axis=1, keepdims=True)
        loss = np.einsum("vi,vij,vj->v", weights, inside, weights)
        better = (weights >= 0).all(axis=1) & (loss < least)
        least[better] = loss[better]
        best[better] = 0
        best[np.ix_(better, face)] = weights[better]
    return best.T
