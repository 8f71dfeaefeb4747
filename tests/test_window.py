"""The windowed search picks what the exact search picks, and scores fewer candidates."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ridge_problems import ALPHAS, EXACT, simulated

from encoding.banded_ridge import Options, draw_band_weights, fit_banded_ridge
from encoding.splits import inner_folds
from encoding.window import MISJUDGED, in_contention


@pytest.mark.parametrize("widths", [(12, 9), (60, 50)])
def test_a_windowed_search_picks_what_the_exact_search_picks(widths):
    bands, y = simulated(8, 60, widths, 60)
    arguments = bands, y, inner_folds(60, 4, 0), np.logspace(-2, 5, 22), draw_band_weights(2, 5, 0)
    exact = fit_banded_ridge(*arguments, EXACT)
    windowed = fit_banded_ridge(*arguments, replace(EXACT, search="windowed"))
    assert windowed.search == "windowed"
    # a curve with two minima may be left at the other one
    assert np.mean(np.isclose(exact.cv_score, windowed.cv_score, atol=1e-9)) > 0.95
    assert (windowed.cv_score <= exact.cv_score + 1e-9).all()


@pytest.mark.parametrize("start", [0, 11, 21])
def test_wherever_a_windowed_search_starts_it_walks_to_the_minimum(monkeypatch, start):
    bands, y = simulated(8, 60, (12, 9), 60)
    alphas = np.logspace(-2, 5, 22)
    arguments = bands, y, inner_folds(60, 4, 0), alphas, draw_band_weights(2, 5, 0)

    def misled(operands, factors, n_alphas, rotated) -> np.ndarray:
        curve = np.ones((n_alphas, len(operands.responses)))
        curve[start] = 0
        return curve

    exact = fit_banded_ridge(*arguments, EXACT)
    monkeypatch.setattr("encoding.search.gcv_curve", misled)
    windowed = fit_banded_ridge(*arguments, replace(EXACT, search="windowed"))
    assert len(np.unique(exact.alpha)) > 5
    # a curve with two minima may be left at the other one
    assert np.mean(exact.alpha == windowed.alpha) > 0.9


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


@pytest.mark.parametrize("noise", [0, 1, 3])
def test_images_of_unequal_leverage_rule_out_no_winner(noise):
    bands, y = simulated(41, 1000, (30, 20), 300)
    generator = np.random.default_rng(0)
    scale = np.exp(0.5 * generator.standard_normal((1000, 1)))
    bands = {name: band * scale for name, band in bands.items()}
    # louder where leverage is large: generalised cross-validation cannot know
    y = y + noise * (scale - 1) * generator.standard_normal(y.shape)
    arguments = bands, y, inner_folds(1000, 5, 0), ALPHAS, draw_band_weights(2, 12, 0)
    exact = fit_banded_ridge(*arguments, EXACT)
    windowed = fit_banded_ridge(*arguments, replace(EXACT, search="windowed"))
    assert np.isnan(windowed.candidate_scores).mean() > 0.05
    assert np.mean(exact.cv_score - windowed.cv_score > 1e-6) < 0.01


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

    def wanted(n_images, unevenness) -> list:
        design = SimpleNamespace(n_images=n_images, unevenness=unevenness)
        return in_contention(design, scores, choices, np.ones(2)).tolist()

    close = [[True, True], [True, False], [True, False], [True, True]]
    assert wanted(MISJUDGED * 20, 1) == close
    # more images, less doubt; unequal images, more
    alone = [[True, True], [False, False], [False, False], [True, True]]
    assert wanted(MISJUDGED * 100, 1) == alone
    assert wanted(MISJUDGED * 100, 5) == close
    # what the closed form cannot judge is not ruled out
    scores[1] = -np.inf
    assert wanted(MISJUDGED * 100, 1)[1] == [True, True]
