"""Intervals and tests keep their word on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score as sklearn_r2
from statsmodels.stats.multitest import multipletests

from encoding.inference.bootstrap import (
    bootstrap_p,
    bootstrap_scores,
    count_drawn,
    draw_images,
    interval,
)
from encoding.inference.significance import (
    component_p,
    correlation_p,
    false_discovery_rate,
    sign_flip_p,
)
from encoding.scores import loss_difference, r2_score
from encoding.variance_partitioning import partition_variance, subsets


def simulated(n_images, n_voxels, r2, seed):
    """Measured responses and predictions that explain `r2` of the population's variance."""
    random = np.random.default_rng(seed)
    signal = random.standard_normal((n_images, n_voxels)) * np.sqrt(r2)
    noise = random.standard_normal((n_images, n_voxels)) * np.sqrt(1 - r2)
    return 3 + signal + noise, 3 + signal


# ---- the bootstrap


@given(st.integers(0, 2**31), st.integers(3, 40))
def test_every_draw_is_the_score_of_the_images_drawn(seed, n_images):
    """Against a loop that resamples images and predictions together, by other code."""
    measured, predicted = simulated(n_images, 4, 0.4, seed)
    counts = draw_images(n_images, 5, seed)
    assert counts.sum(axis=1).tolist() == [n_images] * 5
    found = bootstrap_scores(measured, {"model": predicted}, counts)
    for draw in range(5):
        rows = np.repeat(np.arange(n_images), counts[draw].astype(int))
        if len(np.unique(rows)) < 3:
            continue
        expected = sklearn_r2(measured[rows], predicted[rows], multioutput="raw_values")
        assert np.allclose(found.r2["model"][draw], expected, atol=2e-4, rtol=1e-3)
        r = stats.pearsonr(measured[rows], predicted[rows]).statistic
        assert np.allclose(found.r["model"][draw], r, atol=2e-4)


def test_images_without_a_response_are_left_out_of_a_voxels_draws():
    measured, predicted = simulated(50, 3, 0.5, 0)
    lacking = measured.copy()
    lacking[7, 1] = np.nan
    counts = draw_images(50, 20, 0)
    whole = bootstrap_scores(measured, {"model": predicted}, counts).r2["model"]
    found = bootstrap_scores(lacking, {"model": predicted}, counts).r2["model"]
    assert np.allclose(found[:, [0, 2]], whole[:, [0, 2]], atol=1e-5)
    fewer = counts.copy()
    fewer[:, 7] = 0
    expected = bootstrap_scores(measured, {"model": predicted}, fewer).r2["model"]
    assert np.allclose(found[:, 1], expected[:, 1], atol=1e-5)


def test_a_prediction_that_hardly_varies_about_another_mean_has_its_r():
    measured, predicted = simulated(200, 3, 0.5, 0)
    faint = 5 + 1e-3 * (predicted - predicted.mean(axis=0))
    counts = draw_images(200, 50, 0)
    r = bootstrap_scores(measured, {"m": predicted}, counts).r["m"]
    found = bootstrap_scores(measured, {"m": faint}, counts)
    assert np.allclose(found.r["m"], r, atol=1e-3)
    rows = np.repeat(np.arange(200), counts[0].astype(int))
    expected = sklearn_r2(measured[rows], faint[rows], multioutput="raw_values")
    assert np.allclose(found.r2["m"][0], expected, rtol=1e-4)


@given(st.integers(0, 2**31), st.integers(2, 60), st.floats(0.05, 0.99))
def test_intervals_are_percentiles_of_the_draws(seed, n_draws, level):
    samples = np.random.default_rng(seed).standard_normal((n_draws, 5)).astype(np.float32)
    samples[1, 3] = np.nan
    ends = [50 * (1 - level), 50 * (1 + level)]
    expected = np.percentile(samples, ends, axis=0)
    assert np.allclose(interval(samples, level), expected, atol=1e-5, equal_nan=True)


def test_intervals_of_few_images_are_expanded_as_student_s_t_is_wider():
    """For draws of the mean of normal values the expanded interval is the classical one."""
    random = np.random.default_rng(0)
    values = random.standard_normal((8, 1))
    draws = (draw_images(8, 200_000, 1) @ values / 8).astype(np.float32)
    narrow, expanded = (np.diff(interval(draws, n_drawn=n), axis=0).item() for n in (None, 8))
    classical = 2 * stats.t.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8)
    assert narrow < 0.82 * classical
    assert expanded == pytest.approx(classical, rel=0.06)
    assert np.allclose(interval(draws, n_drawn=10**7), interval(draws), atol=1e-5)
    with pytest.raises(ValueError, match="at least 2"):
        interval(draws, n_drawn=1)


def test_intervals_are_those_of_scipy():
    """Intervals of paired R², r and unique variance, at the level that expands them."""
    measured, predicted = simulated(40, 3, 0.5, 4)
    other = predicted + 0.4 * np.random.default_rng(5).standard_normal(predicted.shape)
    draws = bootstrap_scores(measured, {"b": other, "a+b": predicted}, draw_images(40, 30_000, 6))
    tail = stats.norm.cdf(np.sqrt(40 / 39) * stats.t.ppf(0.025, 39))
    statistics = {
        "r2": lambda y, a, b: r2_score(y.T, b.T),
        "r": lambda y, a, b: stats.pearsonr(y, b, axis=-1).statistic,
        "unique": lambda y, a, b: r2_score(y.T, b.T) - r2_score(y.T, a.T),
    }
    samples = {
        "r2": draws.r2["a+b"],
        "r": draws.r["a+b"],
        "unique": draws.r2["a+b"] - draws.r2["b"],
    }
    for voxel in range(3):
        data = [rows[:, voxel] for rows in (measured, other, predicted)]
        for name, statistic in statistics.items():
            scipy_s = stats.bootstrap(
                data,
                lambda *rows, of=statistic, axis=-1: of(*map(np.atleast_2d, rows)),
                paired=True,
                n_resamples=30_000,
                batch=3_000,
                confidence_level=1 - 2 * tail,
                method="percentile",
                vectorized=True,
                rng=7,
            ).confidence_interval
            found = np.ravel(interval(samples[name][:, [voxel]], n_drawn=count_drawn(40)))
            assert found == pytest.approx(scipy_s, abs=0.03 * (scipy_s.high - scipy_s.low)), name


def test_blocks_are_what_is_counted_where_blocks_are_drawn():
    assert count_drawn(6) == 6
    assert count_drawn(6, np.array([4, 4, 7, 7, 7, 9])) == 3


def test_a_voxel_without_a_prediction_has_no_draws():
    measured, predicted = simulated(30, 2, 0.5, 0)
    lacking = predicted.copy()
    lacking[:, 1] = np.nan
    counts = draw_images(30, 10, 0)
    alone = bootstrap_scores(measured, {"whole": predicted}, counts).r2["whole"]
    for models in (("whole", "lacking"), ("lacking", "whole")):
        predictions = {"whole": predicted, "lacking": lacking}
        found = bootstrap_scores(measured, {name: predictions[name] for name in models}, counts)
        assert np.isfinite(found.r2["lacking"][:, 0]).all()
        assert np.isnan(found.r2["lacking"][:, 1]).all()
        assert np.allclose(found.r2["whole"], alone, atol=1e-5)


@pytest.mark.parametrize("r2", [0.1, 0.5])
def test_intervals_cover_the_population_r2_of_a_model(r2):
    """93 to 97 % of 95 % intervals over 600 independent voxels do."""
    measured, predicted = simulated(1000, 600, r2, 1)
    found = bootstrap_scores(measured, {"m": predicted}, draw_images(1000, 1000, 2))
    lower, upper = interval(found.r2["m"])
    assert 0.93 <= np.mean((lower <= r2) & (r2 <= upper)) <= 0.97
    lower, upper = interval(found.r["m"])
    assert 0.93 <= np.mean((lower <= np.sqrt(r2)) & (np.sqrt(r2) <= upper)) <= 0.97


@pytest.mark.parametrize("size", [1e-1, 1e-4, 1e-7])
def test_intervals_cover_unique_variance_however_little_a_space_adds(size):
    """A space that adds `size` of noise to predictions takes size² of R² in the population.

    So it is in voxels without signal, where penalties leave next to nothing of any weight: R² of
    two models in float32 differ by more than that.
    """
    random = np.random.default_rng(20)
    measured, noise = random.standard_normal((2, 500, 800)).astype(np.float32)
    predicted = np.zeros_like(measured)
    joint = np.float32(size) * noise
    draws = bootstrap_scores(measured, {"b": predicted, "a+b": joint}, draw_images(500, 1000, 22))
    lower, upper = interval(draws.r2["a+b"] - draws.r2["b"], n_drawn=500)
    covered = np.mean((lower <= -(size**2)) & (-(size**2) <= upper))
    assert 0.93 <= covered <= 0.97


def test_differences_of_losses_are_those_of_float64_where_predictions_hardly_differ():
    measured, predicted = (rows.astype(np.float32) for rows in simulated(50, 4, 0.3, 23))
    other = predicted * np.float32(1 + 1e-6)
    found = loss_difference(measured, predicted, other)
    y, first, second = (rows.astype(np.float64) for rows in (measured, predicted, other))
    assert found.dtype == np.float32
    assert np.allclose(found, (y - first) ** 2 - (y - second) ** 2, rtol=1e-5, atol=1e-12)


def test_pairs_of_near_duplicates_need_the_block_bootstrap():
    """Each image twice: drawn one by one, intervals are too narrow; drawn in pairs, they cover."""
    measured, predicted = (np.repeat(rows, 2, axis=0) for rows in simulated(300, 600, 0.3, 3))
    covered = {}
    for name, blocks in {"single": None, "pairs": np.repeat(np.arange(300), 2)}.items():
        counts = draw_images(600, 1000, 4, blocks)
        lower, upper = interval(bootstrap_scores(measured, {"m": predicted}, counts).r2["m"])
        covered[name] = np.mean((lower <= 0.3) & (upper >= 0.3))
    assert covered["single"] < 0.88
    assert 0.92 <= covered["pairs"] <= 0.97


def test_draws_are_shared_so_that_components_stay_paired():
    """Components of every draw sum to the joint model's R² of that draw."""
    measured, predicted = simulated(80, 5, 0.5, 5)
    random = np.random.default_rng(6)
    names = ["+".join(subset) for subset in subsets(["a", "b", "c"])]
    models = {name: predicted + 0.3 * random.standard_normal(predicted.shape) for name in names}
    r2 = bootstrap_scores(measured, models, draw_images(80, 50, 7)).r2
    components = partition_variance(r2, ["a", "b", "c"])
    assert np.allclose(sum(components.values()), r2["a+b+c"], atol=1e-5)


def test_block_labels_must_be_there_for_every_image():
    with pytest.raises(ValueError, match="2 block labels for 3 images"):
        draw_images(3, 5, 0, np.array([0, 1]))
    with pytest.raises(ValueError, match="do not fit"):
        bootstrap_scores(np.ones((3, 1)), {"m": np.ones((3, 2))}, np.ones((1, 3)))


# ---- tests


LEVELS = np.array([0.05, 1e-2, 1e-3, 1e-4])
DRAWN = {
    "normal": lambda random, shape: random.standard_normal(shape),
    "exponential": lambda random, shape: random.exponential(size=shape),
    "t(3)": lambda random, shape: random.standard_t(3, shape),
}


def assert_level_is_held(p, levels=LEVELS):
    """Numbers of p below each level are those of uniform p, within 99.9 % binomial intervals."""
    counts = [np.count_nonzero(p <= level) for level in levels]
    low, high = stats.binom.interval(0.999, p.size, levels)
    assert ((low <= counts) & (counts <= high)).all(), (counts, low, high)


@pytest.mark.parametrize("distribution", DRAWN)
def test_p_of_models_that_predict_nothing_are_uniform_far_into_the_tail(distribution):
    random = np.random.default_rng(8)
    measured, predicted = (DRAWN[distribution](random, (100, 50_000)) for _ in range(2))
    models = {str(shift): np.roll(predicted, shift, axis=1) for shift in range(4)}
    p = correlation_p(measured, models)
    assert_level_is_held(np.concatenate(list(p.values())))


def test_p_of_r_are_those_of_permutations():
    """Responses and predictions with heavy tails, by scipy's permutations of normal scores."""
    random = np.random.default_rng(11)
    predicted = random.standard_t(3, (60, 4))
    measured = np.exp(random.standard_normal((60, 4)) + 0.15 * predicted)
    found = correlation_p(measured, {"m": predicted})["m"]
    scores = stats.norm.ppf((stats.rankdata(measured, axis=0) - 0.65) / (60 + 1 - 1.3))
    for voxel, p in enumerate(found):
        expected = stats.permutation_test(
            (scores[:, voxel],),
            lambda x, of=voxel, axis=-1: x @ predicted[:, of],
            permutation_type="pairings",
            n_resamples=20_000,
            alternative="greater",
            vectorized=True,
            rng=0,
        ).pvalue
        assert p == pytest.approx(expected, abs=0.004 + 0.05 * expected)


def test_few_voxels_with_an_effect_are_found_among_very_many():
    """1,000 permutations found none of 100 among 20,000: the least p was 1 / 1,001."""
    random = np.random.default_rng(12)
    measured, predicted = random.standard_normal((2, 1000, 20_000), np.float32)
    measured[:, :100] += np.float32(0.4 / np.sqrt(1 - 0.4**2)) * predicted[:, :100]
    q = false_discovery_rate(correlation_p(measured, {"m": predicted})["m"])
    assert np.count_nonzero(q[:100] <= 0.05) >= 95
    gain = random.standard_normal((1000, 20_000), np.float32)
    gain[:, :100] += 0.3
    assert np.count_nonzero(false_discovery_rate(sign_flip_p(gain))[:100] <= 0.05) >= 95


def test_a_model_that_predicts_is_distinguished_from_one_that_does_not():
    measured, predicted = simulated(100, 40, 0.5, 10)
    wrong = np.random.default_rng(11).standard_normal(predicted.shape)
    p = correlation_p(measured, {"right": predicted, "wrong": wrong, "opposite": -predicted})
    assert (p["right"] < 1e-4).all()
    assert 0.2 < p["wrong"].mean() < 0.8
    # the test is one-sided: predicting the opposite is no evidence
    assert (p["opposite"] > 0.999).all()


def test_voxels_are_tested_alike_however_many_are_tested_with_them():
    measured, predicted = simulated(30, 600, 0.02, 12)
    whole = correlation_p(measured, {"m": predicted})["m"]
    part = correlation_p(measured[:, 300:310], {"m": predicted[:, 300:310]})["m"]
    assert np.allclose(whole[300:310], part, rtol=1e-9)


def test_voxels_that_cannot_be_tested_are_not():
    measured, predicted = simulated(30, 4, 0.5, 13)
    measured[3, 0], predicted[5, 1], measured[:, 2] = np.nan, np.nan, 1.0
    for blocks in (None, np.arange(30) // 2):
        p = correlation_p(measured, {"m": predicted}, blocks)["m"]
        assert np.isnan(p).tolist() == [True, True, True, False]


@pytest.mark.parametrize("distribution", DRAWN)
def test_sign_flips_hold_their_level_far_into_the_tail_where_a_space_adds_nothing(distribution):
    """Differences of two models' losses of the same distribution."""
    random = np.random.default_rng(14)
    first, second = (DRAWN[distribution](random, (100, 100_000)) for _ in range(2))
    assert_level_is_held(sign_flip_p(first - second))


@pytest.mark.parametrize("n_images", [5, 12, 13, 18])
def test_sign_flips_are_those_of_all_flips(n_images):
    """Counted for few images, approximated from 13 on."""
    random = np.random.default_rng(n_images)
    difference = random.standard_t(3, (n_images, 40)) + 0.5
    flips = np.arange(2**n_images)[:, None] >> np.arange(n_images) & 1
    sums = (1.0 - 2 * flips) @ difference
    expected = np.mean(sums >= difference.sum(axis=0) - 1e-12, axis=0)
    error = np.abs(sign_flip_p(difference) / expected - 1)
    if n_images <= 12:
        assert error.max() < 1e-9
    else:
        assert np.median(error) < 0.03
        assert error.max() < 0.5
    # where all differences are gains no other flip does as well
    assert sign_flip_p(np.abs(difference)) == pytest.approx(np.full(40, 2.0**-n_images))
    assert (sign_flip_p(-np.abs(difference)) == 1).all()


def test_sign_flips_far_in_the_tail_are_those_of_the_binomial_distribution():
    """Equal differences, as many of which are gains as it takes; sums are even numbers."""
    gains = np.array([260, 300, 330, 380])
    difference = np.where(np.arange(500)[:, None] < gains, 1.0, -1.0)
    # between two sums that are possible the approximation is that of the middle
    upper, lower = stats.binom.sf(gains - 1, 500, 0.5), stats.binom.sf(gains, 500, 0.5)
    p = sign_flip_p(difference)
    assert ((lower < p) & (p < upper)).all()
    assert p[-1] < 1e-30


def test_images_that_resemble_one_another_flip_together():
    random = np.random.default_rng(16)
    difference = np.repeat(random.standard_normal((100, 5000)), 4, axis=0)
    blocks = np.repeat(np.arange(100), 4)
    assert np.mean(sign_flip_p(difference) <= 0.05) > 0.15
    together = np.mean(sign_flip_p(difference, blocks) <= 0.05)
    assert together == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("sizes", ["2", "5", "20", "1 to 60"])
def test_r_is_tested_by_clusters_where_their_images_are_alike(sizes):
    """Responses and predictions of a cluster's images are alike, and unrelated to one another."""
    random = np.random.default_rng(40)
    sizes = random.integers(1, 61, 20) if sizes == "1 to 60" else [int(sizes)] * (515 // int(sizes))
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    common = random.standard_normal((2, len(sizes), 8000))[:, blocks]
    measured, predicted = common + 0.7 * random.standard_normal(common.shape)
    by_image = np.mean(correlation_p(measured, {"m": predicted})["m"] <= 0.05)
    by_cluster = np.mean(correlation_p(measured, {"m": predicted}, blocks)["m"] <= 0.05)
    assert by_image > 0.065
    assert by_cluster == pytest.approx(0.05, abs=0.01)


def test_few_clusters_are_warned_of():
    measured, predicted = simulated(36, 3, 0.5, 41)
    with pytest.warns(UserWarning, match="9 clusters.*0.002.*splits.clusters"):
        p = correlation_p(measured, {"m": predicted}, np.arange(36) // 4)["m"]
    assert (p >= 2.0**-9).all()


def partitioned(share_of_b, seed, n_images=300, n_voxels=600):
    """Predictions by A, by B and by both; B shares part of the signal with A, the rest is A's."""
    random = np.random.default_rng(seed)
    common, own, noise, chance = random.standard_normal((4, n_images, n_voxels))
    common, own = np.sqrt(share_of_b) * common, np.sqrt(1 - share_of_b) * own
    a, b = common + own, common + 0.5 * chance
    return a + 2 * noise, {"a": a, "b": b, "a+b": a + 0.5 * chance}


def test_unique_variance_is_tested_by_the_difference_of_two_models_losses():
    measured, predicted = partitioned(0.5, 30)
    p = component_p(measured, predicted, ["a", "b"])
    expected = sign_flip_p(loss_difference(measured, predicted["b"], predicted["a+b"]))
    assert np.allclose(p["a"], expected, rtol=1e-6)
    assert list(p) == ["a", "b", "a&b"]


def test_shared_variance_is_found_where_it_is_and_else_within_the_level():
    """Where B has nothing of the signal, A and B share nothing."""
    shares = component_p(*partitioned(0.5, 32, n_images=600), ["a", "b"])
    assert np.mean(shares["a&b"] <= 0.05) > 0.9
    nothing = component_p(*partitioned(0.0, 34), ["a", "b"])["a&b"]
    assert 0.005 < np.mean(nothing <= 0.05) <= 0.05


def test_components_of_a_voxel_lacking_images_are_tested_on_those_it_has():
    measured, predicted = partitioned(0.5, 36, n_voxels=3)
    measured[::2, 1], measured[:, 2] = np.nan, np.nan
    p = component_p(measured, predicted, ["a", "b"])
    half = {name: rows[1::2] for name, rows in predicted.items()}
    alone = component_p(measured[1::2], half, ["a", "b"])
    assert p["a&b"][1] == pytest.approx(alone["a&b"][1], abs=0.06)
    assert np.isnan(p["a"]).tolist() == [False, False, True]


def test_a_voxel_without_differences_is_not_tested():
    p = sign_flip_p(np.array([[np.nan, 0.0, 1.0], [np.nan, 0.0, np.nan]]))
    assert np.isnan(p).tolist() == [True, True, False]


def test_components_that_are_zero_in_all_images_are_tested_by_neither_test():
    """A space without weight: sums of models that are equal in pairs are 0 up to rounding."""
    measured, predicted = simulated(60, 5, 0.3, 42)
    random = np.random.default_rng(43)
    a, b, ab = (predicted + random.standard_normal(predicted.shape) for _ in range(3))
    spaces = ["a", "b", "c"]
    models = {"a": a, "b": b, "a+b": ab, "c": 0 * a, "a+c": a, "b+c": b, "a+b+c": ab}
    r2 = bootstrap_scores(measured, models, draw_images(60, 200, 0)).r2
    of_draws = {n: bootstrap_p(v) for n, v in partition_variance(r2, spaces).items()}
    of_flips = component_p(measured, models, spaces)
    for name, p in of_flips.items():
        expected = np.full(5, name in ("c", "b&c", "a&c"))
        assert np.array_equal(np.isnan(p), expected), name
        assert np.array_equal(np.isnan(of_draws[name]), expected), name


def test_models_that_differ_by_rounding_errors_of_float32_are_not_tested():
    """A space that the search left almost no weight: p would be that of rounding errors."""
    measured, predicted = simulated(60, 5, 0.3, 44)
    joint = predicted.astype(np.float32) * (1 + np.float32(2e-7))
    alone = predicted.astype(np.float32)
    models = {"a": alone, "b": 0 * alone, "a+b": joint}
    draws = bootstrap_scores(measured, models, draw_images(60, 200, 0)).r2
    p = component_p(measured, models, ["a", "b"])
    assert np.isnan(p["b"]).all()
    assert np.isfinite(p["a"]).all()
    assert np.isnan(bootstrap_p(partition_variance(draws, ["a", "b"])["b"])).all()


def test_the_false_discovery_rate_is_that_of_statsmodels_and_leaves_out_what_was_not_tested():
    p = np.random.default_rng(18).random((20, 10)) ** 2
    p[3, 4] = np.nan
    q = false_discovery_rate(p)
    assert np.isnan(q[3, 4])
    tested = np.isfinite(p)
    assert np.allclose(q[tested], multipletests(p[tested], method="fdr_bh")[1])
    assert np.isnan(false_discovery_rate(np.full(3, np.nan))).all()


def test_few_discoveries_are_false():
    """300 voxels with signal among 1,500: of those found at 5 %, at most about 5 % have none."""
    shares = []
    for seed in range(5):
        signal, predicted = simulated(100, 300, 0.2, seed)
        random = np.random.default_rng(100 + seed)
        null = random.standard_normal((2, 100, 1200))
        measured = np.hstack([signal, null[0]])
        models = {"m": np.hstack([predicted, null[1]])}
        found = false_discovery_rate(correlation_p(measured, models)["m"]) <= 0.05
        assert found[:300].mean() > 0.8
        shares.append(found[300:].sum() / found.sum())
    assert np.mean(shares) <= 0.06


def test_the_bootstraps_p_is_the_share_of_draws_that_are_not_above_zero():
    draws = np.array([[-1.0, 1, 0, 1], [2, 1, 1, np.nan], [3, 1, 1, 1]])
    p = bootstrap_p(draws)
    assert np.allclose(p[:3], [2 / 4, 1 / 4, 2 / 4])
    assert np.isnan(p[3])


def test_the_bootstraps_p_of_a_score_far_above_zero_is_that_of_its_normal_distribution():
    random = np.random.default_rng(0)
    draws = random.normal([0.0, 1.0, 1.6], 1, (20_000, 3))
    assert np.allclose(bootstrap_p(draws), stats.norm.sf([0.0, 1.0, 1.6]), atol=0.01)


def test_pairs_are_drawn_together_so_a_good_model_is_found_by_the_bootstrap():
    """Drawing measured responses alone, as released since 2024, would give p near 1."""
    random = np.random.default_rng(1)
    prediction = random.normal(size=(300, 40))
    measured = prediction + 2 * random.normal(size=(300, 40))
    predicted = {"a": prediction * 0.2, "none": 0.2 * random.normal(size=(300, 40))}
    draws = bootstrap_scores(measured, predicted, draw_images(300, 500, 0))
    assert np.median(bootstrap_p(draws.r2["a"])) < 0.01
    assert np.mean(bootstrap_p(draws.r2["none"]) <= 0.05) <= 0.05
