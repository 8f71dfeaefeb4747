"""Representational similarity is scipy's; ceilings bound what a model reaches; corners are chance
where the brain knows nothing of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cosine, pdist, squareform

from encoding.similarity import (
    agreement_ceiling,
    agreement_interval,
    agreement_p,
    as_matrix,
    compare,
    corner_pairs,
    corner_similarity,
    image_similarities,
)

N_IMAGES = 30


def patterns(seed: int, dimensions: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N_IMAGES, dimensions))


@given(st.integers(0, 1000))
def test_similarities_are_those_of_pdist(seed):
    rows = patterns(seed)
    found = image_similarities(rows)
    np.testing.assert_allclose(found, 1 - pdist(rows, "correlation"), atol=1e-6)
    matrix = squareform(1 - pdist(rows, "correlation"), checks=False) + np.eye(N_IMAGES)
    np.testing.assert_allclose(as_matrix(found, N_IMAGES), matrix, atol=1e-6)


def test_an_image_without_pattern_is_similar_to_nothing():
    rows = patterns(0)
    rows[2] = 0.1
    matrix = as_matrix(image_similarities(rows), N_IMAGES)
    assert np.isnan(np.delete(matrix[2], 2)).all()
    assert np.isfinite(np.delete(np.delete(matrix, 2, axis=0), 2, axis=1)).all()


def test_patterns_that_cannot_correlate_are_refused():
    with pytest.raises(ValueError, match="two dimensions"):
        image_similarities(patterns(0, 1))
    with pytest.raises(ValueError, match="NaN"):
        image_similarities(np.full((4, 3), np.nan))


@given(st.integers(0, 1000))
def test_measures_are_those_of_scipy(seed):
    values = {name: image_similarities(patterns(seed + i)) for i, name in enumerate("ab")}
    # ties are ranked alike
    values["a"] = np.round(values["a"], 1)
    expected = {
        "spearman": stats.spearmanr(*values.values()).statistic,
        "pearson": stats.pearsonr(*values.values()).statistic,
        "cosine": 1 - cosine(*values.values()),
    }
    for measure, value in expected.items():
        found = compare(values, measure)
        assert found[0, 1] == found[1, 0] == pytest.approx(value, abs=1e-6)
        assert np.allclose(np.diagonal(found), 1)


@pytest.mark.parametrize("measure", ["spearman", "pearson", "cosine"])
def test_no_model_exceeds_the_upper_ceiling_and_the_truth_reaches_the_lower(measure):
    truth, generator = patterns(1, 40), np.random.default_rng(2)
    subjects = [image_similarities(truth + generator.normal(size=truth.shape)) for _ in range(6)]
    ceiling = agreement_ceiling(subjects, measure)
    assert 0 < ceiling.lower < ceiling.upper <= 1

    def mean_agreement(model: np.ndarray) -> float:
        agreement = compare({"model": model, **dict(enumerate(subjects))}, measure)
        return float(np.mean(agreement[0, 1:]))

    if measure == "spearman":
        best = np.mean([stats.rankdata(s) for s in subjects], axis=0)
    elif measure == "pearson":
        best = np.mean([stats.zscore(s) for s in subjects], axis=0)
    else:
        best = np.mean([s / np.linalg.norm(s) for s in subjects], axis=0)
    # the upper bound is the agreement of the best model there is: the mean of the subjects
    tolerance = 0.01 if measure == "spearman" else 1e-6
    assert mean_agreement(best) == pytest.approx(ceiling.upper, abs=tolerance)
    assert mean_agreement(image_similarities(truth)) > ceiling.lower
    assert mean_agreement(image_similarities(patterns(3))) < ceiling.lower


def test_subjects_who_are_the_same_leave_no_room_and_one_subject_has_no_ceiling():
    same = image_similarities(patterns(4))
    ceiling = agreement_ceiling([same, same, same], "spearman")
    assert (ceiling.lower, ceiling.upper) == (pytest.approx(1), pytest.approx(1))
    assert np.isnan(agreement_ceiling([same], "spearman").upper)


MEASURES = pytest.mark.parametrize("measure", ["spearman", "pearson", "cosine"])


@MEASURES
def test_p_of_agreement_is_uniform_where_there_is_none_and_least_where_there_is(measure):
    p = []
    for seed in range(150):
        three = {i: image_similarities(patterns(3 * seed + i)) for i in range(3)}
        found = agreement_p(three, measure, 99, seed)
        assert np.array_equal(found, found.T)
        assert (np.diagonal(found) == 1 / 100).all()
        p.append(found[0, 1])
    assert stats.kstest(np.array(p) - 1 / 200, "uniform").pvalue > 0.01
    rows = patterns(1)
    noisy = rows + np.random.default_rng(0).normal(size=rows.shape)
    alike = {"a": image_similarities(rows), "b": image_similarities(noisy)}
    assert agreement_p(alike, measure, 99, 0)[0, 1] == 1 / 100


def test_p_of_agreement_is_that_of_permuted_matrices():
    values = {name: image_similarities(patterns(s, 4)) for name, s in (("a", 5), ("b", 6))}
    (first, second), generator = values.values(), np.random.default_rng(3)
    measured, reached = stats.spearmanr(first, second).statistic, 0
    for _ in range(99):
        order = generator.permutation(N_IMAGES)
        matrix = as_matrix(first, N_IMAGES)[np.ix_(order, order)]
        permuted = matrix[np.triu_indices(N_IMAGES, 1)]
        reached += stats.spearmanr(permuted, second).statistic >= measured
    assert agreement_p(values, "spearman", 99, 3)[0, 1] == (reached + 1) / 100


def test_an_image_without_pattern_leaves_no_agreement_to_be_tested():
    rows = patterns(0)
    rows[2] = 0.1
    values = {"a": image_similarities(rows), "b": image_similarities(patterns(1))}
    p = agreement_p(values, "spearman", 9, 0)
    assert np.isnan([p[0, 1], p[1, 0], p[0, 0]]).all()
    assert p[1, 1] == 1 / 10
    assert np.isnan(agreement_interval(*values.values(), "spearman")).all()


@MEASURES
def test_the_interval_of_an_agreement_is_the_jackknifes(measure):
    rows = patterns(1)
    other = rows + np.random.default_rng(0).normal(size=rows.shape)
    first, second = (image_similarities(values) for values in (rows, other))
    kind = "pearson" if measure == "spearman" else measure
    if measure == "spearman":
        first, second = stats.rankdata(first), stats.rankdata(second)
    left = []
    for image in range(N_IMAGES):
        kept = np.delete(np.arange(N_IMAGES), image)
        parts = [
            as_matrix(values, N_IMAGES)[np.ix_(kept, kept)][np.triu_indices(N_IMAGES - 1, 1)]
            for values in (first, second)
        ]
        left.append(compare(dict(enumerate(parts)), kind)[0, 1])
    z = np.arctanh(left)
    error = np.sqrt((N_IMAGES - 1) * z.var())
    middle = np.arctanh(compare({0: first, 1: second}, kind)[0, 1])
    expected = np.tanh(middle + np.array([-1, 1]) * stats.t.ppf(0.95, N_IMAGES - 1) * error)
    found = agreement_interval(first, second, measure, 0.9)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@MEASURES
@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_intervals_of_agreement_cover_that_of_all_images(measure, noise):
    generator = np.random.default_rng(0)

    def agreeing(n_images: int) -> list[np.ndarray]:
        rows = generator.normal(size=(n_images, 10)) * np.linspace(2, 0.5, 10)
        other = rows + noise * generator.normal(size=rows.shape)
        return [image_similarities(values) for values in (rows, other)]

    truth = compare(dict(enumerate(agreeing(1500))), measure)[0, 1]
    intervals = np.array([agreement_interval(*agreeing(60), measure) for _ in range(400)])
    covered = ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean()
    assert 0.92 < covered < 0.98


def test_corners_are_the_extremes_of_both_spaces():
    grid = np.linspace(-1, 1, 101)
    first, second = (axis.ravel() for axis in np.meshgrid(grid, grid))
    corners = corner_pairs(first, second)
    assert {name: len(found) for name, found in corners.items()} == dict.fromkeys(corners, 9)
    assert first[corners["first alike"]].min() > 0.9 > -0.9 > second[corners["first alike"]].max()
    assert max(first[corners["both unlike"]].max(), second[corners["both unlike"]].max()) < -0.9


def test_a_brain_that_follows_a_space_finds_its_corners_alike():
    rows = patterns(5)
    first, second = image_similarities(rows), image_similarities(patterns(6))
    corners = corner_pairs(first, second, percentile=20)
    found = {
        name: corner_similarity(first, chosen, N_IMAGES, 199, 0) for name, chosen in corners.items()
    }
    assert found["first alike"].mean > found["first alike"].baseline + 0.3
    assert found["second alike"].mean < found["second alike"].baseline - 0.3
    assert found["first alike"].p == found["second alike"].p == 1 / 200
    assert found["first alike"].baseline == pytest.approx(first.mean())


def test_p_of_corners_is_uniform_where_the_brain_knows_nothing_of_them():
    corners = corner_pairs(image_similarities(patterns(7)), image_similarities(patterns(8)), 20)
    p = [
        corner_similarity(image_similarities(patterns(s)), corners["first alike"], 30, 99, s).p
        for s in range(100, 300)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_corner_without_pairs_has_no_mean():
    found = corner_similarity(image_similarities(patterns(9)), np.arange(0), N_IMAGES, 9, 0)
    assert np.isnan([found.mean, found.p]).all()
