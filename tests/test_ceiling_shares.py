"""Variance as a share of the noise ceiling."""

from __future__ import annotations

import numpy as np
import pytest

from encoding.ceiling_shares import ceiling_share, mean_ceiling_share
from encoding.noise_ceiling import noise_ceiling
from encoding.scores import r2_score

CEILING = np.array([0.4, 0.5, 0.1, 0.0, -0.2, np.nan])


def test_shares_are_signed_and_missing_where_the_ceiling_is_not_above_the_minimum():
    variance = np.array([[0.2, -0.1, 0.05, 0.1, 0.1, 0.1], [0.4, 0.6, 0, 0, 0, 0]])
    expected = [[0.5, -0.2, *[np.nan] * 4], [1, 1.2, *[np.nan] * 4]]
    assert np.allclose(ceiling_share(variance, CEILING, 0.1), expected, equal_nan=True)


def test_a_regions_share_is_of_means_over_the_same_voxels():
    variance = np.array([[0.2, np.nan, 9, 9, 9, 9, 0.1], [0.1, 0.3, 9, 9, 9, 9, 0.5]])
    ceiling = np.append(CEILING, 0.8)
    assert mean_ceiling_share(variance, ceiling, 0.1) == pytest.approx([0.3 / 1.2, 0.6 / 1.2])
    assert np.isnan(mean_ceiling_share(variance, ceiling, 0.9)).all()


def test_a_model_of_half_the_signal_reaches_half_the_ceiling_whatever_the_noise():
    random = np.random.default_rng(0)
    shape = (4000, 40)
    noise = np.repeat([0.2, 0.5, 1, 2], 10)
    known, unknown, error = random.normal(size=(3, *shape))
    responses = (known + unknown) / np.sqrt(2) + np.sqrt(noise) * error
    ceiling = noise_ceiling(responses, np.ones(shape, int), noise).ceiling
    share = ceiling_share(r2_score(responses, known / np.sqrt(2)), ceiling, 0.1)
    means = share.reshape(4, 10).mean(axis=1)
    assert means == pytest.approx(np.full(4, 0.5), abs=0.03)
