"""Weights of known picks: those of the search that picked them, and those of a closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ridge_problems import simulated

from encoding.ridge import himalaya_solver
from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.image_weights import WeighedImages
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import fit_models
from encoding.ridge.weights import stream_weights

TOLERANCE = 1e-5
ALPHAS = np.logspace(-3, 4, 8)
# one, two and three bands; more features than images in some of them, or in all together
WIDTHS = [(30,), (200,), (40, 20), (150, 20), (70, 60), (30, 20, 10), (60, 150, 50)]


def apart(found, expected):
    """Largest distance of a voxel, relative to its norm."""
    return np.max(np.linalg.norm(found - expected, axis=0) / np.linalg.norm(expected, axis=0))


def fitted(bands, responses, options, n_candidates=6):
    """A search's fit of all bands, and the folds."""
    folds = np.arange(len(responses)) % 4
    candidates = draw_band_weights(len(bands), n_candidates, 0)
    problem = Problem.of_one_model(bands, responses, folds, ALPHAS, candidates, options)
    return fit_models(problem)["model"], folds


def refitted(bands, responses, folds, alpha, band_weights, options):
    """Weights and intercepts of all voxels, NaN where there are none."""
    n_features = sum(band.shape[1] for band in bands.values())
    weights = np.full((n_features, responses.shape[1]), np.nan)
    intercept = np.full(responses.shape[1], np.nan)
    for found in stream_weights(bands, responses, folds, alpha, band_weights, options):
        weights[:, found.voxels], intercept[found.voxels] = found.weights, found.intercept
    return weights, intercept


def closed_form(bands, response, alpha, band_weights):
    """Weights of one voxel, by singular values in float64."""
    roots = [
        np.full(band.shape[1], weight) for band, weight in zip(bands, band_weights, strict=True)
    ]
    roots = np.sqrt(np.concatenate(roots))
    rows = roots * (np.hstack(bands) - np.hstack(bands).mean(axis=0))
    left, singular, right = np.linalg.svd(rows, full_matrices=False)
    shrunk = singular / (singular**2 + alpha) * (left.T @ (response - response.mean()))
    return roots * (right.T @ shrunk)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", WIDTHS)
def test_weights_and_predictions_are_those_of_the_search(widths, dtype, backend):
    bands, responses = simulated(0, 120, widths, 20)
    responses = responses.astype(dtype)
    options = Options(search="exact", dtype=dtype, backend=backend)
    fit, folds = fitted(bands, responses, options)
    # as they are stored
    picked = fit.alpha.astype(np.float32), fit.band_weights.astype(np.float32)
    weights, intercept = refitted(bands, responses, folds, *picked, options)
    assert apart(weights, fit.coefficients) < TOLERANCE
    shown, _ = simulated(1, 50, widths, 1)
    found = replace(fit, coefficients=weights, intercept=intercept).predict(shown)
    assert apart(found, fit.predict(shown)) < TOLERANCE


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("relative", [1e-14, 1e-12, 2e-11, 1e-8, 1e-4, 1.0])
def test_weights_are_exact_however_small_a_penalty_and_however_alike_the_bands(widths, relative):
    """Penalties relative to the largest eigenvalue; features of six decades, some in two bands."""
    generator = np.random.default_rng(0)
    bands, responses = simulated(0, 120, widths, 1)
    for band in bands.values():
        band *= 10.0 ** -generator.uniform(0, 3, band.shape[1])
        band[:, :10] = bands["band0"][:, :10]
    band_weights = draw_band_weights(len(widths), 4, 0)[-1]
    weighted = [band * np.sqrt(w) for band, w in zip(bands.values(), band_weights, strict=True)]
    alpha = relative * np.linalg.norm(np.hstack(weighted), 2) ** 2
    options = Options(dtype="float64")
    picked = np.array([alpha]), band_weights[:, None]
    folds = np.arange(120) % 4
    weights, intercept = refitted(bands, responses, folds, *picked, options)
    features = [*bands.values()]
    expected = closed_form(features, responses[:, 0], alpha, band_weights)
    predicted, exact = np.hstack(features) @ weights, np.hstack(features) @ expected[:, None]
    assert apart(predicted - predicted.mean(axis=0), exact - exact.mean(axis=0)) < TOLERANCE
    assert intercept == pytest.approx(responses.mean() - exact.mean(), abs=1e-5)


def test_voxels_that_lack_images_are_fitted_on_the_images_they_have():
    bands, responses = simulated(0, 120, (30, 20), 12)
    responses[:20, :4], responses[50:, 4], responses[:, 5] = np.nan, np.nan, 1.0
    options = Options(search="exact")
    fit, folds = fitted(bands, responses, options)
    weights, intercept = refitted(bands, responses, folds, fit.alpha, fit.band_weights, options)
    assert np.isfinite(intercept).tolist() == np.isfinite(fit.alpha).tolist()
    measured = np.isfinite(fit.alpha)
    assert measured[:4].all()
    assert not measured[5]
    assert apart(weights[:, measured], fit.coefficients[:, measured]) < TOLERANCE
    assert intercept[measured] == pytest.approx(fit.intercept[measured], abs=1e-5)


def test_weighed_images_are_refitted_as_they_were_fitted():
    bands, responses = simulated(0, 120, (30, 20), 6)
    n_repeats, folds = np.random.default_rng(0).integers(1, 4, 120), np.arange(120) % 4
    candidates, options = draw_band_weights(2, 6, 0), Options(search="exact", missing="exclude")
    problem = Problem.of_one_model(bands, responses, folds, ALPHAS, candidates, options)
    images = WeighedImages(problem, n_repeats)
    fit, weighed = fit_models(images.problem)["model"], images.problem
    picked = fit.alpha, fit.band_weights
    weights, _ = refitted(weighed.bands, weighed.responses, folds, *picked, weighed.options)
    assert apart(weights, fit.coefficients) < TOLERANCE
    voxels = np.arange(6)
    expected = images.intercept(voxels, fit.coefficients)
    assert images.intercept(voxels, weights) == pytest.approx(expected, abs=1e-5)


def test_a_voxel_taken_over_from_a_smaller_model_is_refitted_as_that_model_was():
    bands, responses = simulated(0, 120, (30, 20), 6)
    options = Options(search="exact")
    one = {"band0": bands["band0"]}
    fit, folds = fitted(one, responses, options, 1)
    band_weights = np.vstack([fit.band_weights, np.zeros((1, 6))])
    weights, intercept = refitted(bands, responses, folds, fit.alpha, band_weights, options)
    assert apart(weights[:30], fit.coefficients) < TOLERANCE
    assert not weights[30:].any()
    assert intercept == pytest.approx(fit.intercept, abs=1e-5)


def test_little_memory_makes_small_blocks_of_the_same_weights():
    bands, responses = simulated(0, 120, (30, 20), 1500)
    responses = responses.astype(np.float32)
    alpha = np.random.default_rng(0).choice(ALPHAS, 1500)
    band_weights = draw_band_weights(2, 1500, 0).T
    picked = np.arange(120) % 4, alpha, band_weights
    ample, scarce = Options(), Options(memory_bytes=2.2e6)
    assert len(list(stream_weights(bands, responses, *picked, ample))) == 1
    blocks = list(stream_weights(bands, responses, *picked, scarce))
    assert len(blocks) == 3
    weights, _ = refitted(bands, responses, *picked, scarce)
    expected, _ = refitted(bands, responses, *picked, ample)
    assert apart(weights, expected) < 1e-6
    with pytest.raises(ValueError, match=r"memory: 0.001 GB do not hold a refit of 120 images"):
        list(stream_weights(bands, responses, *picked, Options(memory_bytes=1e6)))


def test_picks_that_do_not_go_with_the_voxels_are_refused():
    bands, responses = simulated(0, 40, (3,), 2)
    folds = np.arange(40) % 2
    with pytest.raises(ValueError, match="1 voxels have no penalty"):
        list(stream_weights(bands, responses, folds, [1.0, np.nan], np.ones((1, 2))))
    with pytest.raises(ValueError, match="expected"):
        list(stream_weights(bands, responses, folds, [1.0], np.ones((1, 2))))


@pytest.mark.parametrize("widths", [(30, 20), (150, 20)])
def test_himalayas_fits_are_refitted_by_this_solver(widths):
    """Also of voxels without images, which it leaves out."""
    bands, responses = simulated(0, 120, widths, 8)
    responses[3, 2] = np.nan
    options = Options(search="exact", dtype="float64", missing="exclude")
    folds, candidates = np.arange(120) % 4, draw_band_weights(2, 6, 0)
    problem = Problem.of_one_model(bands, responses, folds, ALPHAS, candidates, options)
    fit = fit_models(problem, himalaya_solver.stream_fits)["model"]
    weights, intercept = refitted(bands, responses, folds, fit.alpha, fit.band_weights, options)
    measured = np.arange(8) != 2
    assert np.isfinite(intercept).tolist() == measured.tolist()
    shown, _ = simulated(1, 50, widths, 1)
    found = replace(fit, coefficients=weights, intercept=intercept).predict(shown)[:, measured]
    assert apart(found, fit.predict(shown)[:, measured]) < TOLERANCE
