"""The windowed search picks what the exact search picks, and scores fewer candidates."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ridge_problems import ALPHAS, EXACT, simulated

from encoding.ridge.backend import Arrays
from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.design import Design
from encoding.ridge.grid import SearchGrid
from encoding.ridge.problem import Options
from encoding.ridge.solver import fit_banded_ridge
from encoding.ridge.windowed import MISJUDGED, contention_limits, is_small
from encoding.splits import inner_folds

pytestmark = [pytest.mark.kernels, pytest.mark.usefixtures("windows_at_any_size")]


def searched(bands, y, folds, alphas, weights, **options):
    """Fits by the exact and the windowed search."""
    problem = bands, y, folds, alphas, weights
    return [
        fit_banded_ridge(*problem, Options(search=search, **options))
        for search in ("exact", "windowed")
    ]


def assert_as_good(exact, windowed):
    """Cross-validated R² short by at most 1e-4 in 99.9 % of voxels, by at most 1e-3 in any."""
    short = exact.cv_score - windowed.cv_score
    assert np.mean(short > 1e-4) <= 1e-3
    assert short.max() <= 1e-3
    assert (short >= -1e-5).all()


@pytest.mark.parametrize("widths", [(12, 9), (60, 50)])
def test_a_windowed_search_picks_what_the_exact_search_picks(widths):
    bands, y = simulated(8, 60, widths, 60)
    problem = bands, y, inner_folds(60, 4, 0), np.logspace(-2, 5, 22), draw_band_weights(2, 5, 0)
    exact, windowed = searched(*problem, dtype="float64")
    assert windowed.search == "windowed"
    assert_as_good(exact, windowed)


@pytest.mark.parametrize("minimum", [0, 11, 21])
def test_voxels_in_which_the_closed_form_misleads_are_searched_exactly(monkeypatch, minimum):
    bands, y = simulated(8, 60, (12, 9), 60)
    problem = bands, y, inner_folds(60, 4, 0), np.logspace(-2, 5, 22), draw_band_weights(2, 5, 0)

    def misleading(centred, decompositions, n_alphas, rotated) -> np.ndarray:
        curve = np.full((n_alphas, centred.n_voxels), 1e3)
        curve[minimum] = 0
        return curve

    monkeypatch.setattr("encoding.ridge.search.gcv_curve", misleading)
    exact, windowed = searched(*problem)
    assert windowed.exact.all()
    assert np.array_equal(exact.alpha, windowed.alpha)


def test_what_the_exact_search_does_at_once_is_searched_exactly(monkeypatch):
    """However many voxels there are: a voxel's search does not depend on the others'."""
    monkeypatch.setattr("encoding.ridge.windowed.SMALL", 2e6)
    weights = draw_band_weights(2, 5, 0)
    for n_images, width, small in ((250, 250, True), (1000, 500, False), (4000, 20, True)):
        bands = [np.random.default_rng(k).standard_normal((n_images, width)) for k in range(2)]
        design = Design(bands, inner_folds(n_images, 5, 0), Arrays())
        assert is_small(SearchGrid(design, weights, np.logspace(-2, 4, 21))) == small
    bands, y = simulated(8, 60, (12, 9), 5)
    windowed = searched(bands, y, inner_folds(60, 4, 0), ALPHAS, weights)[1]
    assert windowed.exact.all()


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_windows_take_penalties_that_decompositions_of_two_precisions_serve(backend):
    """Cholesky's in float32 and float64; many voxels try penalties of one alone."""
    bands, y = simulated(9, 300, (40, 30), 80)
    problem = bands, y, inner_folds(300, 4, 0), SHIPPED_ALPHAS, draw_band_weights(2, 3, 0)
    exact, windowed = searched(*problem, cholesky=True, backend=backend)
    assert not windowed.exact.all()
    assert_as_good(exact, windowed)


# ---- where images are not exchangeable

SHIPPED_ALPHAS = np.logspace(-5, 5, 21)


def autoregressive(generator, shape):
    """Rows that depend on those before them."""
    rows = generator.standard_normal(shape)
    for row in range(1, len(rows)):
        rows[row] = 0.9 * rows[row - 1] + np.sqrt(1 - 0.9**2) * rows[row]
    return rows


def clustered(generator, shape, cluster):
    """Rows that are alike within clusters."""
    shared = generator.standard_normal((cluster.max() + 1, shape[1]))[cluster]
    return np.sqrt(0.7) * shared + np.sqrt(0.3) * generator.standard_normal(shape)


def hard_problem(kind, n_images=400, widths=(40, 30), n_voxels=300):
    generator = np.random.default_rng(3)
    cluster, folds = generator.integers(0, 40, n_images), inner_folds(n_images, 5, 0)
    norms = {"leverage": np.exp(0.7 * generator.standard_normal((n_images, 1)))}
    norms["heavy"] = abs(generator.standard_cauchy((n_images, 1)))
    draw = {
        "autoregressive": lambda shape: autoregressive(generator, shape),
        "clusters": lambda shape: clustered(generator, shape, cluster),
        "wide": generator.standard_normal,
        "noise": generator.standard_normal,
        "scales": lambda shape: (
            generator.standard_normal(shape) * 10.0 ** generator.uniform(-4, 4, shape[1])
        ),
    }.get(kind, lambda shape: generator.standard_normal(shape) * norms[kind])
    if kind == "autoregressive":
        folds = np.arange(n_images) * 5 // n_images
    if kind == "clusters":
        folds = cluster % 5
    if kind == "wide":
        widths = (n_images, n_images)
    bands = {}
    for name, width in zip("ab", widths, strict=True):
        band = draw((n_images, width))
        bands[name] = (band / np.sqrt(np.mean(np.sum(band**2, axis=1)))).astype(np.float32)
    signal = np.hstack(list(bands.values())) @ generator.standard_normal((sum(widths), n_voxels))
    noise = draw((n_images, n_voxels)) if kind in ("autoregressive", "clusters") else 0
    noise = noise if np.ndim(noise) else generator.standard_normal((n_images, n_voxels))
    if kind == "leverage":
        noise = noise * norms[kind]
    strength = 0.0 if kind == "noise" else generator.uniform(0, 1.5, n_voxels)
    return bands, (strength * signal / signal.std(axis=0) + noise).astype(np.float32), folds


@pytest.mark.parametrize(
    ("kind", "exactly"),
    [
        ("wide", False),
        ("noise", None),  # whichever costs less
        ("scales", False),
        ("leverage", True),
        ("heavy", True),
        ("clusters", True),
        ("autoregressive", True),
    ],
)
def test_it_is_as_good_as_exact_or_says_that_it_searched_exactly(kind, exactly):
    """On the shipped grid; at the smallest penalties a wide model fits all images."""
    problem = *hard_problem(kind), SHIPPED_ALPHAS, draw_band_weights(2, 10, 0)
    exact, windowed = searched(*problem)
    assert_as_good(exact, windowed)
    assert exactly is None or (windowed.exact.mean() > 0.9) == exactly
    assert exact.exact.all()


# ---- candidates that the closed form rules out


def test_only_candidates_that_may_win_are_cross_validated():
    bands, y = simulated(40, 800, (10, 10), 60)
    weights = np.array([[0.5, 0.5], [1, 0], [0, 1], [0.8, 0.2]])
    arguments = bands, y, inner_folds(800, 4, 0), ALPHAS, weights
    exact = fit_banded_ridge(*arguments, EXACT)
    windowed = fit_banded_ridge(*arguments, replace(EXACT, search="windowed"))
    scored = ~np.isnan(windowed.candidate_scores)
    behind = exact.candidate_scores.max(axis=0) - exact.candidate_scores
    behind /= -exact.candidate_scores.max(axis=0)
    # both forms estimate the same error, up to some n-ths of it
    assert scored[behind < 0.5 * MISJUDGED / 800].all()
    assert not scored[behind > 2 * MISJUDGED / 800].any()
    assert 0.3 < scored.mean() < 0.9
    assert np.allclose(windowed.candidate_scores[scored], exact.candidate_scores[scored])
    assert np.allclose(windowed.coefficients, exact.coefficients)


def test_an_image_that_outweighs_all_others_leaves_every_candidate_in_contention():
    bands, y = simulated(43, 500, (10, 8), 30)
    bands["band1"][7] *= 1000
    arguments = bands, y, inner_folds(500, 4, 0), ALPHAS, draw_band_weights(2, 6, 0)
    fit = fit_banded_ridge(*arguments, replace(EXACT, search="windowed"))
    assert not np.isnan(fit.candidate_scores).any()


def test_responses_without_noise_are_fitted_as_well_by_either_search():
    bands, _ = simulated(42, 300, (12, 9), 1)
    generator = np.random.default_rng(1)
    y = np.hstack(list(bands.values())) @ generator.standard_normal((21, 40))
    arguments = bands, y, inner_folds(300, 4, 0), ALPHAS, draw_band_weights(2, 6, 0)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-6)):
        exact, windowed = (
            fit_banded_ridge(*arguments, Options(search=search, dtype=dtype))
            for search in ("exact", "windowed")
        )
        assert (exact.cv_score > 1 - 1e-6).all()
        assert np.allclose(windowed.cv_score, exact.cv_score, rtol=0, atol=tolerance)


def test_every_model_keeps_its_own_best_in_contention():
    scores = -np.array([[1.0, 1.0], [1.04, 2.0], [3.0, 1.9], [2.9, 1.5]])
    choices = [np.array([0, 1]), np.array([2, 3])]

    def within_limits(n_images, unevenness) -> list:
        design = SimpleNamespace(n_images=n_images, unevenness=unevenness, fit_intercept=True)
        limits = contention_limits(design, scores, choices, np.full(2, 4.0))
        return (-scores <= limits).tolist()

    close = [[True, True], [True, False], [True, False], [True, True]]
    assert within_limits(MISJUDGED * 20, 1) == close
    # more images, less doubt; unequal images, more
    alone = [[True, True], [False, False], [False, False], [True, True]]
    assert within_limits(MISJUDGED * 100, 1) == alone
    assert within_limits(MISJUDGED * 100, 5) == close
    # little is explained: limits are closer to the lowest error
    design = SimpleNamespace(n_images=4000, unevenness=1, fit_intercept=True)
    limits = contention_limits(design, scores, choices, np.array([1.001, 1.1]))
    assert limits[0] == pytest.approx([1 + 4 / 4000, 1 + MISJUDGED / 4000], abs=1e-5)
    # what the closed form cannot judge is not ruled out
    scores[1] = -np.inf
    assert within_limits(MISJUDGED * 100, 1)[1] == [True, True]
