"""Banded ridge regression for every voxel of a cortex, exact, by matrix products.

For a voxel y, bands X_b, band weights γ on the simplex and a penalty α,

    w* = argmin_w ‖y - Σ_b X_b w_b‖² + α Σ_b ‖w_b‖² / γ_b

with an intercept that is not penalised; γ_b = 0 leaves the band out. γ of a list of candidates and
α of a grid minimise the mean squared error over held-out images, averaged over folds (each centred
by its own training images); the model is refitted on all images. This is the random search of
himalaya (Dupré la Tour et al. 2022, NeuroImage), its criterion and its picks, by another way:

1. principal components U of each band, UᵀU once, held-out folds subtracted (`design.py`); Uᵀy
   once for a block of voxels (`block.py`)
2. one eigendecomposition per candidate and fold, validation images compressed (`decomposition.py`);
   or one per candidate, from which folds are deleted (`fold_deletion.py`)
3. predictions of which the sum of squares alone is kept (`validation_loss.py`), for all candidates
   and penalties (`search.py`), which cost as many products as curves of shrinkage are independent,
   half of twenty, a sixth of a hundred; or for those that generalised cross-validation leaves in
   contention (`windowed.py`)
4. one refit of what was picked (`refit.py`)

The same call on the same machine gives the same bytes. Voxels in other parts, another memory budget
or other workers change the shapes of matrix products, and with them rounding: see
docs/robustness.md for how far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from encoding.ridge.backend import Arrays, matmul_precision
from encoding.ridge.block import PART
from encoding.ridge.block_search import BlockSearch
from encoding.ridge.grid import SearchGrid
from encoding.ridge.memory import Plan
from encoding.ridge.problem import DEFAULTS, Options, Problem, Responses
from encoding.ridge.refit import Refit
from encoding.ridge.responses import ResponseBlocks, VoxelBlock, measured_alike
from encoding.ridge.search import Found


@dataclass(frozen=True)
class BandedRidgeFit:
    """A fitted encoding model. Voxels that could not be fitted are NaN throughout.

    Attributes
    ----------
    alpha : (voxel,) the penalty picked by cross-validation
    band_weights : (band, voxel), those of the candidate picked
    cv_score : (voxel,) 1 - (mean squared error over the validation folds) / (variance of the
        training responses)
    coefficients : (feature, voxel), bands one after another
    intercept : (voxel,)
    candidate_scores : (candidate, voxel) minus the mean squared error of each candidate at its best
        penalty, for the candidates of this model in their order; NaN: ruled out by closed form
    exact : (voxel,) whether every candidate and penalty was scored by k-fold cross-validation
    search : "exact" or "windowed"
    precision : of the products with voxels, "float32", …, or what rounds their operands
    """

    alpha: np.ndarray
    band_weights: np.ndarray
    cv_score: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray
    candidate_scores: np.ndarray
    exact: np.ndarray
    search: str
    precision: str

    @classmethod
    def unfitted(
        cls, n_bands: int, n_features: int, n_candidates: int, n_voxels: int, options: Options
    ) -> BandedRidgeFit:
        """NaN for every voxel."""

        def nothing(*shape: int) -> np.ndarray:
            return np.full((*shape, n_voxels), np.nan, options.dtype)

        return cls(
            alpha=nothing(),
            band_weights=nothing(n_bands),
            cv_score=nothing(),
            coefficients=nothing(n_features),
            intercept=nothing(),
            candidate_scores=nothing(n_candidates),
            exact=np.zeros(n_voxels, bool),
            search=options.search,
            precision=options.precision,
        )

    def fill(self, voxels: np.ndarray, fit: BandedRidgeFit) -> None:
        """Write the fit of some voxels into the arrays of all voxels."""
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, np.ndarray):
                values[..., voxels] = getattr(fit, field.name)

    def predict(self, bands: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predict (image, voxel) from bands (image, feature) in the order of the fit."""
        return np.hstack(list(bands.values())) @ self.coefficients + self.intercept

    def predict_by_band(self, bands: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{band: its part of the prediction (image, voxel)}; with the intercept they sum to it."""
        ends = np.cumsum([band.shape[1] for band in bands.values()])
        parts = np.split(self.coefficients, ends[:-1])
        return {name: band @ part for (name, band), part in zip(bands.items(), parts, strict=True)}


# some voxels (their columns in the responses), and {model: its fit of them}
Solver = Callable[[Problem], Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]]


def fit_banded_ridge(
    bands: Mapping[str, np.ndarray],
    responses: Responses,
    folds: np.ndarray,
    alphas: np.ndarray,
    band_weights: np.ndarray,
    options: Options = DEFAULTS,
    solver: Solver | None = None,
) -> BandedRidgeFit:
    """Fit every voxel with its own penalty and band weights; see the module for the mathematics.

    Parameters
    ----------
    bands : {feature space: (image, feature)}, scaled (see `FeatureScaling`); at least one
    responses : (image, voxel), an array or anything that is sliced like one; voxels without
        variance are left out, their fit is NaN
    folds : (image,) integers, the fold in which an image validates; negative: in none
    alphas : (alpha,) candidate penalties, above 0
    band_weights : (candidate, band), see `draw_band_weights`
    solver : what searches; `himalaya_solver.stream_fits` solves the same problem

    Raises
    ------
    ValueError
        Shapes disagree, the features are not finite, or a parameter is out of its range.
    """
    problem = Problem.of_one_model(bands, responses, folds, alphas, band_weights, options)
    return fit_models(problem, solver)["model"]


def fit_models(problem: Problem, solver: Solver | None = None) -> dict[str, BandedRidgeFit]:
    """`stream_fits`, collected for all voxels: weights of every model and voxel are held."""
    pool = problem.pool
    widths = [band.shape[1] for band in problem.bands.values()]
    fits = {
        name: BandedRidgeFit.unfitted(
            len(columns),
            sum(widths[band] for band in columns),
            len(pool.choices[name]),
            problem.responses.shape[1],
            problem.options,
        )
        for name, columns in pool.columns.items()
    }
    for voxels, found in (solver or stream_fits)(problem):
        for name, fit in found.items():
            fits[name].fill(voxels, fit)
    return fits


def stream_fits(problem: Problem) -> Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]:
    """Fit all models from one cache, a block of voxels at a time.

    Every candidate is searched once. A model picks from its own candidates and, if the problem lets
    it `inherit`, from those of every model whose bands it contains, so its cross-validated score is
    nowhere below theirs. Ridge with a single penalty on the concatenated bands is the one candidate
    1, 1, … (see `equal_weights`) of models that do not inherit: another would leave a band out.

    Yields
    ------
    voxels : (voxel,) their columns in `responses`; each is yielded once, those that cannot be
        fitted never
    fits : {model: fit of these voxels}; `candidate_scores` lists inherited candidates after own
    """
    options = problem.options
    arrays = Arrays(options.backend, options.workers)
    for blocks in measured_alike(problem, arrays):
        with matmul_precision(arrays, options.matmul_precision):
            yield from _fit_in_memory(problem, blocks, arrays)


def _fit_in_memory(
    problem: Problem, blocks: ResponseBlocks, arrays: Arrays
) -> Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]:
    """Fit blocks of voxels; if a device runs out of memory, the others in smaller blocks.

    Raises
    ------
    ValueError
        The smallest block does not fit.
    """
    options = problem.options
    grid = SearchGrid.of(problem, blocks.design)
    plan = Plan.of(grid, len(problem.models), options.memory_bytes, options.search)
    while True:
        fitted = []
        try:
            for voxels, fits in _fit_blocks(problem, blocks, grid, plan):
                fitted.append(voxels)
                yield voxels, fits
            return
        except arrays.out_of_memory:
            if plan.block_voxels <= PART:
                raise ValueError(
                    f"memory: the device has no room for {PART} voxels of a fit of"
                    f" {grid.design.n_images} images and {grid.design.n_features} features"
                ) from None
            plan = replace(plan, block_voxels=plan.block_voxels // 2, task_voxels=PART)
        blocks = blocks.without(fitted)


def _fit_blocks(
    problem: Problem, blocks: ResponseBlocks, grid: SearchGrid, plan: Plan
) -> Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]:
    options, choices = problem.options, problem.pool.choices
    refit = Refit(grid, plan.refit_decompositions)
    search = BlockSearch(blocks, grid, list(choices.values()), plan, options.search, refit.keep)
    for block, found in search.blocks_and_found():
        chosen = {name: own[found.score[own].argmax(axis=0)] for name, own in choices.items()}
        coefficients = refit.coefficients(block, chosen, found.pick)
        fits = {
            name: _fit(problem, name, grid, block, found, chosen[name], weights)
            for name, weights in coefficients.items()
        }
        yield block.voxels, fits


def _fit(
    problem: Problem,
    name: str,
    grid: SearchGrid,
    block: VoxelBlock,
    found: Found,
    chosen: np.ndarray,
    weights: np.ndarray,
) -> BandedRidgeFit:
    """One model's fit of a block, from its candidates `chosen` (voxel,).

    Parameters
    ----------
    weights : (feature, voxel) of all features
    """
    design, pool, options = grid.design, problem.pool, problem.options
    scores, picks, voxel = found.score, found.pick, np.arange(len(chosen))
    bands = pool.columns[name]
    columns = np.concatenate(
        [np.arange(design.n_features)[design.feature_slices[b]] for b in bands]
    )
    dtype, own = options.dtype, scores[pool.choices[name]]
    return BandedRidgeFit(
        alpha=grid.alphas[picks[chosen, voxel]].astype(dtype),
        band_weights=pool.weights[chosen][:, bands].T.astype(dtype),
        cv_score=(1 + scores[chosen, voxel] / block.variance).astype(dtype),
        coefficients=weights[columns].astype(dtype),
        intercept=(block.mean - design.offset @ weights).astype(dtype),
        candidate_scores=np.where(np.isfinite(own), own, np.nan).astype(dtype),
        exact=found.exact,
        search=options.search,
        precision=options.precision,
    )
