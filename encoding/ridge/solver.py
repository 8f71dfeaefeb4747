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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal

import numpy as np

from encoding.ridge.backend import Arrays, matmul_precision
from encoding.ridge.candidates import CandidatePool
from encoding.ridge.decomposition import Factor
from encoding.ridge.design import Design
from encoding.ridge.memory import Plan
from encoding.ridge.refit import Refit
from encoding.ridge.responses import Block, ResponseBlocks, patterns
from encoding.ridge.search import (
    SEARCHES,
    CandidateFactors,
    Forms,
    Found,
    Search,
    best_penalty,
    closed_form_errors,
    decompose_all_images,
    factorise_candidates,
    search_exactly,
    without_images,
)
from encoding.ridge.windowed import (
    Window,
    contention_limits,
    is_small,
    must_be_exact,
    search_window,
    search_windowed,
)

MissingImages = Literal["available", "exclude"]
DEFAULT_MEMORY = 8e9


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
        shapes = [(), (n_bands,), (), (n_features,), (), (n_candidates,)]
        values = (np.full((*shape, n_voxels), np.nan, options.dtype) for shape in shapes)
        return cls(*values, np.zeros(n_voxels, bool), options.search, options.precision)

    def fill(self, voxels: np.ndarray, fit: BandedRidgeFit) -> None:
        """Put the fit of some voxels in their places."""
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


@dataclass(frozen=True)
class Options:
    """How to compute, not what.

    Attributes
    ----------
    search : `exact` scores every candidate and penalty by k-fold cross-validation; `windowed`
        those in which generalised cross-validation leaves a minimum to find, and all where the two
        disagree
    backend : "numpy", "torch" or "torch_cuda"
    dtype : of the products with voxels, "float32" or "float64"; what float32 cannot hold is
        computed in float64 all the same
    matmul_precision : "highest", or "high" (TF32) or "medium" (bfloat16) with torch
    memory_bytes : what a fit may hold beside the bands and responses that it is given
    missing : voxels that lack some images (NaN) are fitted on the images they have ("available")
        or left out ("exclude")
    cholesky : solve for each penalty instead of an eigendecomposition for all; None: on a GPU
    deletion : take folds out of one decomposition of all images instead of decomposing each (see
        `fold_deletion.py`); None: where it costs less
    workers : threads of the numpy backend; None: as many as BLAS uses
    fit_intercept : without, features and responses must have zero mean
    """

    search: Search = "windowed"
    backend: str = "numpy"
    dtype: Literal["float32", "float64"] = "float32"
    matmul_precision: str = "highest"
    memory_bytes: float = DEFAULT_MEMORY
    missing: MissingImages = "available"
    cholesky: bool | None = None
    deletion: bool | None = None
    workers: int | None = None
    fit_intercept: bool = True

    def __post_init__(self) -> None:
        for name, known in {
            "search": SEARCHES,
            "dtype": ("float32", "float64"),
            "missing": ("available", "exclude"),
        }.items():
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise ValueError(f"unknown {name} '{value}'; choose {', '.join(known)}")

    def forms(self, device: str) -> Forms:
        """Which decompositions there are on a device, "cpu" or "cuda"."""
        cholesky = device == "cuda" if self.cholesky is None else self.cholesky
        return Forms(cholesky, self.deletion)

    @property
    def precision(self) -> str:
        """Precision of products with voxels: `dtype`, or the format that torch may round to."""
        return {"high": "tf32", "medium": "bfloat16"}.get(self.matmul_precision, self.dtype)


DEFAULTS = Options()
# as `stream_fits` is
Solver = Callable[..., Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]]


def draw_band_weights(n_bands: int, n_samples: int, seed: int) -> np.ndarray:
    """Candidates for the band weights: equal weights, then draws from Dirichlet distributions.

    Concentrations 1 and 0.1 alternate, as in himalaya (Dupré la Tour et al. 2022, NeuroImage): a
    flat prior over the simplex, and one that favours its corners.

    Returns
    -------
    (sample, band) float64; rows sum to 1; a single row for a single band
    """
    if n_bands == 1:
        return np.ones((1, 1))
    generator = np.random.default_rng(seed)
    concentrations = [(1.0, 0.1)[row % 2] for row in range(n_samples - 1)]
    draws = [generator.dirichlet(np.full(n_bands, value)) for value in concentrations]
    weights = np.array([np.full(n_bands, 1 / n_bands), *draws])
    return weights / weights.sum(axis=1, keepdims=True)


def equal_weights(n_bands: int) -> np.ndarray:
    """The candidate whose penalty α Σ_b ‖w_b‖² is that of ridge on all bands side by side.

    Returns
    -------
    (1, band) float64, ones: α then means what it means to scikit-learn's `Ridge`
    """
    return np.ones((1, n_bands))


def fit_banded_ridge(
    bands: Mapping[str, np.ndarray],
    responses: Any,
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
    models, candidates = {"model": tuple(bands)}, {"model": band_weights}
    problem = bands, responses, folds, alphas, models, candidates, options
    return fit_models(*problem, solver)["model"]


def fit_models(
    bands: Mapping[str, np.ndarray],
    responses: Any,
    folds: np.ndarray,
    alphas: np.ndarray,
    models: Mapping[str, Sequence[str]],
    candidates: Mapping[str, np.ndarray],
    options: Options = DEFAULTS,
    solver: Solver | None = None,
    inherit: bool = True,
) -> dict[str, BandedRidgeFit]:
    """`stream_fits`, collected for all voxels: weights of every model and voxel are held."""
    pool = CandidatePool.of(list(bands), models, candidates, inherit)
    widths = [np.shape(band)[1] for band in bands.values()]
    fits = {
        name: BandedRidgeFit.unfitted(
            len(columns),
            sum(widths[band] for band in columns),
            len(pool.choices[name]),
            responses.shape[1],
            options,
        )
        for name, columns in pool.columns.items()
    }
    problem = bands, responses, folds, alphas, models, candidates, options
    for voxels, found in (solver or partial(stream_fits, inherit=inherit))(*problem):
        for name, fit in found.items():
            fits[name].fill(voxels, fit)
    return fits


def stream_fits(
    bands: Mapping[str, np.ndarray],
    responses: Any,
    folds: np.ndarray,
    alphas: np.ndarray,
    models: Mapping[str, Sequence[str]],
    candidates: Mapping[str, np.ndarray],
    options: Options = DEFAULTS,
    inherit: bool = True,
) -> Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]:
    """Fit models of subsets of the bands from one cache, a block of voxels at a time.

    Every candidate is searched once. A model picks from its own candidates and, if they `inherit`,
    from those of every model whose bands it contains, so its cross-validated score is nowhere below
    theirs. Ridge with a single penalty on the concatenated bands is the one candidate 1, 1, … (see
    `equal_weights`) of models that do not inherit: another would leave a band out.

    Parameters
    ----------
    models : {model: its bands}
    candidates : {model: (candidate, band of the model)}
    inherit : whether candidates of smaller models are those of larger ones too

    See `fit_banded_ridge` for the others.

    Yields
    ------
    voxels : (voxel,) their columns in `responses`; each is yielded once, those that cannot be
        fitted never
    fits : {model: fit of these voxels}; `candidate_scores` lists inherited candidates after own
    """
    pool = CandidatePool.of(list(bands), models, candidates, inherit)
    arrays = Arrays(options.backend, options.workers)
    for blocks in measured_alike(bands, responses, folds, alphas, options, arrays):
        with matmul_precision(arrays, options.matmul_precision):
            yield from _fit_blocks(blocks, pool, np.asarray(alphas, np.float64), options)


def measured_alike(
    bands: Mapping[str, np.ndarray],
    responses: Any,
    folds: np.ndarray,
    alphas: np.ndarray,
    options: Options,
    arrays: Arrays,
) -> Iterator[ResponseBlocks]:
    """Voxels that can be fitted, those that have the same images together, with their design."""
    features, folds = [np.asarray(band) for band in bands.values()], np.asarray(folds)
    check_problem(features, responses, folds, np.asarray(alphas))
    for pattern in patterns(responses, options.missing, arrays):
        present = folds[pattern.images]
        if _can_validate(present):
            inputs = [band[pattern.images] for band in features]
            design = Design(inputs, present, arrays, options.dtype, options.fit_intercept)
            yield ResponseBlocks(design, responses, pattern)


def _fit_blocks(
    blocks: ResponseBlocks, pool: CandidatePool, alphas: np.ndarray, options: Options
) -> Iterator[tuple[np.ndarray, dict[str, BandedRidgeFit]]]:
    design, order = blocks.design, np.argsort(alphas)
    ascending = alphas[order]
    forms = options.forms(design.arrays.device)
    plan = Plan.of(
        design,
        pool.weights,
        len(alphas),
        len(pool.choices),
        options.memory_bytes,
        options.search,
        forms,
    )
    refit = Refit(design, pool.weights, ascending, plan.refit_factors)
    for block, found in _searched(blocks, pool, ascending, plan, options.search, forms, refit.keep):
        chosen = {
            name: choices[found.score[choices].argmax(axis=0)]
            for name, choices in pool.choices.items()
        }
        coefficients = refit.coefficients(block, chosen, found.pick)
        fits = {
            name: _fit(block, pool, name, chosen[name], found, ascending, weights, options)
            for name, weights in coefficients.items()
        }
        yield block.voxels, fits


def _searched(
    blocks: ResponseBlocks,
    pool: CandidatePool,
    alphas: np.ndarray,
    plan: Plan,
    search: Search,
    forms: Forms,
    keep: Callable[[dict[int, list[Factor]]], None],
) -> Iterator[tuple[Block, Found]]:
    """Blocks and what was found.

    Responses are read once if all decompositions fit in memory, else once for each part of them.
    Those of all images that stay in memory are given to `keep`.
    """
    design, choices = blocks.design, pool.choices.values()
    windowed = search == "windowed" and not is_small(design, pool.weights, len(alphas))
    if plan.candidates < len(pool.weights):
        yield from _searched_by_parts(blocks, pool, alphas, plan, windowed, forms, keep)
        return
    factors = factorise_candidates(design, pool.weights, alphas, forms, of_all=windowed)
    keep({k: candidate.whole for k, candidate in enumerate(factors) if candidate.whole})
    for block in blocks.read(plan.block_voxels):
        if windowed:
            yield block, search_windowed(block, factors, alphas, choices, plan.task_voxels)
        else:
            yield block, search_exactly(block.operands, factors, alphas)


def _searched_by_parts(
    blocks: ResponseBlocks,
    pool: CandidatePool,
    alphas: np.ndarray,
    plan: Plan,
    windowed: bool,
    forms: Forms,
    keep: Callable[[dict[int, list[Factor]]], None],
) -> Iterator[tuple[Block, Found]]:
    """`_searched`, some candidates at a time."""
    n_candidates, n_voxels = len(pool.weights), blocks.responses.shape[1]
    wholes: list[list[Factor]] = []
    if plan.keeps_all_images:
        wholes += decompose_all_images(blocks.design, pool.weights, alphas, forms)
        keep({k: without_images(whole) for k, whole in enumerate(wholes)})
    kept = Found.empty((n_candidates, n_voxels))
    exact = np.ones(n_voxels, bool)

    def decomposed(n: int, **which: bool) -> Iterator[tuple[slice, list[CandidateFactors]]]:
        for first in range(0, n_candidates, n):
            part = slice(first, first + n)
            problem = blocks.design, pool.weights[part], alphas, forms
            yield part, factorise_candidates(*problem, **which, wholes=wholes[part])

    if windowed:
        exact = _window_by_parts(blocks, pool, alphas, plan, decomposed, kept)
    for part, factors in decomposed(plan.candidates, of_all=False) if exact.any() else ():
        for block in blocks.read(plan.block_voxels, exact):
            found = search_exactly(block.operands, factors, alphas)
            kept.fill((part, block.voxels), found)
    kept.exact[:] = exact
    wholes.clear()
    for block in blocks.read(plan.block_voxels):
        yield block, kept.of(block.voxels)


def _window_by_parts(
    blocks: ResponseBlocks,
    pool: CandidatePool,
    alphas: np.ndarray,
    plan: Plan,
    decomposed: Callable[..., Iterator[tuple[slice, list[CandidateFactors]]]],
    kept: Found,
) -> np.ndarray:
    """Fill `kept` by windows, all candidates judged by closed form first; which voxels are left."""
    variance = np.ones(kept.score.shape[1])
    at_a_time = len(pool.weights) if plan.keeps_all_images else plan.candidates_in_closed_form
    for part, factors in decomposed(at_a_time, of_folds=False):
        for block in blocks.read(plan.block_voxels):
            curves = closed_form_errors(block.operands, factors, len(alphas), plan.task_voxels)
            kept.score[part, block.voxels] = best_penalty(curves, alphas)[0]
            variance[block.voxels] = block.variance
        # before the next are made
        del factors
    limits = contention_limits(blocks.design, kept.score, pool.choices.values(), variance)
    window = Window.empty(kept.pick)
    for part, factors in decomposed(plan.candidates):
        for block in blocks.read(plan.block_voxels):
            here = part, block.voxels
            curves = closed_form_errors(block.operands, factors, len(alphas), plan.task_voxels)
            task = curves, limits[here], plan.task_voxels
            window.fill(here, search_window(block.operands, factors, alphas, *task))
        del factors
    kept.score[:], kept.pick[:] = window.score, window.pick
    return must_be_exact(blocks.design, window)


def _fit(
    block: Block,
    pool: CandidatePool,
    name: str,
    chosen: np.ndarray,
    found: Found,
    alphas: np.ndarray,
    weights: np.ndarray,
    options: Options,
) -> BandedRidgeFit:
    """One model's fit of a block, from all features' weights (feature, voxel)."""
    scores, picks = found.score, found.pick
    design, voxel = block.operands.design, np.arange(len(chosen))
    bands = pool.columns[name]
    columns = np.concatenate(
        [np.arange(design.n_features)[design.feature_slices[b]] for b in bands]
    )
    dtype, own = options.dtype, scores[pool.choices[name]]
    return BandedRidgeFit(
        alpha=alphas[picks[chosen, voxel]].astype(dtype),
        band_weights=pool.weights[chosen][:, bands].T.astype(dtype),
        cv_score=(1 + scores[chosen, voxel] / block.variance).astype(dtype),
        coefficients=weights[columns].astype(dtype),
        intercept=(block.mean - design.offset @ weights).astype(dtype),
        candidate_scores=np.where(np.isfinite(own), own, np.nan).astype(dtype),
        exact=found.exact,
        search=options.search,
        precision=options.precision,
    )


def _can_validate(folds: np.ndarray) -> bool:
    """Whether two folds at least validate, and others have images to fit."""
    return len(np.unique(folds[folds >= 0])) >= 2


def check_problem(
    features: list[np.ndarray], responses: Any, folds: np.ndarray, alphas: np.ndarray
) -> None:
    """Raise a ValueError unless shapes agree, features are finite and penalties are above 0."""
    rows = {len(band) for band in features} | {responses.shape[0], len(folds)}
    if len(rows) != 1:
        raise ValueError(f"bands, responses and folds have different numbers of images: {rows}")
    if not all(np.isfinite(band).all() for band in features):
        raise ValueError("the features hold NaN or infinite values")
    if alphas.ndim != 1 or not len(alphas) or not (alphas > 0).all():
        raise ValueError(f"alphas are a list of penalties above 0, not {alphas}")
    if not _can_validate(folds):
        raise ValueError(f"at least 2 folds must validate, not {np.unique(folds)}")
