"""Differences of two models: the test is exact, keeps its level, and finds what is there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from encoding.inference.bootstrap import draw_images
from encoding.inference.model_differences import compare_models, two_sided_p
from encoding.scores import r2_score
from pipeline.analyses.model_differences.tables import spaces_of


def noisy_models(n_images, n_voxels, errors, seed=0):
    """Responses of unit variance, and two predictions with errors of these deviations."""
    random = np.random.default_rng(seed)
    signal, *noise = random.normal(size=(3, n_images, n_voxels)).astype(np.float32)
    return signal, *(signal + size * part for size, part in zip(errors, noise, strict=True))


def test_few_images_are_tested_as_scipy_counts_all_flips():
    values = np.random.default_rng(1).normal(0.2, 1, (10, 6))
    expected = [
        stats.permutation_test(
            (column,), np.mean, permutation_type="samples", n_resamples=np.inf
        ).pvalue
        for column in values.T
    ]
    assert two_sided_p(values) == pytest.approx(expected)
    assert two_sided_p(-values) == pytest.approx(expected)


def test_many_images_are_tested_as_by_drawn_flips():
    effects = np.array([0, 0.1, 0.3, -0.3])
    values = np.random.default_rng(2).standard_t(4, (60, 4)) + effects
    signs = np.random.default_rng(3).choice([-1, 1], (200_000, 60))
    reached = np.abs(signs @ values) >= np.abs(values.sum(axis=0))
    assert two_sided_p(values) == pytest.approx(reached.mean(axis=0), abs=0.004)


def test_models_as_good_as_one_another_differ_as_often_as_the_level_says():
    n_voxels = 4000
    measured, first, second = noisy_models(100, n_voxels, (1, 1))
    counts = draw_images(100, 400, 0)
    found = compare_models(measured, first, second, counts)
    for level in (0.05, 0.01):
        lowest, highest = stats.binom.interval(0.999, n_voxels, level)
        assert lowest <= np.count_nonzero(found.p <= level) <= highest
    covered = np.mean((found.lower <= 0) & (found.upper >= 0))
    assert covered == pytest.approx(0.95, abs=0.015)


def test_the_better_model_is_found_with_its_sign_and_the_difference_inside_its_interval():
    """Errors of variance .5 and 1: R² differ by .5 in the population."""
    measured, first, second = noisy_models(200, 500, (np.sqrt(0.5), 1))
    counts = draw_images(200, 400, 0)
    found = compare_models(measured, first, second, counts)
    assert found.difference == pytest.approx(r2_score(measured, first) - r2_score(measured, second))
    assert found.difference.mean() == pytest.approx(0.5, abs=0.02)
    assert np.mean(found.p <= 0.01) > 0.97
    assert np.mean((found.lower <= 0.5) & (found.upper >= 0.5)) == pytest.approx(0.95, abs=0.04)
    swapped = compare_models(measured, second, first, counts)
    assert swapped.difference == pytest.approx(-found.difference)
    assert swapped.p == pytest.approx(found.p)
    assert swapped.lower == pytest.approx(-found.upper, abs=1e-5)


def test_models_that_predict_the_same_and_constant_voxels_are_not_tested():
    measured, first, _ = noisy_models(50, 2, (1, 1))
    measured[:, 1] = 3
    found = compare_models(measured, first, first, draw_images(50, 20, 0))
    assert np.isnan(found.p).all()
    assert found.difference[0] == 0
    assert np.isnan(found.difference[1])


def test_clusters_of_images_flip_together():
    """Images twice over are no more images."""
    measured, first, second = noisy_models(40, 50, (0.8, 1))
    twice = [np.repeat(values, 2, axis=0) for values in (measured, first, second)]
    blocks = np.repeat(np.arange(40), 2)
    once = compare_models(measured, first, second, draw_images(40, 100, 0))
    found = compare_models(*twice, draw_images(80, 100, 0, blocks), blocks=blocks)
    assert found.p == pytest.approx(once.p)
    assert found.lower == pytest.approx(once.lower, abs=1e-5)


def test_spaces_of_joint_models_are_listed_once():
    assert spaces_of(["clip+bert", "bert"]) == ["clip", "bert"]
