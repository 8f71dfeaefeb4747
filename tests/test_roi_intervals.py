"""Means of regions: closed forms, levels under the null hypothesis, planted effects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from encoding.inference.bootstrap import bootstrap_r2, draw_images
from encoding.region_scores import (
    component_scores,
    difference_scores,
    model_scores,
    sum_regions,
)
from encoding.scores import r2_score

LEVEL = 0.95
MODELS = ["a", "b", "a+b"]


def region_problem(n_images, n_regions, per_region, effect, seed=0):
    """Noise that voxels of a region share; `a` predicts a signal of this size, `b` nothing.

    Returns
    -------
    measured, {model: predictions}, (voxel, region) members
    """
    random = np.random.default_rng(seed)
    members = np.repeat(np.eye(n_regions, dtype=bool), per_region, axis=0)
    shape = (n_images, len(members))
    shared = random.standard_t(5, (n_images, n_regions)) @ members.T
    signal = random.normal(size=shape)
    measured = effect * signal + shared + random.normal(size=shape)
    predicted = {"a": effect * signal + 0.3 * random.normal(size=shape)}
    predicted["b"] = 0.3 * random.normal(size=shape)
    predicted["a+b"] = predicted["a"] + 0.01 * random.normal(size=shape)
    cast = {model: values.astype(np.float32) for model, values in predicted.items()}
    return measured.astype(np.float32), cast, members


@pytest.fixture(scope="module")
def planted():
    """One region of two with a signal, and a voxel more that is in no region."""
    measured, predicted, members = region_problem(200, 2, 150, 0.5)
    members[150:] = False, True
    predicted["a"][:, 150:] = predicted["b"][:, 150:]
    predicted["a+b"] = predicted["a"]
    members[-1] = False
    counts = draw_images(200, 500, 0)
    return measured, predicted, members, counts, sum_regions(measured, predicted, counts, members)


def test_means_and_intervals_are_those_of_the_mean_of_voxels(planted):
    measured, predicted, members, counts, sums = planted
    assert sums.n_voxels.tolist() == [150, 149]
    scores = model_scores(sums, LEVEL)
    draws = bootstrap_r2(measured, predicted, counts)
    for model in MODELS:
        r2 = r2_score(measured, predicted[model])
        for region, inside in enumerate(members.T):
            assert scores[model].mean[region] == pytest.approx(r2[inside].mean(), abs=1e-5)
            of_region = draws[model][:, inside].mean(axis=1)
            bias = of_region.mean() - r2[inside].mean()
            ends = np.quantile(of_region - 2 * bias, [0.025, 0.975])
            found = scores[model].lower[region], scores[model].upper[region]
            # expanded for the number of images, by 200 / 199 and Student's t
            assert found == pytest.approx(ends, abs=0.004)


def test_images_parts_add_up_to_r2(planted):
    _, _, _, _, sums = planted
    for model in MODELS:
        assert sums.gains[model].sum(axis=0) == pytest.approx(sums.r2[model][0], abs=1e-3)


def test_components_are_differences_of_means_and_models_that_are_the_same_are_not_tested(planted):
    *_, sums = planted
    r2 = {model: one.mean for model, one in model_scores(sums, LEVEL).items()}
    found = component_scores(sums, MODELS, ["a", "b"], LEVEL)
    assert found["a"].mean == pytest.approx(r2["a+b"] - r2["b"])
    assert found["b"].mean == pytest.approx(np.zeros(2), abs=1e-9)
    assert np.isnan(found["b"].p).all()
    assert found["a"].p[0] < 1e-6
    assert np.isnan(found["a"].p[1])


def test_a_difference_is_paired_and_has_its_sign(planted):
    *_, sums = planted
    found = difference_scores(sums, "b", "a", LEVEL)
    single = model_scores(sums, LEVEL)
    assert found.mean[0] == pytest.approx(single["b"].mean[0] - single["a"].mean[0])
    assert found.upper[0] < 0
    assert found.p[0] < 1e-6


def test_voxels_in_parts_give_the_sums_of_all(planted):
    measured, predicted, members, counts, sums = planted
    halves = [slice(0, 170), slice(170, None)]
    first, second = (
        sum_regions(measured[:, h], {m: v[:, h] for m, v in predicted.items()}, counts, members[h])
        for h in halves
    )
    added = first + second
    for model in MODELS:
        assert added.r2[model] == pytest.approx(sums.r2[model], rel=1e-5, abs=1e-4)
    assert (added.n_voxels == sums.n_voxels).all()


def test_regions_without_an_effect_are_significant_as_often_as_the_level_says():
    """Voxels of a region share noise with heavy tails, which a test by voxels would take for more
    evidence than there is."""
    n_regions = 600
    measured, predicted, members = region_problem(80, n_regions, 4, 0, seed=1)
    sums = sum_regions(measured, predicted, draw_images(80, 20, 0), members)
    # a is as good as b: both are noise of one size
    assert predicted["a"].std() == pytest.approx(predicted["b"].std(), rel=0.01)
    p_values = {
        "model": model_scores(sums, LEVEL)["a"].p,
        "difference": difference_scores(sums, "a", "b", LEVEL).p,
    }
    for name, p in p_values.items():
        for level in (0.05, 0.01):
            lowest, highest = stats.binom.interval(0.999, n_regions, level)
            assert lowest <= np.count_nonzero(p <= level) <= highest, (name, level)


@pytest.mark.parametrize("per_region", [1, 30])
def test_intervals_cover_the_scores_of_the_population(per_region):
    """Over 75 experiments with 4 regions each. Of many voxels, percentile intervals would cover in
    60 %: R² of 100 images is biased by (1 - R²) / 100, and that of draws twice."""
    effect, covered = 0.6, {"r2": 0, "difference": 0}
    # noise: of t with 5 degrees of freedom, shared by a region's voxels, and normal
    variance = effect**2 + 5 / 3 + 1
    r2 = {"a": 1 - (5 / 3 + 1 + 0.09) / variance, "b": 1 - (variance + 0.09) / variance}
    for seed in range(75):
        measured, predicted, members = region_problem(100, 4, per_region, effect, seed=seed)
        single = {model: predicted[model] for model in "ab"}
        sums = sum_regions(measured, single, draw_images(100, 200, seed), members)
        found = model_scores(sums, LEVEL)["a"]
        covered["r2"] += np.sum((found.lower <= r2["a"]) & (r2["a"] <= found.upper))
        found = difference_scores(sums, "a", "b", LEVEL)
        gap = r2["a"] - r2["b"]
        covered["difference"] += np.sum((found.lower <= gap) & (gap <= found.upper))
    lowest, highest = stats.binom.interval(0.9999, 300, LEVEL)
    assert all(lowest <= n <= highest for n in covered.values()), covered
