"""Features made ready for banded ridge, by what the training images alone tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FeatureScaling:
    """z-score of each feature and unit mean Gram diagonal of the band, learnt on training images.

    A feature that is constant over the training images carries nothing and becomes 0. Dividing by
    the square root of the number of the others gives every band the same total variance, so that
    a band weight means the same for a space of 80 features as for one of 2,048.

    Attributes
    ----------
    mean, factor : (feature,) float64
    """

    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def fit(cls, training: np.ndarray) -> FeatureScaling:
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
        factor = np.zeros_like(mean)
        factor[varies] = 1 / (deviation[varies] * np.sqrt(np.count_nonzero(varies)))
        return cls(mean, factor)

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Scale `features` (image, feature) to float32 (image, feature)."""
        return ((np.asarray(features, np.float64) - self.mean) * self.factor).astype(np.float32)
