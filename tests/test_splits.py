"""Splits are by image, seeded, and keep what belongs together on one side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoding.splits import (
    cluster_images,
    draw_images,
    held_out_clusters,
    inner_folds,
    match_sizes,
    nearest_training,
    random_test,
)


@given(st.integers(2, 8), st.integers(0, 40), st.integers(0, 5))
def test_folds_are_balanced_and_seeded(n_folds, extra, seed):
    folds = inner_folds(n_folds + extra, n_folds, seed)
    counts = np.bincount(folds, minlength=n_folds)
    assert counts.max() - counts.min() <= 1
    assert np.array_equal(folds, inner_folds(n_folds + extra, n_folds, seed))


def test_another_seed_gives_other_folds():
    assert not np.array_equal(inner_folds(100, 5, 0), inner_folds(100, 5, 1))


@given(st.lists(st.integers(0, 9), min_size=30, max_size=60), st.integers(0, 3))
def test_groups_validate_together_in_folds_of_about_one_size(labels, seed):
    labels = np.array([*range(10), *labels])
    folds = inner_folds(len(labels), 3, seed, labels)
    for label in range(10):
        assert len(set(folds[labels == label])) == 1
    sizes = np.bincount(folds, minlength=3)
    assert sizes.max() - sizes.min() <= np.bincount(labels).max()


def test_more_folds_than_images_or_groups_is_an_error():
    with pytest.raises(ValueError, match="5 folds cannot be made of 3 training images"):
        inner_folds(3, 5, 0)
    with pytest.raises(ValueError, match="3 folds cannot be made of 2 groups"):
        inner_folds(6, 3, 0, np.array([0, 0, 0, 1, 1, 1]))


def test_a_share_of_the_images_tests_at_random():
    test = random_test(1000, 0.15, 3)
    assert test.sum() == 150
    assert np.array_equal(test, random_test(1000, 0.15, 3))
    assert not np.array_equal(test, random_test(1000, 0.15, 4))
    with pytest.raises(ValueError, match="leaves nothing on one side"):
        random_test(10, 0.01, 0)


def test_clusters_are_found_and_none_is_on_both_sides():
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(20), 15)
    features = 8 * random.standard_normal((20, 6))[truth] + random.standard_normal((300, 6))
    features = np.column_stack([features, np.ones(300)])
    clusters = cluster_images(features, 20, 0)
    test = held_out_clusters(clusters, 0.2, 1)
    assert 0.2 <= test.mean() <= 0.45
    assert not set(clusters[test]) & set(clusters[~test])
    # neighbours of a test image are test images
    distance = ((features[:, None] - features[None]) ** 2).sum(-1) + 1e9 * np.eye(300)
    assert np.mean(test[distance.argmin(1)] == test) > 0.95


def test_the_training_image_most_like_a_test_image_is_found():
    """Against all correlations; one image has a near copy, one feature does not vary."""
    random = np.random.default_rng(3)
    features = random.standard_normal((12, 30)) * np.arange(1, 31) + 5
    test = np.arange(12) < 4
    features[1] = features[8] + 1e-3 * random.standard_normal(30) * np.arange(1, 31)
    features[:, 4] = 2.0
    nearest = nearest_training(features, test)
    varies = np.delete(features, 4, axis=1)
    correlation = np.corrcoef((varies - varies.mean(axis=0)) / varies.std(axis=0))
    assert np.allclose(nearest[test], correlation[:4, 4:].max(axis=1), atol=1e-5)
    assert nearest[1] > 0.999
    assert np.isnan(nearest[~test]).all()


def test_clusters_that_cannot_be_are_an_error():
    with pytest.raises(ValueError, match="5 clusters cannot be made of 3 images"):
        cluster_images(np.eye(3), 5, 0)
    with pytest.raises(ValueError, match="leaves none to train on"):
        held_out_clusters(np.array([0, 0, 1]), 0.9, 0)


@given(st.lists(st.booleans(), min_size=30, max_size=60), st.integers(0, 5))
def test_fewer_drawn_images_are_among_more(candidates, seed):
    candidates = np.array([*candidates, True, True])
    few, many = (draw_images(candidates, n, seed) for n in (1, int(candidates.sum()) - 1))
    assert (few.sum(), many.sum()) == (1, candidates.sum() - 1)
    assert (few <= many).all()
    assert (many <= candidates).all()


def test_more_images_than_there_are_cannot_be_drawn():
    with pytest.raises(ValueError, match="3 images cannot be drawn of 2"):
        draw_images(np.array([True, False, True]), 3, 0)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=8),
    st.integers(0, 5),
)
def test_matched_subsets_are_of_one_size_on_each_side_and_the_smallest_is_whole(rows, seed):
    first, second, test = np.array(rows).T
    subsets = first, second, ~first
    drawn = [match_sizes(subset, subsets, test, seed) for subset in subsets]
    for side in (test, ~test):
        sizes = {int((images & side).sum()) for images in drawn}
        assert sizes == {min(int((subset & side).sum()) for subset in subsets)}
    assert all((images <= subset).all() for images, subset in zip(drawn, subsets, strict=True))
