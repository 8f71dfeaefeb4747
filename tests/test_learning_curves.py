"""Where a wide strong space overtakes a narrow weak one is found where theory says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from encoding.learning_curves import overtaking_size, weighted_sums
from encoding.ridge.solver import fit_banded_ridge
from encoding.scaling import FeatureScaling
from encoding.scores import r2_score

SIZES = np.array([50, 100, 200, 400, 800])
# features of a space, and the share of a voxel's variance that they explain
NARROW, WIDE = (10, 0.2), (200, 0.4)


def best_ridge_r2(n_images, n_features, explained):
    """Expected test R² of ridge at its best penalty, isotropic features and weights: Dobriban &
    Wager 2018, Annals of Statistics, theorem 2.1."""
    strength, ratio = explained / (1 - explained), n_features / n_images
    part = (ratio - 1) / ratio * strength
    risk = (1 + part + np.sqrt((1 - part) ** 2 + 4 * strength)) / 2
    return 1 - (1 - explained) * risk


def test_the_wide_space_overtakes_the_narrow_one_where_theory_says():
    """200 voxels, 4,000 test images; the crossing lies within 15 % of the expected one."""
    random = np.random.default_rng(0)
    n_train, n_test, n_voxels = SIZES[-1], 4000, 200
    spaces, signals = [], 0
    for n_features, explained in (NARROW, WIDE):
        features = random.standard_normal((n_train + n_test, n_features))
        weights = random.standard_normal((n_features, n_voxels)) / np.sqrt(n_features)
        signals = signals + np.sqrt(explained) * features @ weights
        spaces.append(features)
    explained = NARROW[1] + WIDE[1]
    noise = random.standard_normal(signals.shape)
    responses = (signals + np.sqrt(1 - explained) * noise).astype(np.float32)
    scores = np.empty((2, len(SIZES)))
    for (space, features), (place, size) in (
        (s, n) for s in enumerate(spaces) for n in enumerate(SIZES)
    ):
        scaling = FeatureScaling.fit(features[:size])
        fit = fit_banded_ridge(
            {"space": scaling.transform(features[:size])},
            responses[:size],
            np.arange(size) % 5,
            np.logspace(-3, 3, 25),
            np.ones((1, 1)),
        )
        predicted = fit.predict({"space": scaling.transform(features[n_train:])})
        scores[space, place] = r2_score(responses[n_train:], predicted).mean()
    expected = brentq(lambda n: best_ridge_r2(n, *WIDE) - best_ridge_r2(n, *NARROW), 50, 800)
    assert scores[0, 0] > scores[1, 0]
    assert overtaking_size(SIZES, *scores) == pytest.approx(expected, rel=0.15)


def test_a_crossing_is_interpolated_on_a_logarithmic_axis():
    found = overtaking_size(np.array([100, 1000]), np.array([1.0, 1.0]), np.array([0.5, 1.5]))
    assert found == pytest.approx(np.sqrt(100 * 1000))


def test_being_ahead_for_good_counts():
    """Ahead by chance at 100 images, behind at 200, ahead from some size between 200 and 400."""
    second = np.array([-1.0, 0.1, -0.1, 0.1, 0.3])
    found = overtaking_size(SIZES, np.zeros(5), second)
    assert found == pytest.approx(np.sqrt(200 * 400))


def test_who_is_always_ahead_or_never_in_the_end_overtakes_nowhere():
    first = np.zeros((5, 3))
    second = np.stack([np.full(5, 0.1), [1, 1, 1, 1, -0.1], [-1, -1, np.nan, 1, 1]], axis=1)
    assert np.array_equal(overtaking_size(SIZES, first, second), [0, np.inf, np.nan], True)


@given(st.integers(0, 2**31))
def test_one_model_at_most_overtakes_another_and_between_measured_sizes(seed):
    first, second = np.random.default_rng(seed).standard_normal((2, 5, 20))
    there, back = overtaking_size(SIZES, first, second), overtaking_size(SIZES, second, first)
    crossing = (there > 0) & np.isfinite(there)
    assert np.isinf(back[crossing]).all()
    assert ((there[crossing] >= 50) & (there[crossing] <= 800)).all()
    draw = 7
    assert overtaking_size(SIZES, first[:, draw], second[:, draw]) == there[draw]


@pytest.mark.parametrize("sizes", [[], [0, 10], [10, 10]])
def test_sizes_that_do_not_ascend_are_reported(sizes):
    with pytest.raises(ValueError, match="do not ascend"):
        overtaking_size(np.array(sizes), np.zeros(len(sizes)), np.zeros(len(sizes)))


def test_scores_of_other_sizes_are_reported():
    with pytest.raises(ValueError, match="not of the 5 sizes"):
        overtaking_size(SIZES, np.zeros(4), np.zeros(4))


def test_a_voxel_without_a_score_in_a_draw_is_left_out_of_that_draw_of_its_regions():
    """Two models, three draws, four voxels in two blocks; two regions and all voxels."""
    scores = np.random.default_rng(0).standard_normal((2, 3, 4))
    scores[1, 2, 0] = np.nan
    scores[:, 0, 3] = np.nan
    regions = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
    weights = regions / regions.sum(axis=1, keepdims=True)
    parts = np.arange(4).reshape(2, 2)
    blocks = [weighted_sums(scores[..., part], weights[:, part]) for part in parts]
    sums, known = (sum(of_blocks) for of_blocks in zip(*blocks, strict=True))
    with np.errstate(invalid="ignore"):
        means = sums / known
    there = np.isfinite(scores).all(axis=0)
    for region, draw in np.ndindex(3, 3):
        voxels = regions[region].astype(bool) & there[draw]
        expected = scores[:, draw, voxels].mean(axis=1) if voxels.any() else np.nan
        assert np.allclose(means[:, region, draw], expected, equal_nan=True)
    assert np.argwhere(np.isnan(means[0])).tolist() == [[1, 0]]
