"""The layer that drives a voxel is the one that is found, on training images alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from encoding.layers import preferred_layers
from encoding.ridge.solver import fit_banded_ridge
from encoding.scaling import FeatureScaling

SCORES = arrays(np.float64, (4, 6), elements=st.floats(-1, 1))


def simulated_layers(n_images, n_layers, width, random):
    """Each layer is made of the one before and of something new, as in a network."""
    layers = [random.standard_normal((n_images, width))]
    for _ in range(n_layers - 1):
        mixed = layers[-1] @ random.standard_normal((width, width)) / np.sqrt(width)
        layers.append(np.sqrt(0.5) * mixed + np.sqrt(0.5) * random.standard_normal(mixed.shape))
    return [FeatureScaling.fit(layer).transform(layer) for layer in layers]


def test_the_layer_that_drives_a_voxel_is_its_preferred_layer():
    """Voxels at a noise ceiling of 30 %, neighbouring layers share half their variance."""
    random = np.random.default_rng(0)
    layers = simulated_layers(800, 4, 20, random)
    driving = np.repeat(np.arange(4), 50)
    responses = np.empty((800, 200), np.float32)
    for voxel, layer in enumerate(driving):
        signal = layers[layer] @ random.standard_normal(20)
        noise = random.standard_normal(800)
        responses[:, voxel] = np.sqrt(0.3) * signal / signal.std() + np.sqrt(0.7) * noise
    folds = np.arange(800) % 4
    scores = [
        fit_banded_ridge(
            {"layer": layer}, responses, folds, np.logspace(-3, 3, 7), np.ones((1, 1))
        ).cv_score
        for layer in layers
    ]
    found = preferred_layers(np.array(scores))
    assert np.mean(found.best == driving + 1) > 0.98
    assert np.mean(found.first == driving + 1) > 0.95


def test_the_first_layer_that_nearly_reaches_the_best_is_reported_beside_it():
    scores = np.array([[0.10], [0.39], [0.38], [0.40]])
    found = preferred_layers(scores)
    assert (found.best.tolist(), found.first.tolist()) == ([4], [2])
    assert preferred_layers(scores, 0.98).first.tolist() == [4]


@given(SCORES)
def test_the_first_layer_comes_no_later_than_the_best_and_is_it_at_a_share_of_one(scores):
    found = preferred_layers(scores)
    above = scores.max(axis=0) > 0
    assert (found.first[above] <= found.best[above]).all()
    assert np.array_equal(preferred_layers(scores, 1.0).first[above], found.best[above])
    assert np.isnan(found.first[~above]).all()


def test_voxels_without_a_score_or_below_the_ceiling_have_no_layer():
    scores = np.array([[0.2, np.nan, 0.3], [0.1, 0.4, 0.5]])
    found = preferred_layers(scores)
    assert np.array_equal(found.best, [1, np.nan, 2], equal_nan=True)
    kept = found.where(np.array([True, True, False]))
    assert np.array_equal(kept.best, [1, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(kept.first, [1, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize("share", [0, 1.2])
def test_a_share_that_cannot_be_reached_is_reported(share):
    with pytest.raises(ValueError, match="is not above 0 and at most 1"):
        preferred_layers(np.ones((2, 3)), share)


def test_scores_of_no_layer_are_reported():
    with pytest.raises(ValueError, match=r"not of \(layer, voxel\)"):
        preferred_layers(np.ones(3))
