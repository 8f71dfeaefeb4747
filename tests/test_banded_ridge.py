"""The banded-ridge engine: against himalaya, scikit-learn, closed forms and its own invariances."""

from __future__ import annotations

import itertools
import logging
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from himalaya.ridge import solve_group_ridge_random_search
from hypothesis import given, settings
from hypothesis import strategies as st
from ridge_problems import ALPHAS, EXACT, simulated
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit

from encoding.ridge import himalaya_solver
from encoding.ridge.backend import Arrays
from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.decompose import decompose_all, decompose_fold
from encoding.ridge.decomposition import (
    NEGLIGIBLE,
    CholeskyDecomposition,
    DeletedFold,
    DualDecomposition,
    PrimalDecomposition,
    ShrinkingDecomposition,
    shrinkage_basis,
)
from encoding.ridge.design import Design
from encoding.ridge.fold_deletion import delete_fold, deletion_pays
from encoding.ridge.grid import SearchGrid, decompose_candidates
from encoding.ridge.memory import Plan
from encoding.ridge.problem import DEFAULTS, Options, Problem
from encoding.ridge.responses import measured_alike
from encoding.ridge.search import closed_form_errors
from encoding.ridge.solver import fit_banded_ridge, fit_models, stream_fits
from encoding.splits import inner_folds
from encoding.variance_partitioning import model_name, subsets

pytestmark = [pytest.mark.kernels, pytest.mark.usefixtures("windows_at_any_size")]


def himalaya(bands, responses, folds, weights, alphas=ALPHAS):
    """(deltas, coefficients, scores, intercept)"""
    return solve_group_ridge_random_search(
        list(bands.values()),
        responses,
        n_iter=weights,
        alphas=alphas,
        cv=PredefinedSplit(folds),
        fit_intercept=True,
        return_weights=True,
        progress_bar=False,
        warn=False,
    )


def picked_loss(bands, responses, folds, fit, voxel):
    """Cross-validated error of a fit's own pick, by scikit-learn's SVD ridge."""
    widths = [band.shape[1] for band in bands.values()]
    x = np.hstack(list(bands.values())) * np.sqrt(np.repeat(fit.band_weights[:, voxel], widths))
    errors = []
    for fold in np.unique(folds[folds >= 0]):
        train, held = folds != fold, folds == fold
        model = Ridge(alpha=fit.alpha[voxel], solver="svd").fit(x[train], responses[train, voxel])
        errors.append(np.mean((model.predict(x[held]) - responses[held, voxel]) ** 2))
    return np.mean(errors)


# ---- against himalaya and scikit-learn


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(24, 70),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.integers(1, 5),
)
def test_scores_and_weights_are_himalayas(seed, n_images, widths, n_voxels):
    """Bands narrower and wider than the images, one band, one voxel."""
    bands, y = simulated(seed, n_images, widths, n_voxels)
    folds = inner_folds(n_images, 4, seed)
    weights = np.maximum(draw_band_weights(len(widths), 4, seed), 1e-3)
    fit = fit_banded_ridge(bands, y, folds, ALPHAS, weights, EXACT)
    deltas, coefficients, scores, intercept = himalaya(bands, y, folds, weights)
    assert np.allclose(fit.candidate_scores, scores, atol=1e-5)
    same = np.isclose(np.log(fit.band_weights / fit.alpha), deltas).all(axis=0)
    assert np.allclose(fit.coefficients[:, same], coefficients[:, same], atol=1e-6)
    assert np.allclose(fit.intercept[same], intercept[same], atol=1e-6)
    for voxel in np.flatnonzero(~same):
        loss = picked_loss(bands, y, folds, fit, voxel)
        assert loss == pytest.approx(-scores[:, voxel].max(), abs=1e-5)


def test_the_wide_problem_is_himalayas_kernel_problem():
    bands, y = simulated(0, 50, (90, 140), 4)
    folds, weights = inner_folds(50, 5, 0), draw_band_weights(2, 4, 0)
    fit = fit_banded_ridge(bands, y, folds, ALPHAS, weights, EXACT)
    kernels = np.stack([band @ band.T for band in bands.values()])
    deltas, _, scores, _ = solve_multiple_kernel_ridge_random_search(
        kernels,
        y,
        n_iter=weights,
        alphas=ALPHAS,
        cv=PredefinedSplit(folds),
        fit_intercept=True,
        return_weights="dual",
        progress_bar=False,
    )
    assert np.allclose(fit.candidate_scores, scores, atol=1e-7)
    assert np.allclose(np.log(fit.band_weights / fit.alpha), deltas)


@pytest.mark.parametrize("widths", [(12, 7), (70, 50), (70, 5)], ids=["primal", "dual", "both"])
def test_the_refit_is_the_ridge_of_the_picks_on_all_images(widths):
    """Also of sub-models: a weight of 0 leaves a band out."""
    bands, y = simulated(1, 60, widths, 6)
    weights = np.array([[1.0, 0], [0, 1], [0.5, 0.5]])
    fit = fit_banded_ridge(bands, y, inner_folds(60, 4, 0), ALPHAS, weights, EXACT)
    for voxel in range(6):
        scale = np.sqrt(np.repeat(fit.band_weights[:, voxel], widths))
        x = np.hstack(list(bands.values())) * scale
        oracle = Ridge(alpha=fit.alpha[voxel], solver="svd").fit(x, y[:, voxel])
        assert np.allclose(fit.coefficients[:, voxel], oracle.coef_ * scale, atol=1e-8)
        assert fit.intercept[voxel] == pytest.approx(oracle.intercept_)
        assert np.allclose(fit.predict(bands)[:, voxel], oracle.predict(x))


def test_float32_is_float64_to_rounding():
    bands, y = simulated(2, 300, (40, 30), 20)
    arguments = bands, y, inner_folds(300, 5, 0), ALPHAS, draw_band_weights(2, 5, 0)
    single, double = (
        fit_banded_ridge(*arguments, replace(EXACT, dtype=dtype))
        for dtype in ("float32", "float64")
    )
    assert np.allclose(single.cv_score, double.cv_score, atol=1e-5)
    assert single.coefficients.dtype == np.float32


def test_with_one_orthonormal_feature_set_ridge_shrinks_by_the_closed_form():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(80, 6))
    x = np.linalg.qr(x - x.mean(axis=0))[0]
    y = generator.normal(size=(80, 3)) + 5
    fit = fit_banded_ridge({"x": x}, y, inner_folds(80, 4, 0), [0.5], np.ones((1, 1)), EXACT)
    assert np.allclose(fit.coefficients, x.T @ y / 1.5)
    assert np.allclose(fit.intercept, y.mean(axis=0))


def test_images_that_never_validate_are_always_fitted():
    bands, y = simulated(4, 60, (8, 5), 4)
    folds = inner_folds(60, 4, 0)
    folds[folds == 3] = -1
    weights = draw_band_weights(2, 3, 0)
    fit = fit_banded_ridge(bands, y, folds, ALPHAS, weights, EXACT)
    assert np.allclose(fit.candidate_scores, himalaya(bands, y, folds, weights)[2], atol=1e-7)


# ---- penalties that are hard on a Gram matrix


@pytest.mark.parametrize("widths", [(15, 10), (60, 70)], ids=["primal", "dual"])
@pytest.mark.parametrize("alpha", [1e-8, 1e-4, 1e6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_penalty_is_as_good_as_singular_values_make_it(widths, alpha, dtype):
    """Duplicated features too: their Gram matrix has no inverse."""
    bands, y = simulated(5, 80, widths, 3)
    bands = {name: np.float32(band) for name, band in bands.items()}
    bands["band1"][:, :3] = bands["band0"][:, :3]
    y = y.astype(np.float32).astype(np.float64)
    folds, weights = inner_folds(80, 4, 0), np.array([[0.5, 0.5]])
    options = Options(search="exact", dtype=dtype)
    fit = fit_banded_ridge(bands, y, folds, [alpha], weights, options)
    double = {name: band.astype(np.float64) for name, band in bands.items()}
    scores = himalaya(double, y, folds, weights, np.array([alpha]))[2]
    assert np.allclose(fit.candidate_scores, scores, rtol=1e-4)
    centred = np.hstack([band - band.mean(axis=0) for band in double.values()]) * np.sqrt(0.5)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    kept = singular > 1e-10 * singular[0]
    shrunk = (left.T @ (y - y.mean(axis=0)))[kept]
    shrunk *= (singular[kept] / (singular[kept] ** 2 + alpha))[:, None]
    expected = centred @ right[kept].T @ shrunk
    assert np.allclose(fit.predict(double) - y.mean(axis=0), expected, atol=2e-3)


def test_cholesky_gives_the_losses_of_the_eigendecomposition():
    bands, y = simulated(6, 70, (9, 12), 5)
    arguments = bands, y, inner_folds(70, 4, 0), np.logspace(-8, 4, 7), draw_band_weights(2, 3, 0)
    for dtype, tolerance in (("float64", 1e-7), ("float32", 1e-3)):
        options = replace(EXACT, dtype=dtype)
        eigen = fit_banded_ridge(*arguments, options)
        cholesky = fit_banded_ridge(*arguments, replace(options, cholesky=True))
        assert np.allclose(eigen.candidate_scores, cholesky.candidate_scores, atol=tolerance)


@pytest.mark.parametrize("form", [{}, {"cholesky": True}, {"deletion": True}], ids=str)
@pytest.mark.parametrize("search", ["exact", "windowed"])
def test_torch_gives_what_numpy_gives(search, form):
    bands, y = simulated(7, 60, (9, 12), 5)
    arguments = bands, y, inner_folds(60, 4, 0), ALPHAS, draw_band_weights(2, 3, 0)
    options = replace(EXACT, search=search)
    numpy = fit_banded_ridge(*arguments, options)
    torch = fit_banded_ridge(*arguments, replace(options, backend="torch", **form))
    scores = numpy.candidate_scores, torch.candidate_scores
    assert np.allclose(*scores, atol=1e-7, equal_nan=search == "windowed")
    assert np.allclose(numpy.coefficients, torch.coefficients, atol=1e-7)


# ---- folds taken out of the decomposition of all images


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(30, 70),
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.sampled_from(["exact", "windowed"]),
    st.booleans(),
)
def test_a_fold_taken_out_of_all_images_scores_as_its_own_decomposition(
    seed, n_images, widths, search, fit_intercept
):
    """Folds of unequal size, more and fewer features than held-out images."""
    bands, y = simulated(seed, n_images, widths, 6)
    folds = np.random.default_rng(seed).integers(-1, 4, n_images)
    folds[:4] = range(4)
    problem = bands, y, folds, ALPHAS, draw_band_weights(len(widths), 4, seed)
    options = replace(EXACT, search=search, fit_intercept=fit_intercept)
    decomposed, deleted = (
        fit_banded_ridge(*problem, replace(options, deletion=deletion))
        for deletion in (False, True)
    )
    scores = np.array([decomposed.candidate_scores, deleted.candidate_scores])
    # windows may pay with the one and not with the other
    both = np.isfinite(scores).all(axis=0)
    assert np.allclose(*scores[:, both], rtol=1e-7, atol=1e-9)
    assert both.all() or (search == "windowed" and both.any(axis=0).all())
    assert np.allclose(decomposed.coefficients, deleted.coefficients, atol=1e-6)


@pytest.mark.parametrize("kind", ["held images outnumber features", "constant band", "quiet band"])
def test_folds_are_deleted_where_some_rows_are_predicted_by_nothing(kind):
    bands, y = simulated(33, 150, (40, 35), 20)
    folds, alphas = np.repeat([0, 1, 2], [60, 45, 45]), np.logspace(1, 5, 5)
    weights = np.array([[0.5, 0.5], [0.0, 1.0]])
    if kind == "constant band":
        bands["band1"][:] = 3
    if kind == "quiet band":
        bands["band1"] *= 1e-5
    problem = bands, y, folds, alphas, weights
    decomposed, deleted = (
        fit_banded_ridge(*problem, Options(search="exact", deletion=deletion))
        for deletion in (False, True)
    )
    assert np.allclose(decomposed.candidate_scores, deleted.candidate_scores, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_deleted_folds_predict_what_leaving_images_out_predicts(dtype, tolerance):
    """Ridge refitted without the fold, by the normal equations, for each penalty."""
    bands, y = simulated(31, 90, (24, 30), 5)
    folds, weights = inner_folds(90, 5, 0), np.array([0.4, 0.6])
    design = Design(list(bands.values()), folds, Arrays(), dtype)
    (whole,) = decompose_all(design, weights, ALPHAS, deletable=True)
    features = np.hstack(list(bands.values())) * np.repeat(np.sqrt(weights), (24, 30))
    features, responses = features[design.order], y[design.order] - y.mean(axis=0)
    for fold in design.folds:
        deleted = delete_fold(design, fold, [whole])
        held = np.arange(90)[fold.validation]
        train = np.setdiff1d(np.arange(90), held)
        x = features[train] - features[train].mean(axis=0)
        target = responses[train] - responses[train].mean(axis=0)
        centred = features[held] - features[train].mean(axis=0)
        projected = target.T @ design.components[train] @ whole.rotation
        for position, alpha in enumerate(ALPHAS):
            ridge = np.linalg.solve(x.T @ x + alpha * np.eye(54), x.T @ target)
            operator = deleted.operator(position, slice(None), slice(None), design.arrays)
            predicted = projected @ operator @ deleted.corrections[position]
            expected = (centred @ ridge).T @ deleted.held_rotation
            # rounding is a share of the predictions, not of each of them
            largest = abs(expected).max()
            assert np.allclose(predicted, expected, rtol=0, atol=tolerance * largest)


def test_a_fold_whose_images_alone_decide_a_weight_is_decomposed():
    """Its correction would amplify rounding errors; the scores are right all the same."""
    bands, y = simulated(32, 80, (20, 12), 4)
    folds, weights = inner_folds(80, 4, 0), np.array([[0.5, 0.5]])
    bands["band0"][folds != 2, 0] = 0
    bands["band0"][folds == 2, 0] *= 1e4
    design = Design(list(bands.values()), folds, Arrays(), "float64")
    alphas = np.array([1e-3, 1.0])
    whole = decompose_all(design, weights[0], alphas, deletable=True)
    deleted = [delete_fold(design, fold, whole) is not None for fold in design.folds]
    assert deleted == [True, True, False, True]
    options = replace(EXACT, deletion=True)
    fit = fit_banded_ridge(bands, y, folds, alphas, weights, options)
    assert np.allclose(fit.candidate_scores, himalaya(bands, y, folds, weights, alphas)[2])


@pytest.mark.parametrize(
    ("n_images", "n_features", "pays"),
    [(4000, 512, False), (4000, 1024, False), (4000, 3000, True), (8500, 1536, False)],
)
def test_folds_are_deleted_where_features_are_many_and_held_images_few(n_images, n_features, pays):
    folds = [SimpleNamespace(n_validation=n_images // 5)] * 5
    assert deletion_pays(SimpleNamespace(folds=folds), n_features, 20) == pays


# ---- search modes


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(1, 60),
    st.floats(-8, 0),
    st.floats(0.1, 18),
    st.integers(1, 100),
)
def test_predictions_at_few_penalties_are_those_at_all(seed, n_components, least, decades, n):
    """Whatever the spectrum and the grid, to rounding error of the precision."""
    generator = np.random.default_rng(seed)
    values = 10.0 ** generator.uniform(-6, 3, n_components)
    alphas = np.logspace(least, least + decades, n)
    shrinkage = values / (values + alphas[:, None])
    for negligible in NEGLIGIBLE.values():
        chosen, mixing = shrinkage_basis(values, alphas, negligible)
        assert abs(mixing @ shrinkage[chosen] - shrinkage).max() <= 20 * max(negligible, 1e-15)
        assert np.array_equal(mixing[chosen], np.eye(len(chosen)))
        assert abs(mixing).max(initial=0) < 5


def test_a_grid_of_penalties_costs_as_many_products_as_its_shrinkage_has_dimensions():
    values = 235 / np.arange(1, 1025)
    few, _ = shrinkage_basis(values, np.logspace(0, 6, 20), NEGLIGIBLE["float32"])
    published, _ = shrinkage_basis(values, np.logspace(-8, 10, 100), NEGLIGIBLE["float32"])
    assert len(few) <= 12
    assert len(published) <= 19
    nothing, mixing = shrinkage_basis(np.zeros(3), np.ones(2), 1e-7)
    assert len(nothing) == 0
    assert mixing.shape == (2, 0)


def test_a_hundred_penalties_over_eighteen_decades_score_as_himalayas():
    """The published grid."""
    bands, y = simulated(23, 80, (12, 9), 5)
    folds, weights = inner_folds(80, 4, 0), draw_band_weights(2, 3, 0)
    alphas = np.logspace(-8, 10, 100)
    fit = fit_banded_ridge(bands, y, folds, alphas, weights, EXACT)
    assert np.allclose(fit.candidate_scores, himalaya(bands, y, folds, weights, alphas)[2])


def closed_form(bands, y, folds, alphas, weights, dtype="float64"):
    """(candidate, alpha, voxel)"""
    options = replace(EXACT, dtype=dtype)
    problem = Problem.of_one_model(bands, y, folds, alphas, weights, options)
    (blocks,) = measured_alike(problem, Arrays())
    decompositions = decompose_candidates(SearchGrid.of(problem, blocks.design), of_folds=False)
    (block,) = blocks.read(y.shape[1])
    return closed_form_errors(block.centred, decompositions, len(alphas))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n_images", "widths"), [(50, (6, 5)), (50, (30, 25)), (40, (60, 70))])
def test_generalised_cross_validation_is_its_formula(n_images, widths, dtype):
    """Fewer features than images, one image more than features, and more features than images.

    Nothing is left of the residual there at small penalties: the formula is evaluated as
    tr(M²) over tr(M)² with M = α (K + α)⁻¹ of the centred kernel, which does not cancel.
    """
    bands, y = simulated(9, n_images, widths, 3)
    weights, alphas = np.array([[0.3, 0.7]]), np.logspace(-5, 5, 21)
    found = closed_form(bands, y, inner_folds(n_images, 4, 0), alphas, weights, dtype)[0]
    x = np.hstack(list(bands.values())) * np.sqrt(np.repeat(weights[0], widths))
    x, centred = x - x.mean(axis=0), y - y.mean(axis=0)
    # without the direction of the mean, which the intercept takes
    others = np.linalg.svd(np.ones((1, n_images)))[2][1:]
    values, vectors = np.linalg.eigh(others @ x @ x.T @ others.T)
    values, vectors = np.where(values > 1e-9, values, 0), others.T @ vectors
    for alpha, row in zip(alphas, found, strict=True):
        left = alpha / (values + alpha)
        errors = ((left[:, None] * (vectors.T @ centred)) ** 2).sum(axis=0) / n_images
        assert np.allclose(row, errors / (left.sum() / n_images) ** 2, rtol=1e-4)


# ---- all subsets at once


def every_subset(spaces, n_candidates=4):
    models = {model_name(subset): subset for subset in subsets(spaces)}
    candidates = {m: draw_band_weights(len(s), n_candidates, 0) for m, s in models.items()}
    return models, candidates


@pytest.mark.parametrize("search", ["exact", "windowed"])
@pytest.mark.parametrize("widths", [(9, 7, 5), (40, 30, 8)])
def test_the_cross_validated_score_never_falls_when_a_band_is_added(search, widths):
    bands, y = simulated(10, 60, widths, 20)
    models, candidates = every_subset(bands)
    options = Options(search=search)
    folds = inner_folds(60, 4, 0)
    fits = fit_models(Problem(bands, y, folds, ALPHAS, models, candidates, options))
    for small, large in itertools.permutations(models, 2):
        if set(models[small]) < set(models[large]):
            assert (fits[large].cv_score >= fits[small].cv_score).all()


def test_a_subset_fitted_with_all_others_is_the_subset_fitted_alone():
    bands, y = simulated(11, 60, (9, 7, 5), 8)
    models, candidates = every_subset(bands)
    folds = inner_folds(60, 4, 0)
    together = fit_models(Problem(bands, y, folds, ALPHAS, models, candidates, EXACT))
    for model, spaces in models.items():
        inherited = [
            np.array([row[[own.index(s)][0]] if s in own else 0.0 for s in spaces])
            for other, own in models.items()
            if set(own) < set(spaces)
            for row in candidates[other]
        ]
        own = np.array([*candidates[model], *inherited])
        subset = {space: bands[space] for space in spaces}
        alone = fit_banded_ridge(subset, y, folds, ALPHAS, own, EXACT)
        assert np.allclose(together[model].cv_score, alone.cv_score)
        assert np.allclose(together[model].predict(subset), alone.predict(subset))


# ---- voxels that lack something


def test_voxels_that_lack_images_are_fitted_on_those_they_have():
    bands, y = simulated(12, 60, (9, 7), 6)
    folds, weights = inner_folds(60, 4, 0), draw_band_weights(2, 3, 0)
    y[5:15, [1, 4]], y[40, 2] = np.nan, np.nan
    fit = fit_banded_ridge(bands, y, folds, ALPHAS, weights, EXACT)
    for voxel in range(6):
        has = np.isfinite(y[:, voxel])
        subset = {name: band[has] for name, band in bands.items()}
        alone = fit_banded_ridge(subset, y[has][:, [voxel]], folds[has], ALPHAS, weights, EXACT)
        for field in ("alpha", "cv_score", "coefficients", "intercept"):
            found, expected = getattr(fit, field)[..., [voxel]], getattr(alone, field)
            assert np.allclose(found, expected)


def test_voxels_that_lack_images_can_be_left_out_and_marked():
    bands, y = simulated(13, 40, (6,), 4)
    y[3, 1] = np.nan
    arguments = inner_folds(40, 4, 0), ALPHAS, np.ones((1, 1)), replace(EXACT, missing="exclude")
    fit = fit_banded_ridge(bands, y, *arguments)
    assert np.isnan(fit.coefficients).any(axis=0).tolist() == [False, True, False, False]


@pytest.mark.parametrize("solver", [stream_fits, himalaya_solver.stream_fits])
def test_voxels_without_variance_or_images_are_marked_and_leave_others_alone(solver):
    bands, y = simulated(14, 50, (6, 4), 4)
    arguments = inner_folds(50, 4, 0), ALPHAS, draw_band_weights(2, 3, 0)
    whole = fit_banded_ridge(bands, y, *arguments, solver=solver)
    y[:, 1], y[:, 2] = np.nan, 1.1
    fit = fit_banded_ridge(bands, y, *arguments, solver=solver)
    for field in ("alpha", "band_weights", "cv_score", "coefficients", "intercept"):
        values = getattr(fit, field)
        assert np.isnan(values[..., [1, 2]]).all()
        assert np.allclose(values[..., [0, 3]], getattr(whole, field)[..., [0, 3]], atol=1e-6)


@pytest.mark.parametrize("solver", [stream_fits, himalaya_solver.stream_fits])
def test_no_voxel_at_all_is_no_error(solver):
    bands, y = simulated(15, 20, (3,), 2)
    arguments = np.full_like(y, np.nan), inner_folds(20, 2, 0), ALPHAS, np.ones((1, 1))
    fit = fit_banded_ridge(bands, *arguments, solver=solver)
    assert np.isnan(fit.predict(bands)).all()


@pytest.mark.parametrize("widths", [(9, 6), (50, 12)])
def test_himalayas_solver_by_torch_is_that_by_numpy(widths):
    """In its primal and its dual form."""
    bands, y = simulated(18, 40, widths, 6)
    arguments = y, inner_folds(40, 4, 0), ALPHAS, draw_band_weights(2, 3, 0)
    fits = [
        fit_banded_ridge(
            bands, *arguments, replace(EXACT, backend=backend), himalaya_solver.stream_fits
        )
        for backend in ("numpy", "torch")
    ]
    np.testing.assert_array_equal(fits[0].alpha, fits[1].alpha)
    np.testing.assert_allclose(fits[0].coefficients, fits[1].coefficients, atol=1e-8)


def test_constant_features_change_nothing():
    bands, y = simulated(16, 50, (6, 4), 3)
    arguments = y, inner_folds(50, 4, 0), ALPHAS, draw_band_weights(2, 3, 0), EXACT
    plain = fit_banded_ridge(bands, *arguments)
    padded = {name: np.hstack([band, np.full((50, 2), 7.0)]) for name, band in bands.items()}
    fit = fit_banded_ridge(padded, *arguments)
    assert np.allclose(fit.candidate_scores, plain.candidate_scores)
    assert np.allclose(fit.predict(padded), plain.predict(bands))


def test_a_band_of_constants_predicts_the_mean():
    _, y = simulated(17, 40, (3,), 3)
    bands = {"constant": np.full((40, 5), 2.0)}
    fit = fit_banded_ridge(bands, y, inner_folds(40, 4, 0), ALPHAS, np.ones((1, 1)), EXACT)
    assert np.allclose(fit.predict(bands), y.mean(axis=0))


# ---- invariances


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(9, 6), (50, 12)]))
def test_rotation_inside_a_band_and_order_of_bands_and_voxels_change_nothing(seed, widths):
    bands, y = simulated(seed, 48, widths, 5)
    generator = np.random.default_rng(seed)
    folds, weights = inner_folds(48, 4, 0), draw_band_weights(2, 3, seed)
    fit = fit_banded_ridge(bands, y, folds, ALPHAS, weights, EXACT)
    rotated = {
        name: band @ np.linalg.qr(generator.normal(size=(band.shape[1],) * 2))[0]
        for name, band in reversed(bands.items())
    }
    order = generator.permutation(5)
    other = fit_banded_ridge(rotated, y[:, order], folds, ALPHAS, weights[:, ::-1], EXACT)
    assert np.allclose(other.candidate_scores, fit.candidate_scores[:, order], atol=1e-8)
    assert np.allclose(other.predict(rotated), fit.predict(bands)[:, order], atol=1e-6)


SCORE_TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def assert_same_fit(found, expected, candidates=True):
    """As docs/robustness.md promises: scores within rounding, other picks only where these tie."""
    tolerance = SCORE_TOLERANCE[str(found.cv_score.dtype)]
    assert np.allclose(found.cv_score, expected.cv_score, rtol=0, atol=tolerance)
    same = (found.alpha == expected.alpha) & (found.band_weights == expected.band_weights).all(0)
    assert same.mean() > 0.95
    scale = abs(expected.coefficients).max(axis=0)[same]
    difference = abs(found.coefficients - expected.coefficients)[:, same]
    assert (difference <= 1e3 * tolerance * scale).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("search", ["exact", "windowed"])
@pytest.mark.parametrize(
    ("widths", "deletion"),
    [((40, 24), False), ((30, 24), True), ((90, 60), None)],
    ids=["primal", "deleted", "dual"],
)
def test_a_voxels_fit_is_the_same_up_to_rounding_however_voxels_are_parted(
    search, widths, deletion, dtype
):
    bands, y = simulated(18, 80, widths, 1000)
    options = Options(search=search, deletion=deletion, dtype=dtype)
    arguments = inner_folds(80, 4, 0), ALPHAS, draw_band_weights(2, 3, 0), options
    whole = fit_banded_ridge(bands, y, *arguments)
    for cuts in ([500], [1, 13, 725]):
        edges = [0, *cuts, 1000]
        parts = [fit_banded_ridge(bands, y[:, a:b], *arguments) for a, b in pairwise(edges)]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("alpha", "band_weights", "cv_score", "coefficients", "intercept")
        }
        assert_same_fit(replace(whole, **joined), whole)


def conditioned(kind, n_images=200, n_voxels=300):
    """Features that are hard to invert, and responses to them."""
    generator = np.random.default_rng(5)
    widths = {"square": (80, 80), "wide": (150, 100)}.get(kind, (40, 40))
    bands = {
        name: generator.standard_normal((n_images, p)) for name, p in zip("ab", widths, strict=True)
    }
    if kind == "scales":
        bands["a"] *= 10.0 ** generator.uniform(-4, 4, widths[0])
    if kind == "shared":
        bands["b"] = bands["a"] + 1e-5 * bands["b"]
    bands = {name: band / np.sqrt(np.sum(band**2) / n_images) for name, band in bands.items()}
    signal = np.hstack(list(bands.values())) @ generator.standard_normal((sum(widths), n_voxels))
    signal *= generator.uniform(0, 3, n_voxels) / signal.std(axis=0)
    return bands, signal + generator.standard_normal(signal.shape)


@pytest.mark.robustness
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["square", "wide", "scales", "shared"])
def test_parts_change_a_score_little_at_every_penalty(kind, dtype):
    """Penalties down to 1e-14 of the largest eigenvalue; with as many features as images R² falls
    far below -1 there, and the error changes by a share of itself that the condition decides."""
    bands, y = conditioned(kind)
    largest = np.linalg.eigvalsh(sum(band @ band.T for band in bands.values()))[-1]
    folds, options = inner_folds(200, 5, 0), Options(search="exact", dtype=dtype)
    for share in (1e-14, 1e-9, 1e-6, 1e-3, 1e3):
        problem = folds, np.array([share * largest]), draw_band_weights(2, 2, 0), options
        whole = fit_banded_ridge(bands, y, *problem).candidate_scores
        parts = [
            fit_banded_ridge(bands, y[:, a:b], *problem) for a, b in [(0, 1), (1, 14), (14, 300)]
        ]
        joined = np.hstack([part.candidate_scores for part in parts])
        bound = (1 + np.sqrt(1e-3 / share)) * abs(whole)
        if share >= 1e3 * np.finfo(dtype).eps:
            bound = np.where(whole > -2 * y.var(axis=0), y.var(axis=0), bound)
        assert (abs(joined - whole) <= SCORE_TOLERANCE[dtype] * bound).all()


@pytest.mark.parametrize("deletion", [False, True])
@pytest.mark.parametrize(("search", "least"), [("exact", 1.2e7), ("windowed", 1.5e7)])
def test_a_voxels_fit_is_the_same_up_to_rounding_whatever_memory_and_workers(
    search, least, deletion
):
    bands, y = simulated(19, 80, (20, 12), 1500)
    arguments = bands, y, inner_folds(80, 4, 0), ALPHAS, draw_band_weights(2, 6, 0)
    options = Options(search=search, deletion=deletion, workers=2)
    plenty = fit_banded_ridge(*arguments, options)
    for change in ({"memory_bytes": least}, {"workers": 1}, {"workers": 3}):
        assert_same_fit(fit_banded_ridge(*arguments, replace(options, **change)), plenty)


@pytest.mark.robustness
@pytest.mark.parametrize(
    ("search", "little", "keeps"),
    [
        ("exact", 6e7, False),
        ("exact", 9e7, True),
        ("windowed", 9e7, False),
        ("windowed", 1.2e8, True),
    ],
)
def test_candidates_taken_in_parts_give_the_same_fit(search, little, keeps, caplog):
    """Too little memory for all decompositions at once, or for any but those of all images."""
    bands, y = simulated(26, 200, (60, 40), 600)
    weights, folds = draw_band_weights(2, 80, 0), inner_folds(200, 5, 0)
    # in float64, where fewer of 80 candidates are tied within rounding
    design = Design(list(bands.values()), folds, Arrays(workers=2), "float64")
    plan = Plan.of(SearchGrid(design, weights, ALPHAS), 1, little, search)
    assert plan.candidates < 80
    assert plan.keeps_all_images == keeps
    problem = bands, y, folds, ALPHAS, weights
    options = Options(search=search, dtype="float64", workers=2)
    plenty = fit_banded_ridge(*problem, replace(options, memory_bytes=4e9))
    with caplog.at_level(logging.INFO, logger="encoding"):
        parts = fit_banded_ridge(*problem, replace(options, memory_bytes=little))
    assert_same_fit(parts, plenty)
    # progress, before the first voxel is done
    method = "exact" if search == "exact" else "windows"
    (last,) = [one for one in caplog.messages if one.startswith(method) and "to 80 of" in one]
    assert last.endswith(" to 80 of 80")


@pytest.mark.parametrize("search", ["exact", "windowed"])
def test_the_same_call_gives_the_same_bytes(search):
    bands, y = simulated(25, 80, (20, 12), 700)
    problem = bands, y, inner_folds(80, 4, 0), ALPHAS, draw_band_weights(2, 6, 0)
    first, second = (fit_banded_ridge(*problem, Options(search=search)) for _ in range(2))
    assert first.coefficients.tobytes() == second.coefficients.tobytes()
    assert first.candidate_scores.tobytes() == second.candidate_scores.tobytes()


# ---- memory, streams, errors


def test_less_memory_means_fewer_candidates_and_voxels_at_a_time():
    bands, _ = simulated(20, 200, (60, 40), 1)
    design = Design(list(bands.values()), inner_folds(200, 5, 0), Arrays(workers=2))
    grid = SearchGrid(design, draw_band_weights(2, 50, 0), np.logspace(-2, 4, 20))
    plans = [Plan.of(grid, 1, memory, "windowed") for memory in (1e9, 1e8, 5e7)]
    assert plans[0].candidates == 50
    assert plans[0].block_voxels > plans[2].block_voxels
    assert plans[1].candidates > plans[2].candidates >= 1
    # without the folds' decompositions more of them fit
    assert plans[2].candidates_in_closed_form > plans[2].candidates
    with pytest.raises(ValueError, match=r"memory: 0\.0001 GB do not hold"):
        Plan.of(grid, 1, 1e5, "windowed")


def test_responses_are_streamed_from_a_file(tmp_path):
    bands, y = simulated(21, 40, (6, 4), 1033)
    models, candidates = every_subset(bands, 2)
    problem = Problem(
        bands, y.astype(np.float32), inner_folds(40, 4, 0), ALPHAS, models, candidates
    )
    with h5py.File(tmp_path / "responses.h5", "w") as file:
        stored = file.create_dataset("responses", data=problem.responses)
        options = Options(memory_bytes=1.2e7, workers=2)
        parts = list(stream_fits(replace(problem, responses=stored, options=options)))
    whole = fit_models(problem)
    assert len(parts) > 1
    assert np.array_equal(np.concatenate([v for v, _ in parts]), np.arange(y.shape[1]))
    for model, fit in whole.items():
        joined = np.concatenate([fits[model].cv_score for _, fits in parts])
        assert np.allclose(joined, fit.cv_score, atol=1e-5)


def test_each_form_of_decomposition_is_a_class_whose_fields_are_all_there():
    bands, _ = simulated(22, 60, (10, 40), 1)
    design = Design(list(bands.values()), inner_folds(60, 4, 0), Arrays())
    fold, narrow, wide = design.folds[0], np.array([1.0, 0.0]), np.array([0.5, 0.5])
    whole = decompose_all(design, narrow, ALPHAS, deletable=True)
    found = {
        PrimalDecomposition: decompose_fold(design, fold, narrow, ALPHAS)[0],
        DualDecomposition: decompose_fold(design, fold, wide, ALPHAS)[0],
        CholeskyDecomposition: decompose_fold(design, fold, narrow, ALPHAS, cholesky=True)[0],
        DeletedFold: delete_fold(design, fold, whole),
    }
    for form, decomposition in found.items():
        assert type(decomposition) is form
        assert all(value is not None for value in vars(decomposition).values()), form


def test_a_problem_is_checked_when_it_is_stated_and_cannot_be_altered():
    bands, y = simulated(23, 20, (3,), 2)
    problem = Problem.of_one_model(bands, y, inner_folds(20, 4, 0), [1, 2], np.ones((1, 1)))
    assert problem.alphas.dtype == np.float64
    with pytest.raises(FrozenInstanceError):
        problem.alphas = ALPHAS
    with pytest.raises(ValueError, match="penalties above 0"):
        replace(problem, alphas=np.zeros(1))


def test_a_decomposition_serves_every_penalty_once():
    bands, _ = simulated(22, 60, (10, 8), 1)
    design = Design(list(bands.values()), inner_folds(60, 4, 0), Arrays())
    alphas = np.logspace(-12, 6, 19)
    found = decompose_fold(design, design.folds[0], np.array([0.5, 0.5]), alphas)
    served = np.sort(np.concatenate([part.alpha_indices for part in found]))
    assert served.tolist() == list(range(19))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphas": [1.0, 0.0]}, "penalties above 0"),
        ({"folds": np.zeros(20, int)}, "at least 2 folds"),
        ({"folds": np.arange(19) % 4}, "different numbers of images"),
        ({"band_weights": np.ones((2, 3))}, r"\(2, 3\) do not fit 1 bands"),
        ({"band_weights": -np.ones((2, 1))}, "at or above 0"),
        ({"bands": {"a": np.full((20, 2), np.nan)}}, "NaN"),
    ],
)
def test_bad_input_is_one_clear_error(change, message):
    bands, y = simulated(23, 20, (3,), 2)
    arguments = {"bands": bands, "responses": y, "folds": inner_folds(20, 4, 0), "alphas": ALPHAS}
    with pytest.raises(ValueError, match=message):
        fit_banded_ridge(**{**arguments, "band_weights": np.ones((1, 1)), **change})


@pytest.mark.parametrize("field", ["search", "dtype", "missing"])
def test_an_unknown_option_is_named(field):
    with pytest.raises(ValueError, match=f"unknown {field} 'other'; choose"):
        replace(DEFAULTS, **{field: "other"})


def test_rounding_of_products_is_by_choice_only():
    bands, y = simulated(24, 20, (3,), 2)
    arguments = bands, y, inner_folds(20, 4, 0), ALPHAS, np.ones((1, 1))
    with pytest.raises(ValueError, match="needs a torch backend"):
        fit_banded_ridge(*arguments, Options(matmul_precision="high"))
    fit = fit_banded_ridge(*arguments, Options(matmul_precision="medium", backend="torch"))
    assert fit.precision == "bfloat16"
    assert np.isfinite(fit.cv_score).all()


def test_few_voxels_are_scored_without_a_qr_as_among_many(monkeypatch):
    """18 held-out rows: a QR of the operators pays from 9 voxels on."""
    made = []
    triangular = ShrinkingDecomposition.triangular
    monkeypatch.setattr(
        ShrinkingDecomposition,
        "triangular",
        lambda self, arrays: made.append(self) or triangular(self, arrays),
    )
    bands, y = simulated(3, 120, [10, 8], 40)
    folds, weights = inner_folds(120, 4, 0), draw_band_weights(2, 5, 0)
    many = fit_banded_ridge(bands, y, folds, ALPHAS, weights, EXACT)
    assert len(made) == 4 * 5
    few = fit_banded_ridge(bands, y[:, :8], folds, ALPHAS, weights, EXACT)
    assert len(made) == 4 * 5
    np.testing.assert_allclose(few.candidate_scores, many.candidate_scores[:, :8], rtol=1e-10)
    np.testing.assert_array_equal(few.alpha, many.alpha[:8])
