"""Components of weights: planted ones are found, whatever their sign, and subjects compared."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import Ridge

from encoding.image_profiles import label_consistency
from encoding.ridge.candidates import draw_band_weights, equal_weights
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import fit_banded_ridge, fit_models
from encoding.ridge.weights import stream_weights
from encoding.scaling import FeatureScaling
from encoding.weight_components import (
    PermutedResponses,
    best_voxels,
    equal_numbers,
    exceedance,
    fit_components,
    fix_signs,
    leave_one_out,
    match_components,
    subspace_similarity,
)

N_FEATURES = 40


def orthonormal(seed: int, n: int, n_features: int = N_FEATURES) -> np.ndarray:
    """(n, feature) orthonormal rows."""
    rows = np.random.default_rng(seed).normal(size=(n_features, n))
    return np.linalg.qr(rows)[0].T


def planted_weights(
    components: np.ndarray, n_voxels: int, seed: int, noise: float = 0.05
) -> np.ndarray:
    """Voxels on some components, each with less variance than the one before, about a mean."""
    generator = np.random.default_rng(seed)
    spread = 2.0 ** -np.arange(len(components))
    mean = components.sum(axis=0) * 0.3
    projections = generator.normal(size=(n_voxels, len(components))) * spread
    return mean + projections @ components + noise * generator.normal(size=(n_voxels, N_FEATURES))


# ---- weights of what was picked


@pytest.mark.parametrize("widths", [(30, 20), (300, 10)])
def test_weights_are_those_that_the_search_had_when_it_predicted(widths):
    generator = np.random.default_rng(0)
    bands = {
        name: FeatureScaling.fit(rows := generator.normal(size=(120, width))).transform(rows)
        for name, width in zip("ab", widths, strict=True)
    }
    responses = generator.normal(size=(120, 9)).astype(np.float32)
    responses[:, :5] += 30 * bands["a"][:, :5]
    responses[:, 4] = 1.0  # no variance: never fitted
    folds, alphas = np.arange(120) % 4, np.logspace(-3, 3, 7)
    candidates = {"a": np.ones((1, 1)), "a+b": draw_band_weights(2, 6, 0)}
    models = {"a": ["a"], "a+b": ["a", "b"]}
    exact = Options(search="exact")
    fits = fit_models(Problem(bands, responses, folds, alphas, models, candidates, exact))
    for name, spaces in models.items():
        fit, found = fits[name], np.full((sum(bands[s].shape[1] for s in spaces), 9), np.nan)
        chosen = {space: bands[space] for space in spaces}
        alpha, weights = fit.alpha.astype(np.float32), fit.band_weights.astype(np.float32)
        for voxels, part, _ in stream_weights(chosen, responses, folds, alpha, weights):
            found[:, voxels] = part
        np.testing.assert_allclose(found, fit.coefficients, rtol=1e-3, atol=1e-4)
        assert np.isnan(found[:, 4]).all()
        assert np.isfinite(np.delete(found, 4, axis=1)).all()


def test_weights_of_one_penalty_are_those_of_scikit_learn():
    generator = np.random.default_rng(26)
    bands = {name: generator.normal(size=(80, width)) for name, width in {"a": 6, "b": 9}.items()}
    responses, alpha = generator.normal(size=(80, 3)), np.array([0.1, 10.0, 300.0])
    weights = np.repeat(equal_weights(2).T, 3, axis=1)
    ((voxels, found, intercept),) = stream_weights(
        bands, responses, np.arange(80) % 2, alpha, weights
    )
    assert voxels.tolist() == [0, 1, 2]
    ridge = Ridge(alpha=alpha).fit(np.hstack(list(bands.values())), responses)
    np.testing.assert_allclose(found, ridge.coef_.T, atol=1e-5)
    np.testing.assert_allclose(intercept, ridge.intercept_, atol=1e-5)


# ---- which voxels


def test_voxels_are_picked_by_their_ceiling_and_none_below_the_least():
    ceiling = np.array([0.3, np.nan, 0.05, 0.9, 0.3, 0.6])
    assert best_voxels(ceiling, 3, 0.1).tolist() == [3, 5, 0]
    assert best_voxels(ceiling, 10, 0.1).tolist() == [3, 5, 0, 4]
    assert best_voxels(ceiling, 10, 0.95).tolist() == []


def test_every_subject_gives_as_many_voxels_the_best_first():
    weights = {"subj01": np.arange(12).reshape(6, 2), "subj02": np.arange(8).reshape(4, 2)}
    kept = equal_numbers(weights)
    assert {subject: len(rows) for subject, rows in kept.items()} == {"subj01": 4, "subj02": 4}
    assert np.array_equal(kept["subj01"], weights["subj01"][:4])


# ---- components


def test_planted_components_are_found_in_their_order_and_sign():
    planted = orthonormal(2, 4)
    found = fit_components(planted_weights(planted, 3000, 3), 4)
    assert (np.diagonal(found.components @ planted.T) > 0.99).all()
    assert subspace_similarity(found.components, planted)[-1] > 0.999
    expected = 4.0 ** -np.arange(4) + 0.05**2
    total = expected.sum() + (N_FEATURES - 4) * 0.05**2
    np.testing.assert_allclose(found.explained, expected / total, rtol=0.06)


@pytest.mark.parametrize("n_voxels", [30, 300])
def test_components_are_singular_vectors_whichever_way_they_are_computed(n_voxels):
    weights = planted_weights(orthonormal(21, 3), n_voxels, 22)
    found = fit_components(weights, 3)
    _, singular, rows = np.linalg.svd(weights - weights.mean(axis=0), full_matrices=False)
    assert np.allclose(found.components, fix_signs(rows[:3], weights.mean(axis=0)), atol=1e-8)
    assert np.allclose(found.explained, (singular**2 / (singular**2).sum())[:3])


def test_components_planted_in_responses_are_found_through_ridge_and_not_if_images_are_permuted():
    generator, planted = np.random.default_rng(23), orthonormal(24, 3)
    bands = {"a": generator.normal(size=(500, N_FEATURES))}
    weights = planted_weights(planted, 200, 25, noise=0.0)
    responses = bands["a"] @ weights.T + 2 * generator.normal(size=(500, 200))
    folds, alphas = np.arange(500) % 5, np.logspace(-1, 4, 6)
    similarity = []
    for measured in (responses, generator.permutation(responses)):
        fit = fit_banded_ridge(bands, measured, folds, alphas, np.ones((1, 1)))
        found = fit_components(fit.coefficients.T, 3).components
        similarity.append(subspace_similarity(found, planted)[-1])
    assert similarity[0] > 0.95
    # three random directions of forty
    assert similarity[1] < 0.25


def test_labels_agree_as_often_as_an_independent_count_says():
    generator = np.random.default_rng(0)
    labels = generator.random((40, 6)) < 0.3
    # images without a label, of which pairs among themselves are left out
    labels[:4] = False
    order = generator.permutation(40)
    found = label_consistency(labels, order, (3, 10, 40))
    sets = [set(np.flatnonzero(row)) for row in labels]

    def mean(images) -> float:
        pairs = [(sets[a], sets[b]) for a, b in itertools.combinations(images, 2)]
        return np.mean([len(a & b) / len(a | b) for a, b in pairs if a | b])

    np.testing.assert_allclose(found, [mean(order[:number]) for number in (3, 10, 40)], rtol=1e-5)
    # the images of one kind come first
    labels[:, 0] = np.arange(40) < 15
    first, whole = label_consistency(labels, np.arange(40), (15, 40))
    assert first > whole + 0.1
    assert np.isnan(label_consistency(np.zeros((3, 2)), np.arange(3), (2,))).all()


def test_projections_and_scores_are_coordinates_on_the_components():
    found = fit_components(planted_weights(orthonormal(4, 3), 500, 5), 3)
    assert np.allclose(found.project(found.mean + 2 * found.components[1:2]), [0, 2, 0])
    assert np.allclose(found.score(-3 * found.components[:1]), [-3, 0, 0])


@given(st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3), st.integers(0, 1000))
def test_the_sign_rule_forgets_which_sign_a_decomposition_gave(flips, seed):
    components, towards = orthonormal(seed, 3), np.random.default_rng(seed).normal(size=N_FEATURES)
    expected = fix_signs(components, towards)
    assert np.array_equal(fix_signs(np.array(flips)[:, None] * components, towards), expected)
    assert (expected @ towards >= 0).all()


@given(st.integers(0, 1000))
def test_components_do_not_depend_on_the_order_of_voxels_or_a_rotation_of_the_features(seed):
    generator = np.random.default_rng(seed)
    weights, rotation = planted_weights(orthonormal(6, 3), 200, 7), orthonormal(seed, N_FEATURES)
    expected = fit_components(weights, 3)
    shuffled = fit_components(generator.permutation(weights), 3)
    assert np.allclose(shuffled.components, expected.components, atol=1e-8)
    turned = fit_components(weights @ rotation, 3)
    assert np.allclose(turned.components, expected.components @ rotation, atol=1e-8)
    assert np.allclose(turned.sign_margin, expected.sign_margin)


def test_a_component_that_the_mean_has_no_part_in_says_so():
    axes = np.eye(N_FEATURES)
    weights = np.concatenate([axes[0] + 5 * axes[1:2], axes[0] - 5 * axes[1:2], axes[:1]] * 20)
    assert fit_components(weights, 1).sign_margin == pytest.approx([0])


def test_too_many_components_and_weights_that_are_not_finite_are_refused():
    weights = planted_weights(orthonormal(8, 3), 10, 9)
    with pytest.raises(ValueError, match="at most 9"):
        fit_components(weights, 10)
    weights[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fit_components(weights, 2)


# ---- stability


def test_subspace_similarity_is_the_overlap_of_projectors_and_k_of_n_by_chance():
    first, second = orthonormal(10, 5), orthonormal(11, 5)
    overlap = [
        np.trace(first[:k].T @ first[:k] @ second[:k].T @ second[:k]) / k for k in range(1, 6)
    ]
    assert np.allclose(subspace_similarity(first, second), overlap)
    assert np.allclose(subspace_similarity(first, first), 1)
    chance = [subspace_similarity(orthonormal(s, 5), second)[-1] for s in range(100, 300)]
    assert np.mean(chance) == pytest.approx(5 / N_FEATURES, rel=0.05)


def test_components_that_changed_places_and_signs_are_matched():
    reference = orthonormal(12, 4)
    others = np.array([[-1], [1], [-1], [1]]) * reference[[2, 0, 3, 1]]
    assert np.allclose(match_components(reference, others), reference)


def test_subjects_who_share_components_agree_and_others_do_not():
    shared, features = orthonormal(13, 3), np.random.default_rng(14).normal(size=(200, N_FEATURES))
    alike = {f"subj0{s}": planted_weights(shared, 400, s) for s in range(1, 5)}
    unlike = {f"subj0{s}": planted_weights(orthonormal(s, 3), 400, s) for s in range(1, 5)}
    for weights, agree in ((alike, True), (unlike, False)):
        reference = fit_components(np.concatenate(list(weights.values())), 3).components
        found = leave_one_out(weights, reference, features)
        assert list(found) == list(weights)
        subspace = np.array([stability.subspace for stability in found.values()])
        cosine = np.array([stability.cosine for stability in found.values()])
        correlation = np.array([stability.correlation for stability in found.values()])
        if agree:
            assert min(subspace.min(), cosine.min(), correlation.min()) > 0.95
        else:
            assert max(subspace[:, -1].mean(), cosine.mean(), correlation.mean()) < 0.5


def test_correlations_of_scores_are_those_of_scipy():
    weights = {s: planted_weights(orthonormal(s, 2), 100, s) for s in (1, 2)}
    features = np.random.default_rng(15).normal(size=(50, N_FEATURES))
    reference = fit_components(weights[2], 2).components
    (first, _) = leave_one_out(weights, reference, features).values()
    own = match_components(reference, fit_components(weights[1], 2).components)
    expected = [
        stats.pearsonr(features @ a, features @ b)[0] for a, b in zip(own, reference, strict=True)
    ]
    assert np.allclose(first.correlation, expected)


def test_permuted_responses_keep_what_is_missing_and_are_read_in_any_parts():
    generator = np.random.default_rng(18)
    responses = generator.normal(size=(30, 5)).astype(np.float32)
    responses[3:9, 2] = np.nan
    permuted = PermutedResponses(responses, 4, 0)
    whole = permuted[:, 0:20]
    assert permuted.shape == whole.shape == (30, 20)
    assert np.array_equal(np.hstack([permuted[:, 0:7], permuted[:, 7:20]]), whole, equal_nan=True)
    draws = whole.reshape(30, 4, 5)
    for draw in np.moveaxis(draws, 1, 0):
        assert np.array_equal(np.isnan(draw), np.isnan(responses))
        assert np.array_equal(np.sort(draw, axis=0), np.sort(responses, axis=0), equal_nan=True)
        # images are permuted, not responses: voxels stay together
        rows = {tuple(row) for row in responses[:, [0, 1, 3, 4]].tolist()}
        assert {tuple(row) for row in draw[:, [0, 1, 3, 4]].tolist()} == rows
    assert len({draw.tobytes() for draw in np.moveaxis(draws, 1, 0)}) == 4


def test_p_counts_draws_that_reach_what_was_measured():
    permuted = np.array([[0.1, 0.5], [0.2, 0.4], [0.3, np.nan]])
    assert exceedance(np.array([0.2, 0.6]), permuted).tolist() == [0.75, 0.25]
    assert np.isnan(exceedance(np.array([np.nan]), permuted[:, :1])).all()


def test_stability_of_unrelated_subjects_has_uniform_p():
    """Weights of subjects without anything in common are exchangeable with those of the null."""

    def cosines(generator):
        weights = {s: generator.normal(size=(40, 6)) for s in range(3)}
        reference = fit_components(np.concatenate(list(weights.values())), 2).components
        found = leave_one_out(weights, reference, np.eye(6))
        return np.mean([stability.cosine for stability in found.values()], axis=0)

    generator, p = np.random.default_rng(19), []
    for _ in range(60):
        draws = np.array([cosines(generator) for _ in range(19)])
        p.append(exceedance(cosines(generator), draws)[0])
    assert stats.kstest(np.array(p) - 1 / 40, "uniform").pvalue > 0.01


def test_a_single_subject_has_no_others_to_agree_with():
    weights = planted_weights(orthonormal(16, 2), 50, 17)
    assert leave_one_out({"subj01": weights}, orthonormal(16, 2), np.eye(N_FEATURES)) == {}


# ---- weights of subjects, each scaled by own images, in one space


def test_translated_weights_predict_the_same_up_to_an_intercept():
    generator = np.random.default_rng(18)
    features = generator.normal(size=(60, 5)) * [1, 5, 0.3, 2, 1] + 3
    own, common = (FeatureScaling.fit(features[rows]) for rows in (slice(30), slice(20, 60)))
    weights = generator.normal(size=(4, 5))
    predicted = own.transform(features) @ weights.T
    translated = common.transform(features) @ own.translate(weights, common).T
    difference = predicted - translated
    assert np.abs(difference - difference.mean(axis=0)).max() < 1e-5
    assert np.abs(predicted - predicted.mean(axis=0)).max() > 0.1


def test_bands_side_by_side_are_scaled_as_each_by_itself():
    bands = [np.random.default_rng(seed).normal(size=(20, 3)) for seed in (19, 20)]
    scalings = [FeatureScaling.fit(band) for band in bands]
    expected = np.hstack([s.transform(band) for s, band in zip(scalings, bands, strict=True)])
    assert np.array_equal(FeatureScaling.joined(scalings).transform(np.hstack(bands)), expected)
