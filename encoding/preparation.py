"""Features made ready for ridge, by what the training images alone tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

QUIET = 0.1
Scaling = Literal["zscore", "center"]


@dataclass(frozen=True)
class FeatureScaling:
    """What is subtracted from each feature and what it is multiplied by, learnt on training images.

    `zscore` gives each feature unit variance and the band unit mean Gram diagonal. A unit that
    fires in one training image of hundreds has a tiny deviation: its z-score in another image in
    which it fires can be in the thousands, and spoils the prediction. Features quieter than a tenth
    of the band's root mean square deviation are therefore divided by that tenth instead of their
    own deviation; constant ones become 0. The band as a whole is then scaled so that a band weight
    means the same for a space of 80 features as for one of 2,048.

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
        scaled = np.where(varies, deviation / np.maximum(deviation, QUIET * typical), 0.0)
        factor = np.where(varies, 1 / np.maximum(deviation, QUIET * typical), 0.0)
        return cls(mean, factor / np.linalg.norm(scaled))

    @classmethod
    def joined(cls, bands: Iterable[FeatureScaling]) -> FeatureScaling:
        """Of bands side by side."""
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
