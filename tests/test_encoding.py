"""The statistics: against closed forms, scikit-learn and scipy, and simulated data."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scaling
from encoding.noise_ceiling import noise_ceiling, reliability, signal_to_noise
from encoding.product_measure import split_r2
from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.solver import fit_banded_ridge
from encoding.scaling import FeatureScaling
from encoding.scores import correlation_score, r2_score
from encoding.splits import inner_folds
from encoding.variance_partitioning import (
    joint_gain,
    model_name,
    partition_variance,
    shortfall,
    subsets,
)

ALPHAS = np.logspace(-3, 4, 8)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


# ---- splits and preparation


def test_scaling_sees_training_images_only_and_gives_unit_mean_gram_diagonal(generator):
    training, test = generator.normal(3, 5, (40, 7)), generator.normal(size=(10, 7))
    training[:, 2] = 4.0
    fitted = FeatureScaling.fit(training)
    scaled = fitted.transform(training)
    assert np.einsum("ij,ij->i", scaled, scaled).mean() == pytest.approx(1, rel=1e-5)
    assert not scaled[:, 2].any()
    assert np.allclose(
        fitted.transform(test)[:, 0],
        (test[:, 0] - training[:, 0].mean()) / training[:, 0].std() / np.sqrt(6),
        atol=1e-6,
    )


def test_a_unit_that_fires_once_in_training_does_not_explode_in_a_test_image(generator):
    training, test = generator.normal(size=(200, 20)), generator.normal(size=(5, 20))
    training[:, 3], test[:, 3] = 0.0, 0.0
    training[7, 3], test[1, 3] = 1e-3, 1.0
    scaled = FeatureScaling.fit(training).transform(test)
    assert np.abs(scaled[:, 3]).max() < 5 * np.abs(np.delete(scaled, 3, axis=1)).max()


def test_without_a_floor_every_feature_has_the_same_variance_however_quiet(generator):
    training = generator.normal(size=(200, 20)) * np.logspace(-4, 2, 20)
    deviation = FeatureScaling.fit(training, "zscore_unfloored").transform(training).std(axis=0)
    assert np.allclose(deviation, 1 / np.sqrt(20), rtol=1e-4)
    assert FeatureScaling.fit(training).transform(training).std(axis=0).min() < 1e-4


def test_the_floor_costs_where_quiet_features_matter_and_saves_where_features_are_rare():
    for problem, better in (
        (scaling.scales(2.0, 500, "as z-scores"), "zscore_unfloored"),
        (scaling.rare(500), "zscore"),
    ):
        r2 = {name: scaling.r2(problem, name).mean() for name in ("zscore", "zscore_unfloored")}
        assert r2[better] == max(r2.values())
        assert np.ptp(list(r2.values())) > 0.05


@pytest.mark.parametrize(
    ("values", "message"), [(np.nan, "NaN"), (1.0, "every feature is constant")]
)
def test_unusable_features_are_an_error(values, message):
    with pytest.raises(ValueError, match=message):
        FeatureScaling.fit(np.full((5, 3), values))


# ---- scores


def test_scores_equal_scipy_and_scikit_learn(generator):
    y, prediction = generator.normal(size=(2, 30, 4))
    for voxel in range(4):
        expected = scipy.stats.pearsonr(y[:, voxel], prediction[:, voxel]).statistic
        assert correlation_score(y, prediction)[voxel] == pytest.approx(expected)
        expected = sklearn.metrics.r2_score(y[:, voxel], prediction[:, voxel])
        assert r2_score(y, prediction)[voxel] == pytest.approx(expected)


def test_a_voxel_without_a_prediction_has_no_score(generator):
    y = generator.normal(size=(20, 2))
    predicted = y.copy()
    predicted[:, 0], predicted[3, 1] = np.nan, np.nan
    assert np.isnan(r2_score(y, predicted)).all()
    assert np.isnan(correlation_score(y, predicted)).all()


def test_scores_are_the_same_in_whatever_unit(generator):
    """Magnetic fields of a brain are 1e-13 tesla."""
    y, prediction = generator.normal(size=(2, 30, 4))
    for score in (r2_score, correlation_score):
        assert score(1e-13 * y, 1e-13 * prediction) == pytest.approx(score(y, prediction))
        assert np.isnan(score(np.full((30, 1), 1e13 / 3), prediction[:, :1])).all()
    for unit in (1e-13, 1):
        split = split_r2(unit * y, {"a": unit * prediction}, np.zeros(4))
        assert sum(split.values()) == pytest.approx(r2_score(y, prediction))


def test_scores_are_signed_and_nan_for_voxels_without_variance(generator):
    y = generator.normal(size=(30, 2))
    y[:, 1] = 2.0
    assert r2_score(y, -3 * y)[0] < -1
    assert correlation_score(y, -3 * y)[0] == pytest.approx(-1)
    assert np.isnan(r2_score(y, y)[1])
    assert np.isnan(correlation_score(y, y)[1])


def test_images_that_a_voxel_lacks_are_left_out_of_its_score(generator):
    y, prediction = generator.normal(size=(2, 30, 1))
    y[:5] = np.nan
    assert r2_score(y, prediction) == pytest.approx(r2_score(y[5:], prediction[5:]))
    assert correlation_score(y, prediction) == pytest.approx(
        correlation_score(y[5:], prediction[5:])
    )


# ---- noise ceiling


def test_streamed_signal_to_noise_is_the_formula_on_all_trials_at_once(generator):
    """Against the variance of each image's three trials, computed the plain way."""
    shown = np.concatenate([generator.permutation(np.repeat(np.arange(60), 3)), [60, 60, 61]])
    responses = generator.normal(size=(len(shown), 4)) * 0.7
    responses[shown == 5, 1] = np.nan
    responses[:, 3] = np.nan
    sessions = [(shown[:90], responses[:90]), (shown[90:], responses[90:])]
    variances = np.array([responses[shown == image].var(axis=0, ddof=1) for image in range(60)])
    noise = np.array([np.mean(v[np.isfinite(v)]) for v in variances.T[:3]])
    found = signal_to_noise(sessions, np.arange(62), 4)
    assert np.allclose(found[:3], np.sqrt(np.maximum(1 - noise, 0) / noise), rtol=1e-5)
    assert np.isnan(found[3])


def test_reliability_is_the_manuals_formula_for_mixed_repeats():
    repeats = np.array([3] * 6 + [2] * 3 + [1])
    expected = 0.25 / (0.25 + (6 / 3 + 3 / 2 + 1) / 10)
    assert reliability(np.array([0.5]), repeats) == pytest.approx(expected)


def test_reliability_counts_only_images_that_a_voxel_has():
    repeats = np.array([[3, 3], [3, 0], [0, 0]])
    assert reliability(np.array([1.0, 1.0]), repeats) == pytest.approx([0.75, 0.75])
    assert np.isnan(reliability(np.array([1.0]), np.array([0, 0])))
    assert np.isnan(reliability(np.array([np.nan]), np.array([3])))


def test_reliability_is_what_a_perfect_model_reaches(generator):
    ncsnr, repeats = 0.8, np.array([3, 2, 1, 3] * 5000)
    signal = ncsnr * generator.normal(size=len(repeats))
    measured = signal + generator.normal(size=len(repeats)) / np.sqrt(repeats)
    reached = r2_score(measured[:, None], signal[:, None])[0]
    assert reliability(np.array([ncsnr]), repeats)[0] == pytest.approx(reached, abs=0.01)


def test_the_ceiling_of_a_category_is_what_a_perfect_model_reaches_on_it(generator):
    """Images of one category share part of the signal: .749 over all of them, .677 within it."""
    noise_variance, within = 1.0, 0.6987
    repeats = np.full((60, 4000), 3)
    signal = np.sqrt(within) * generator.normal(size=repeats.shape) + 2
    measured = signal + np.sqrt(noise_variance / 3) * generator.normal(size=repeats.shape)
    whole = reliability(np.array([np.sqrt(0.9947)]), repeats[:, :1])[0]
    found = noise_ceiling(measured, repeats, np.full(4000, noise_variance))
    reached = r2_score(measured, signal)
    assert whole == pytest.approx(0.749, abs=0.001)
    # both in expectation: 1 - E[1/V] N is below 1 - N / E[V] by 2 / 59 of N / V
    assert found.ceiling.mean() == pytest.approx(0.677 - 0.323 * 2 / 59, abs=0.004)
    # of a perfect model there is no mean to estimate
    assert reached.mean() == pytest.approx(found.ceiling.mean(), abs=0.01)
    assert np.std(found.ceiling) == pytest.approx(found.standard_error.mean(), rel=0.1)


def test_the_error_of_a_ceiling_covers_heavy_tailed_signal_too(generator):
    signal = generator.standard_t(6, size=(500, 2000)) / np.sqrt(1.5)
    measured = signal + generator.normal(size=signal.shape)
    found = noise_ceiling(measured, np.ones(signal.shape), np.ones(2000))
    assert found.ceiling.mean() == pytest.approx(0.5, abs=0.01)
    inside = np.abs(found.ceiling - 0.5) <= 1.96 * found.standard_error
    assert 0.92 <= inside.mean() <= 0.97


def test_a_ceiling_is_signed_and_of_the_images_that_a_voxel_has(generator):
    measured = generator.normal(size=(200, 3))
    repeats = np.full(measured.shape, 2)
    measured[:50, 1], repeats[:50, 1] = np.nan, 0
    measured[:, 2] = 1
    found = noise_ceiling(measured, repeats, np.array([4.0, 1.0, 1.0]))
    assert found.ceiling[0] == pytest.approx(1 - 2 / measured[:, 0].var(ddof=1))
    assert found.ceiling[0] < 0
    assert found.ceiling[1] == pytest.approx(1 - 0.5 / measured[50:, 1].var(ddof=1))
    assert np.isnan([found.ceiling[2], found.standard_error[2]]).all()


# ---- partition


@given(st.integers(1, 4), st.integers(0, 1000))
def test_components_sum_to_the_joint_model_and_unique_is_what_is_lost_without(n_spaces, seed):
    generator = np.random.default_rng(seed)
    spaces = list("ABCD")[:n_spaces]
    r2 = {model_name(s): generator.normal(size=3) for s in subsets(spaces)}
    components = partition_variance(r2, spaces)
    assert np.allclose(sum(components.values()), r2[model_name(spaces)])
    for space in spaces:
        rest = [other for other in spaces if other != space]
        without = r2[model_name(rest)] if rest else 0
        assert np.allclose(components[space], r2[model_name(spaces)] - without)


def test_components_of_orthogonal_sets_are_the_sets():
    """Variance as a measure: each region of the Venn diagram comes back."""
    spaces = ["A", "B", "C"]
    regions = {s: float(i + 1) for i, s in enumerate(subsets(spaces))}
    r2 = {
        model_name(model): np.array(
            [sum(v for region, v in regions.items() if set(region) & set(model))]
        )
        for model in subsets(spaces)
    }
    components = partition_variance(r2, spaces)
    assert {k: v[0] for k, v in components.items()} == pytest.approx(
        {"&".join(region): value for region, value in regions.items()}
    )


def test_a_missing_subset_is_named():
    with pytest.raises(ValueError, match=r"no R² of A\+B"):
        partition_variance({"A": np.zeros(1), "B": np.zeros(1)}, ["A", "B"])


# ---- banded ridge


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2000))
def test_band_weights_are_on_the_simplex(n_bands, n_samples, seed):
    weights = draw_band_weights(n_bands, n_samples, seed)
    assert weights.shape == (n_samples, n_bands)
    assert np.allclose(weights.sum(axis=1), 1)
    assert weights.min() >= 0
    assert np.allclose(weights[0], 1 / n_bands)


def test_unique_variance_of_independent_bands_is_what_was_planted(generator):
    n, test = 1500, slice(1200, None)
    a, b = generator.normal(size=(2, n, 10))
    weights = generator.normal(size=(2, 10, 40)) / np.sqrt(10)
    y = np.sqrt(0.5) * a @ weights[0] + np.sqrt(0.2) * b @ weights[1]
    y += np.sqrt(0.3) * generator.normal(size=y.shape)
    bands = {"A": a, "B": b}
    r2 = {}
    for subset in subsets(["A", "B"]):
        train = {name: bands[name][:1200] for name in subset}
        fit = fit_banded_ridge(
            train, y[:1200], inner_folds(1200, 5, 0), ALPHAS, draw_band_weights(len(subset), 6, 0)
        )
        predicted = fit.predict({name: bands[name][test] for name in subset})
        r2[model_name(subset)] = r2_score(y[test], predicted)
    found = {k: v.mean() for k, v in partition_variance(r2, ["A", "B"]).items()}
    assert found["A"] == pytest.approx(0.5, abs=0.03)
    assert found["B"] == pytest.approx(0.2, abs=0.03)
    assert found["A&B"] == pytest.approx(0.0, abs=0.03)


def test_the_joint_model_is_compared_with_its_best_part_pairs_included():
    r2 = {
        **{"a": [0.1, 0.3], "b": [0.2, 0.1], "c": [0.0, 0.0]},
        **{"a+b": [0.4, 0.3], "a+c": [0.1, 0.2], "b+c": [0.2, 0.1]},
        "a+b+c": [0.35, np.nan],
    }
    gain = joint_gain({name: np.array(values) for name, values in r2.items()}, ["a", "b", "c"])
    assert gain[0] == pytest.approx(-0.05)
    assert np.isnan(gain[1])
    assert shortfall(np.array([-0.05, np.nan, 0.1, -0.15])) == pytest.approx((2 / 3, 0.1))
    assert shortfall(np.array([0.0, 0.1]))[0] == 0
    assert np.isnan(shortfall(np.array([0.0, 0.1]))[1])
