"""Who misses which images: identification, agreement beyond chance, brains as predictors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import cohen_kappa_score

from encoding.across_subjects import predict_across
from encoding.identification import (
    error_consistency,
    identified,
    independent_errors,
    kappa,
    pattern_correlation,
)
from encoding.inference.bootstrap import draw_images

ALPHAS = np.logspace(-4, 4, 9)


def patterns(n_images, n_voxels, noise, random):
    signal = random.standard_normal((n_images, n_voxels))
    return signal + noise * random.standard_normal(signal.shape), signal


# ---- identification


@given(st.integers(0, 2**31), st.integers(2, 20), st.integers(2, 12))
def test_correlations_of_patterns_are_those_of_scipy(seed, n_images, n_voxels):
    measured, predicted = patterns(n_images, n_voxels, 1.0, np.random.default_rng(seed))
    expected = 1 - cdist(measured, predicted, "correlation")
    assert np.allclose(pattern_correlation(measured, predicted), expected)


def test_perfect_predictions_identify_every_image_and_chance_one():
    random = np.random.default_rng(0)
    measured, _ = patterns(200, 30, 0.0, random)
    assert identified(pattern_correlation(measured, 2 * measured + 1)).all()
    hits = [
        identified(pattern_correlation(measured, random.standard_normal(measured.shape))).sum()
        for _ in range(200)
    ]
    assert np.mean(hits) == pytest.approx(1, abs=4 / np.sqrt(200))


def test_the_nearest_of_the_predicted_patterns_decides():
    """The prediction of the first image is nearer to the measured pattern of the second."""
    correlation = np.array([[0.5, 0.2, 0.1], [0.9, 0.6, 0.1], [0.3, 0.3, 0.4]])
    assert identified(correlation).tolist() == [True, False, True]


def test_patterns_that_do_not_vary_and_ties_identify_nothing():
    measured = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])
    assert identified(pattern_correlation(measured, np.ones((2, 3)))).tolist() == [False, False]
    same = np.tile([1.0, 2.0, 4.0], (2, 1))
    assert identified(pattern_correlation(measured, same)).tolist() == [False, False]


def test_patterns_of_one_voxel_are_reported():
    with pytest.raises(ValueError, match="two voxels or more"):
        pattern_correlation(np.ones((4, 1)), np.ones((4, 1)))


# ---- agreement beyond chance


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_kappa_is_that_of_sklearn(pairs):
    first, second = np.array(pairs).T
    found = error_consistency(first, second, draw_images(len(first), 5, 0))
    both_always_alike = (first.all() and second.all()) or not (first.any() or second.any())
    if both_always_alike:
        assert np.isnan(found.kappa)
    else:
        assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert found.accuracies == pytest.approx((first.mean(), second.mean()))


def test_predictors_that_miss_independently_agree_as_their_accuracies_say():
    """κ of 300 independent pairs is 0 on average; intervals hold 0 in 93 to 97 % of them."""
    random, inside, kappas = np.random.default_rng(1), [], []
    counts = draw_images(500, 500, 0)
    for _ in range(300):
        first, second = random.random(500) < 0.3, random.random(500) < 0.6
        found = error_consistency(first, second, counts)
        kappas.append(found.kappa)
        inside.append(found.lower <= 0 <= found.upper)
    assert np.mean(kappas) == pytest.approx(0, abs=0.01)
    assert 0.92 <= np.mean(inside) <= 0.98


def test_models_that_share_features_miss_the_same_images():
    random = np.random.default_rng(2)
    measured, signal = patterns(400, 25, 1.0, random)
    shared = random.standard_normal(measured.shape)
    alike = [signal + 1.5 * shared + 0.3 * random.standard_normal(signal.shape) for _ in range(2)]
    apart = signal + 1.5 * random.standard_normal(signal.shape)
    hits = [identified(pattern_correlation(measured, model)) for model in (*alike, apart)]
    counts = draw_images(400, 300, 0)
    together = error_consistency(hits[0], hits[1], counts)
    separate = error_consistency(hits[0], hits[2], counts)
    assert together.lower > separate.kappa
    assert together.expected == pytest.approx(separate.expected, abs=0.1)


def independent_predictors(seed, error, shared=0.0, n_images=300, n_voxels=60):
    """Two predictors of signals of 12 dimensions, noise that is correlated over voxels, patterns
    of such noise."""
    random = np.random.default_rng(seed)

    def correlated(n_rows, rank, roots):
        own = 0.5 * random.standard_normal((n_rows, n_voxels))
        return (random.standard_normal((n_rows, rank)) @ roots + own) / np.sqrt(1.25)

    signals, noises, first, second = (
        random.standard_normal((rank, n_voxels)) / np.sqrt(rank) for rank in (12, 20, 15, 15)
    )
    signal = random.standard_normal((n_images, 12)) @ signals
    measured = signal + correlated(n_images, 20, noises)
    common = correlated(n_images, 15, first)
    predicted = {
        name: signal
        + error * (np.sqrt(shared) * common + np.sqrt(1 - shared) * correlated(n_images, 15, own))
        for name, own in (("A", first), ("B", second))
    }
    return measured, correlated(500, 20, noises), predicted


@pytest.mark.parametrize("error", [0.5, 1.0, 2.0])
def test_independent_errors_have_the_kappa_that_the_shared_target_makes(error):
    """Means of 12 pairs: κ is above .1, its reference within .05 of it, accuracies .03."""
    rows = []
    for seed in range(12):
        measured, noise, predicted = independent_predictors(seed, error)
        hits = [identified(pattern_correlation(measured, values)) for values in predicted.values()]
        simulated = independent_errors(measured, noise, predicted, 5, seed).values()
        references = [kappa(*pair) for pair in zip(*simulated, strict=True)]
        reached = [draws.mean() for draws in simulated]
        rows.append([kappa(*hits), np.mean(references), np.mean(hits), np.mean(reached)])
    observed, reference, accuracy, reached = np.mean(rows, axis=0)
    assert observed > 0.1
    assert reference == pytest.approx(observed, abs=0.05)
    assert reached == pytest.approx(accuracy, abs=0.03)


def test_shared_errors_stand_out_from_the_reference():
    measured, noise, predicted = independent_predictors(1, 1.0, shared=0.9)
    hits = [identified(pattern_correlation(measured, values)) for values in predicted.values()]
    simulated = independent_errors(measured, noise, predicted, 5, 0).values()
    references = [kappa(*pair) for pair in zip(*simulated, strict=True)]
    assert kappa(*hits) > max(references) + 0.1


def test_predictors_of_other_images_are_reported():
    with pytest.raises(ValueError, match="not of the same images"):
        error_consistency(np.ones(3, bool), np.ones(4, bool), np.ones((2, 3)))


# ---- another subject's brain


def two_brains(common, random, n_images=150):
    """Responses of two subjects to images whose 10 dimensions both see, or each his own."""
    seen = random.standard_normal((n_images, 10))
    others = seen if common else random.standard_normal((n_images, 10))
    source = others @ random.standard_normal((10, 40)) + random.standard_normal((n_images, 40))
    target = seen @ random.standard_normal((10, 50)) + random.standard_normal((n_images, 50))
    return source, target


def test_a_brain_that_sees_the_same_predicts_another():
    source, target = two_brains(True, np.random.default_rng(3))
    predicted = predict_across(source, target, ALPHAS, 5, 0)
    assert identified(pattern_correlation(target, predicted)).mean() > 0.5


def test_a_brain_that_sees_something_else_identifies_at_chance():
    """No image is predicted by a map that it has fitted: else this would be above chance."""
    hits = []
    for seed in range(10):
        source, target = two_brains(False, np.random.default_rng(seed))
        predicted = predict_across(source, target, ALPHAS, 5, 0)
        hits.append(identified(pattern_correlation(target, predicted)).mean())
    assert np.mean(hits) < 3 / 150


def test_the_response_that_is_predicted_has_no_part_in_its_prediction():
    source, target = two_brains(True, np.random.default_rng(4), 40)
    before = predict_across(source, target, ALPHAS, 4, 0)
    target[7] += 100
    assert np.array_equal(predict_across(source, target, ALPHAS, 4, 0)[7], before[7])
