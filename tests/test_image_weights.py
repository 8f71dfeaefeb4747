"""Weighed images: those of scikit-learn, ridge on single trials, and what they gain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from conftest import TINY
from sklearn.linear_model import Ridge

from encoding.ridge.image_weights import WeighedImages
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import fit_models
from encoding.scores import r2_score
from pipeline.configuration.reading import parse_configuration
from pipeline.errors import InputError

OPTIONS = Options(search="exact", dtype="float64", missing="exclude")


def problem_of(features, responses, alphas, options=OPTIONS):
    folds = np.arange(len(features)) % 5
    return Problem.of_one_model(
        {"space": features}, responses, folds, np.asarray(alphas), np.ones((1, 1)), options
    )


def fit(problem, n_repeats=None):
    if n_repeats is None:
        return fit_models(problem)["model"]
    weighed = WeighedImages(problem, n_repeats)
    found = fit_models(weighed.problem)["model"]
    intercept = weighed.intercept(np.arange(problem.responses.shape[1]), found.coefficients)
    return replace(found, intercept=intercept)


def trials(n_images, n_features, n_voxels, noise, seed=0):
    """Images of one to three trials: features, trials' images, responses to trials, weights."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_images, n_features)) + 1
    n_repeats = random.integers(1, 4, n_images)
    image = np.repeat(np.arange(n_images), n_repeats)
    weights = random.normal(size=(n_features, n_voxels)) / np.sqrt(n_features)
    signal = features @ weights + 2
    responses = signal[image] + noise * random.normal(size=(len(image), n_voxels))
    return features, image, responses, n_repeats, weights


def averaged(image, responses):
    sums = np.zeros((image.max() + 1, responses.shape[1]))
    np.add.at(sums, image, responses)
    return sums / np.bincount(image)[:, None]


def test_fits_are_those_of_scikit_learn_with_sample_weights():
    features, image, responses, n_repeats, _ = trials(80, 6, 4, 1.0)
    measured = averaged(image, responses)
    found = fit(problem_of(features, measured, [3.0]), n_repeats)
    weights = n_repeats / n_repeats.mean()
    expected = Ridge(3.0).fit(features, measured, sample_weight=weights)
    assert found.coefficients == pytest.approx(expected.coef_.T)
    assert found.intercept == pytest.approx(expected.intercept_)


def test_fits_are_those_of_single_trials():
    features, image, responses, n_repeats, _ = trials(80, 6, 4, 1.0)
    found = fit(problem_of(features, averaged(image, responses), [3.0]), n_repeats)
    of_trials = Ridge(3.0 * n_repeats.mean()).fit(features[image], responses)
    assert found.coefficients == pytest.approx(of_trials.coef_.T)
    assert found.intercept == pytest.approx(of_trials.intercept_)


def test_images_of_as_many_trials_are_fitted_as_without_weights():
    features, _, _, _, weights = trials(80, 6, 4, 1.0)
    measured = features @ weights + np.random.default_rng(1).normal(size=(80, 4))
    plain = fit(problem_of(features, measured, [0.1, 1, 10]))
    found = fit(problem_of(features, measured, [0.1, 1, 10]), np.full(80, 2))
    assert found.coefficients == pytest.approx(plain.coefficients, rel=1e-6)
    assert found.intercept == pytest.approx(plain.intercept, rel=1e-6)


def test_voxels_that_lack_an_image_or_do_not_vary_are_left_out():
    features, image, responses, n_repeats, _ = trials(60, 4, 3, 1.0)
    measured = averaged(image, responses)
    measured[5, 1], measured[:, 2] = np.nan, 3.3
    found = fit(problem_of(features, measured, [1.0]), n_repeats)
    assert np.isfinite(found.intercept).tolist() == [True, False, False]


def test_what_cannot_be_weighed_is_refused():
    features, image, responses, n_repeats, _ = trials(60, 4, 3, 1.0)
    problem = problem_of(features, averaged(image, responses), [1.0])
    with pytest.raises(ValueError, match="averaged of no trial"):
        WeighedImages(problem, np.where(np.arange(60) == 3, 0, n_repeats))
    with pytest.raises(ValueError, match="missing='exclude'"):
        WeighedImages(problem_of(features, averaged(image, responses), [1.0], Options()), n_repeats)


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (
            {"missing_images": "available"},
            "goes with `solver: native` and `missing_images: exclude`",
        ),
        ({}, "interpretation: does not support weighted training images"),
    ],
)
def test_what_a_study_cannot_weigh_is_refused(encoding, message):
    values = yaml.safe_load(TINY.read_text())
    values["encoding"] |= {"image_weights": "repeats", **encoding}
    with pytest.raises(InputError, match=message):
        parse_configuration(values)


def test_weights_gain_where_repeats_differ_and_noise_is_large():
    """Test images are without noise: R² of the signal."""
    features, image, responses, n_repeats, weights = trials(400, 60, 60, 3.0)
    problem = problem_of(features, averaged(image, responses), np.logspace(-1, 4, 16))
    shown = np.random.default_rng(9).normal(size=(500, 60)) + 1
    signal = shown @ weights + 2
    plain, weighed = (
        r2_score(signal, one.predict({"space": shown})).mean()
        for one in (fit(problem), fit(problem, n_repeats))
    )
    assert weighed > 1.01 * plain
