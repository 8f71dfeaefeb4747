"""Scores of a model on images unlike those it was fitted on, beside scores on images like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoding.inference.bootstrap import interval

# outcomes of `order_of_models`
SAME, REVERSED, UNDECIDED = "same", "reversed", "undecided"


def regression_slope(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Slope of the regression of measured on predicted responses, Σ (y - ȳ) ŷ / Σ (ŷ - mean(ŷ)) ŷ.

    It is 1 where predictions have the right size, below 1 where they are too large, and near 0
    where they say nothing about the responses.

    Parameters
    ----------
    measured, predicted : (image, voxel)

    Returns
    -------
    (voxel,) float64; NaN where predictions do not vary or something is NaN
    """
    prediction = np.asarray(predicted, np.float64)
    prediction = prediction - prediction.mean(axis=0)
    size = np.sum(prediction**2, axis=0)
    product = np.sum(prediction * np.asarray(measured, np.float64), axis=0)
    result = np.full(size.shape, np.nan)
    return np.divide(product, size, out=result, where=size > 1e-12)


@dataclass
class RegionDraws:
    """Means over the voxels of regions of draws' scores, added up block by block.

    Attributes
    ----------
    total, count : (draw, region) sums of known scores, and their numbers
    """

    total: np.ndarray
    count: np.ndarray

    @classmethod
    def empty(cls, n_draws: int, n_regions: int) -> RegionDraws:
        """Begin without voxels."""
        return cls(np.zeros((n_draws, n_regions)), np.zeros((n_draws, n_regions)))

    def add(self, scores: np.ndarray, members: np.ndarray) -> None:
        """Add scores (draw, voxel) of voxels that are members (voxel, region) bool of regions.

        NaN, the score of a draw whose images do not vary, is left out of that draw's mean.
        """
        known = np.isfinite(scores)
        inside = members.astype(np.float32)
        self.total += np.where(known, scores, 0) @ inside
        self.count += known.astype(np.float32) @ inside

    def means(self) -> np.ndarray:
        """Return means (draw, region) float32; NaN without voxels."""
        missing = np.full(self.total.shape, np.nan)
        return np.divide(self.total, self.count, out=missing, where=self.count > 0).astype(
            np.float32
        )


@dataclass(frozen=True)
class Interval:
    """A value, and the ends of its bootstrap interval: (region,) each."""

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def of(
        cls, value: np.ndarray, draws: np.ndarray, level: float, n_drawn: int | None
    ) -> Interval:
        """Take the ends from draws (draw, region).

        Parameters
        ----------
        n_drawn : images, or blocks of images, of a draw; without at least two there are no ends
        """
        if n_drawn is not None and n_drawn < 2:
            return cls(value, np.full_like(value, np.nan), np.full_like(value, np.nan))
        return cls(value, *interval(draws, level, n_drawn))

    @property
    def sign(self) -> np.ndarray:
        """1 or -1 where the interval is above or below 0, otherwise 0."""
        return (self.lower > 0).astype(int) - (self.upper < 0).astype(int)


def order_of_models(inside: Interval, outside: Interval) -> np.ndarray:
    """Tell whether two models are in the same order on images inside and outside a distribution.

    Parameters
    ----------
    inside, outside : difference of the two models' scores, on both sets of images

    Returns
    -------
    (region,) `same` or `reversed` where both intervals exclude 0; otherwise `undecided`
    """
    product = inside.sign * outside.sign
    return np.select([product > 0, product < 0], [SAME, REVERSED], UNDECIDED)


def nearest_distance(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Euclidean distance (image,) of features (image, feature) from the nearest training image."""
    a, b = (np.asarray(values, np.float64) for values in (features, training))
    centre = b.mean(axis=0)
    # about their mean, for squares of large numbers cancel
    a, b = a - centre, b - centre
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0))
