"""Tests and intervals of the difference between two models in each voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoding.inference.bootstrap import bootstrap_r2, count_drawn, interval
from encoding.inference.significance import INDISTINCT, sign_flip_p
from encoding.scores import loss_difference, r2_score


@dataclass(frozen=True)
class ModelDifference:
    """R² of a first model minus that of a second, voxel by voxel.

    Attributes
    ----------
    difference : (voxel,) float64, signed; NaN where a model has no score
    lower, upper : (voxel,) ends of the paired bootstrap interval over test images
    p : (voxel,) float64, two-sided, of sign flips of the paired differences of squared errors; NaN
        where both models predict the same
    """

    difference: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p: np.ndarray


def compare_models(
    measured: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    counts: np.ndarray,
    level: float = 0.95,
    blocks: np.ndarray | None = None,
) -> ModelDifference:
    """Test and estimate the difference of two models' R², paired over the same test images.

    Parameters
    ----------
    measured : (image, voxel); NaN where a voxel has no response to an image, which is left out
    first, second : (image, voxel) predictions of the two models
    counts : (draw, image), see `encoding.inference.bootstrap.draw_images`
    level : of the interval
    blocks : (image,) labels of images that are drawn, and flip signs, together
    """
    r2 = bootstrap_r2(measured, {"first": first, "second": second}, counts)
    lower, upper = interval(r2["first"] - r2["second"], level, count_drawn(len(measured), blocks))
    y, one, other = (np.asarray(values, np.float64) for values in (measured, first, second))
    gain = loss_difference(y, other, one)
    return ModelDifference(
        r2_score(y, one) - r2_score(y, other),
        lower,
        upper,
        two_sided_p(np.where(_distinct(gain, y), gain, 0), blocks),
    )


def two_sided_p(difference: np.ndarray, blocks: np.ndarray | None = None) -> np.ndarray:
    """Test whether paired differences of losses are other than 0 on average, by sign flips.

    Flips are as likely as their opposites, so that twice the one-sided p of the observed sign is
    the share of flips whose sum is as far from 0; see `encoding.inference.significance`.

    Parameters
    ----------
    difference : (image, voxel); NaN where a voxel has no response to an image, which is left out
    blocks : (image,) labels of images whose signs flip together

    Returns
    -------
    (voxel,) float64 in (0, 1]; NaN where no difference is finite, or all are 0
    """
    sign = np.where(np.nansum(difference, axis=0) < 0, -1.0, 1.0)
    return np.minimum(2 * sign_flip_p(sign * difference, blocks), 1)


def _distinct(gain: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Test whether predictions differ in a voxel by more than rounding errors of float32."""
    seen = np.isfinite(measured)
    mean = np.sum(measured, axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)
    spread = np.sum((measured - mean) ** 2, axis=0, where=seen)
    return np.sum(np.abs(gain), axis=0, where=seen) > INDISTINCT * spread
