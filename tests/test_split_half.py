"""Split-half reliability: closed form, and what other images really give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from encoding.scores import r2_score
from encoding.split_half import (
    draw_halves,
    spearman_brown,
    split_half_correlation,
    unique_variance_of_halves,
)

SPACES = ["a", "b"]


def simulated(n_images, n_voxels, strengths, seed):
    """Responses driven by two spaces, `a` as strongly as told for each voxel, and perfect models.

    Returns
    -------
    measured, {model: predictions}
    """
    random = np.random.default_rng(seed)
    a, b, noise = random.normal(size=(3, n_images, n_voxels)).astype(np.float32)
    a = a * strengths.astype(np.float32)
    return a + b + noise, {"a": a, "b": b, "a+b": a + b}


def test_halves_have_all_images_once_and_as_many():
    halves = draw_halves(101, 7, 0)
    assert halves.shape == (7, 2, 101)
    assert (halves.sum(axis=1) == 1).all()
    assert halves.sum(axis=2).tolist() == [[50, 51]] * 7
    assert len(np.unique(halves[:, 0], axis=0)) == 7


def test_images_of_a_block_stay_together():
    blocks = np.repeat(np.arange(10), 4)
    halves = draw_halves(40, 5, 0, blocks)
    of_blocks = halves[:, 0].reshape(5, 10, 4)
    assert (of_blocks == of_blocks[..., :1]).all()
    assert (of_blocks[..., 0].sum(axis=1) == 5).all()
    with pytest.raises(ValueError, match="cannot be halved"):
        draw_halves(4, 1, 0, np.zeros(4))


def test_unique_variance_of_a_half_is_that_of_its_images_alone():
    measured, predicted = simulated(60, 5, np.linspace(0, 1, 5), 0)
    halves = draw_halves(60, 3, 0)
    found = unique_variance_of_halves(measured, predicted, SPACES, halves)
    for split in range(3):
        for half in range(2):
            chosen = halves[split, half] > 0
            r2 = {m: r2_score(measured[chosen], v[chosen]) for m, v in predicted.items()}
            expected = [r2["a+b"] - r2["b"], r2["a+b"] - r2["a"]]
            assert found[split, half] == pytest.approx(np.array(expected), abs=1e-5)


def test_correlations_are_scipys_and_missing_voxels_are_left_out():
    values = np.random.default_rng(0).normal(size=(4, 2, 30)) + np.linspace(0, 2, 30)
    expected = np.mean([stats.pearsonr(first, second).statistic for first, second in values])
    missing = np.concatenate([values, np.full((4, 2, 1), np.nan)], axis=-1)
    assert split_half_correlation(missing) == pytest.approx(expected)
    assert np.isnan(split_half_correlation(values[..., :2]))
    assert np.isnan(split_half_correlation(np.ones((1, 2, 9))))


def test_spearman_brown_is_cronbachs_alpha_of_two_parallel_halves():
    first, second = np.random.default_rng(0).normal(size=(2, 500)) + np.linspace(-1, 1, 500)
    parts = np.array([stats.zscore(first), stats.zscore(second)])
    alpha = 2 * (1 - parts.var(axis=1).sum() / parts.sum(axis=0).var())
    assert spearman_brown(stats.pearsonr(first, second).statistic) == pytest.approx(alpha)
    assert spearman_brown(1) == 1
    assert np.isnan(spearman_brown(np.nan))


def test_reliability_is_how_well_as_many_other_images_give_the_same_map():
    """Twelve sets of test images, of 300 voxels whose unique variance differs."""
    strengths = np.linspace(0, 0.8, 300)
    n_images = 120
    maps, reliabilities = [], []
    for seed in range(12):
        measured, predicted = simulated(n_images, 300, strengths, seed)
        r2 = {model: r2_score(measured, values) for model, values in predicted.items()}
        maps.append(r2["a+b"] - r2["b"])
        halves = draw_halves(n_images, 10, seed)
        unique = unique_variance_of_halves(measured, predicted, SPACES, halves)
        reliabilities.append(spearman_brown(split_half_correlation(unique[:, :, 0])))
    again = np.corrcoef(maps)[np.triu_indices(12, 1)].mean()
    assert 0.3 < again < 0.95
    assert np.mean(reliabilities) == pytest.approx(again, abs=0.03)


def test_a_map_without_structure_has_no_reliability():
    measured, predicted = simulated(100, 400, np.zeros(400), 0)
    predicted["a"] = 0.2 * np.random.default_rng(1).normal(size=(100, 400)).astype(np.float32)
    predicted["a+b"] = predicted["a"] + predicted["b"]
    unique = unique_variance_of_halves(measured, predicted, SPACES, draw_halves(100, 20, 0))
    # its square error: a correlation over 400 voxels has one of 1 / 20
    assert abs(split_half_correlation(unique[:, :, 0])) < 0.15
