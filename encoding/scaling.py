"""Scaling of features for ridge by statistics of the training images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Scaling = Literal["zscore", "zscore_unfloored", "center"]
# least deviation that a feature is divided by, as a share of the band's root mean square deviation
FLOORS = {"zscore": 0.1, "zscore_unfloored": 0.0}


@dataclass(frozen=True)
class FeatureScaling:
    """Offsets and factors of features, learnt on training images.

    `zscore` gives each feature unit variance and the band unit mean Gram diagonal. Features quieter
    than a tenth of the band's root mean square deviation are divided by that tenth instead of
    their own deviation; constant ones become 0. A unit that fires in one training image of
    hundreds has a tiny deviation: its z-score in another image in which it fires can be in the
    thousands, and spoils the prediction. All features of the band are then scaled so that a band
    weight means the same for a space of 80 features as for one of 2,048.

    `zscore_unfloored` divides every feature by its own deviation. It is better where features are
    quiet in all images alike and weigh as much as loud ones, and worse where they are silent in
    most images, as rectified units of networks are, which is why `zscore` is the default.
    Mean test R² (`python -m benchmarks.scaling`) with and without floor: Gaussian features of
    log-normal deviations (σ = 2, about 60 % of them below the floor) .104 and .218 with 500
    training images, .372 and .401 with 2,000 if their z-scores weigh alike, .334 and .226, .445
    and .402 if they weigh as they are; rectified units of which some fire in one image of 2,000
    (7 to 10 % of units below the floor) .078 and -11.6 with 250 training images, .230 and -.057
    with 500, .333 and -.197 with 1,000, .444 and .416 with 4,000. In the demo, AlexNet's fifth
    convolution .473 and -53.8, spaces without rectified units the same either way.

    `center` subtracts the mean and no more, as Wang et al. (2023) did: spaces of large or many
    features are then penalised least.

    Attributes
    ----------
    mean, factor : (feature,) float64
    """

    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def fit(cls, training: np.ndarray, scaling: Scaling = "zscore") -> FeatureScaling:
        """Learn from `training` (image, feature).

        Raises
        ------
        ValueError
            A feature is not finite, or every feature is constant.
        """
        training = np.asarray(training, dtype=np.float64)
        if not np.isfinite(training).all():
            raise ValueError("the features hold NaN or infinite values")
        mean, deviation = training.mean(axis=0), training.std(axis=0)
        # float32 features: a spread below their rounding error is no variation
        varies = deviation > 1e-6 * np.maximum(np.abs(mean), np.finfo(np.float32).tiny)
        if not varies.any():
            raise ValueError("every feature is constant over the training images")
        if scaling == "center":
            return cls(mean, varies.astype(np.float64))
        typical = np.sqrt(np.mean(deviation[varies] ** 2))
        divisor = np.maximum(deviation, FLOORS[scaling] * typical)
        factor = np.divide(1, divisor, out=np.zeros_like(divisor), where=varies)
        return cls(mean, factor / np.linalg.norm(deviation * factor))

    @classmethod
    def joined(cls, bands: Iterable[FeatureScaling]) -> FeatureScaling:
        """Scaling of bands side by side."""
        scalings = list(bands)
        return cls(
            np.concatenate([scaling.mean for scaling in scalings]),
            np.concatenate([scaling.factor for scaling in scalings]),
        )

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Scale `features` (image, feature) to float32 (image, feature)."""
        return ((np.asarray(features, np.float64) - self.mean) * self.factor).astype(np.float32)

    def translate(self, weights: np.ndarray, other: FeatureScaling) -> np.ndarray:
        """Weights of features scaled thus, as weights of the same features scaled otherwise.

        Predictions are the same up to the intercept, so that weights that were fitted in different
        subjects, each scaled by own training images, can be compared.

        Parameters
        ----------
        weights : (…, feature)
        other : weights of features that it makes 0 become 0
        """
        ratio = np.divide(
            self.factor, other.factor, out=np.zeros_like(self.factor), where=other.factor > 0
        )
        return np.asarray(weights, np.float64) * ratio
