"""Images of a component, what they show, and groups of voxels that prefer the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster
from scipy.stats import hypergeom

from encoding.image_profiles import label_profile, label_profiles, rank_images
from encoding.voxel_groups import cluster_agreement, cluster_voxels, directions, sign_tree

# ---- images


@given(st.integers(0, 1000), st.integers(1, 10))
def test_top_and_bottom_are_the_extremes_and_even_ones_span_all(seed, number):
    scores = np.random.default_rng(seed).normal(size=25)
    ranked, order = rank_images(scores, number), np.sort(scores)
    assert np.array_equal(scores[ranked.top], order[::-1][:number])
    assert np.array_equal(scores[ranked.bottom], order[:number])
    assert (np.diff(scores[ranked.even]) < 0).all()
    assert scores[ranked.even[0]] == order[-1]
    assert number == 1 or scores[ranked.even[-1]] == order[0]
    assert not set(ranked.top) & set(ranked.bottom)


def test_top_and_bottom_never_share_images():
    with pytest.raises(ValueError, match="25 images"):
        rank_images(np.zeros(25), 13)


def test_label_profile_is_fishers_exact_test_as_the_hypergeometric_distribution_has_it():
    labels, chosen = np.zeros((40, 1), np.uint8), np.arange(10)
    labels[[0, 1, 2, 3, 4, 5, 20, 30], 0] = 1
    found = label_profile(labels, chosen)
    assert (found.share[0], found.base_rate[0]) == (0.6, 0.2)
    assert found.odds_ratio[0] == pytest.approx((6 * 28) / (4 * 2))
    probabilities = hypergeom(40, 8, 10).pmf(np.arange(9))
    expected = probabilities[probabilities <= probabilities[6] * (1 + 1e-9)].sum()
    assert found.p[0] == pytest.approx(expected)


def test_labels_that_none_or_all_images_have_are_not_tested():
    labels = np.array([[0, 1, 1]] * 5 + [[0, 1, 0]] * 5)
    profiles = label_profiles(labels, {"top": np.arange(3), "bottom": np.arange(7, 10)})
    for profile, q in profiles.values():
        assert np.isnan(profile.p[:2]).all()
        assert np.isnan(q[:2]).all()
        assert profile.p[2] <= q[2]


def test_labels_at_random_are_seldom_found():
    generator = np.random.default_rng(0)
    rejected = [
        (label_profile(generator.random((60, 5)) < 0.4, np.arange(20)).p <= 0.05).mean()
        for _ in range(200)
    ]
    # discrete: an exact test rejects at most at its level
    assert 0.005 < np.mean(rejected) <= 0.06


# ---- voxels


def test_a_tree_splits_by_the_sign_of_one_component_after_another():
    projections = np.array(np.meshgrid([-1, 1], [-1, 1], np.arange(5))).reshape(3, -1).T
    nodes = sign_tree(projections, np.zeros(20), depth=2, least=1)
    assert set(nodes) == {"", "+", "-", "++", "+-", "-+", "--"}
    assert np.array_equal(nodes["+-"], (projections[:, 0] > 0) & (projections[:, 1] < 0))
    assert nodes[""].all()


@given(st.integers(0, 1000))
def test_the_children_of_a_node_share_it_out(seed):
    generator = np.random.default_rng(seed)
    nodes = sign_tree(generator.normal(size=(200, 4)), generator.integers(0, 2, 200), least=10)
    for branch, members in nodes.items():
        if branch.endswith("+"):
            sibling, parent = nodes[branch[:-1] + "-"], nodes[branch[:-1].rstrip("0")]
            assert not (members & sibling).any()
            assert np.array_equal(members | sibling, parent)


def test_a_split_that_one_subject_lacks_is_skipped():
    projections = np.ones((40, 2))
    projections[:10, 0] = -1  # of the first subject alone
    projections[::2, 1] = -1
    nodes = sign_tree(projections, np.repeat([1, 2], 20), depth=2)
    assert set(nodes) == {"", "0+", "0-"}
    assert np.array_equal(nodes["0-"], projections[:, 1] < 0)


def three_groups(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Voxels around three directions, the first two near each other; lengths say nothing."""
    generator = np.random.default_rng(seed)
    centres = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-1.0, 0.0, 0.5]])
    group = np.repeat(np.arange(3), n)
    rows = centres[group] + 0.05 * generator.normal(size=(3 * n, 3))
    return rows * generator.uniform(0.1, 10, (3 * n, 1)), group


def test_clusters_are_of_directions_and_near_ones_meet_first_in_the_tree():
    rows, group = three_groups(0)
    found = cluster_voxels(rows, 3, 0)
    names = [np.unique(found.labels[group == g]) for g in range(3)]
    assert [len(name) for name in names] == [1, 1, 1]
    assert found.silhouette > 0.5
    two = fcluster(found.linkage, 2, "maxclust")
    near, near_too, far = (two[name[0]] for name in names)
    assert near == near_too != far


def test_subjects_of_the_same_groups_agree_and_of_noise_do_not():
    alike = {f"subj0{s}": three_groups(s)[0] for s in (1, 2, 3)}
    noise = {s: np.random.default_rng(s).normal(size=(180, 8)) for s in (1, 2, 3)}
    assert min(cluster_agreement(alike, 3, 0).values()) > 0.95
    assert np.mean(list(cluster_agreement(noise, 3, 0).values())) < 0.5
    assert cluster_agreement({"subj01": three_groups(1)[0]}, 3, 0) == {}


def test_a_voxel_without_projection_has_no_direction():
    assert np.array_equal(directions(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]])


def test_more_clusters_than_voxels_are_refused():
    with pytest.raises(ValueError, match="5 clusters"):
        cluster_voxels(np.eye(5), 5, 0)
