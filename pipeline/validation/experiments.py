"""Experiments with known truth, simulated without `encoding/`, which is compared with them.

Two spaces A and B of Gaussian features drive voxels of four kinds: by A, by B, by both in equal
parts, and by neither. The features' covariance is known. Therefore the population R² of a fitted
model, over all possible images, has a closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPACES = ("A", "B")
KINDS = ("A", "B", "both", "neither")
VOXELS_PER_KIND = 25
REPEATS = 3
# correlation of the features of near-duplicate images
SIMILARITY = 0.98


@dataclass(frozen=True)
class Condition:
    """One kind of experiment.

    Attributes
    ----------
    widths : numbers of features of A and B
    correlation : correlation of each feature of the narrower space with one of the other
    n_train, n_test : images
    duplicates : every image has a near duplicate: `within` training and within test images, or
        `across`, half of each pair in training and half in test
    pairs_drawn : whether near duplicates are drawn, and their losses flipped, together
    signal : variance of the signal; the noise of a single trial has variance 1
    """

    widths: tuple[int, int] = (40, 40)
    correlation: float = 0.0
    n_train: int = 400
    n_test: int = 400
    duplicates: str = "none"
    pairs_drawn: bool = False
    signal: float = 0.25


class Experiment:
    """Images, responses and truth of one experiment.

    Attributes
    ----------
    features : {space: (image, feature)} float32, training images first; covariance of trace 1
    signal : (image, voxel), without noise
    trials : (repeat, image, voxel), signal plus noise
    train : (image,) bool
    pair : (image,) near duplicates have the same number
    kind : (voxel,) one of `KINDS`
    """

    def __init__(self, condition: Condition, seed: int) -> None:
        self.condition, self.random = condition, np.random.default_rng(seed)
        self.kind = np.repeat(KINDS, VOXELS_PER_KIND)
        self.train = np.arange(condition.n_train + condition.n_test) < condition.n_train
        self.pair = self._pairs()
        self.covariance = self._covariance()
        features = self._images() @ np.linalg.cholesky(self.covariance).T
        edge = condition.widths[0]
        self.features = {
            "A": features[:, :edge].astype(np.float32),
            "B": features[:, edge:].astype(np.float32),
        }
        self.weights = self._weights()
        self.signal = features @ self.weights
        noise = self.random.standard_normal((REPEATS, *self.signal.shape))
        self.trials = self.signal + noise
        self.noise_variance = np.full(len(self.kind), 1 / REPEATS)

    @property
    def measured(self) -> np.ndarray:
        """Responses (image, voxel) averaged over repeats."""
        return self.trials.mean(axis=0)

    def _pairs(self) -> np.ndarray:
        n = len(self.train)
        if self.condition.duplicates == "across":
            half = np.arange(n // 2)
            return np.concatenate([half, half])
        return np.arange(n) // (2 if self.condition.duplicates == "within" else 1)

    def _images(self) -> np.ndarray:
        """Draw independent normal values (image, feature), correlated in near duplicates."""
        n_features = sum(self.condition.widths)
        common = self.random.standard_normal((self.pair.max() + 1, n_features))[self.pair]
        own = self.random.standard_normal(common.shape)
        similarity = 1.0 if self.condition.duplicates == "none" else SIMILARITY
        return np.sqrt(similarity) * common + np.sqrt(1 - similarity) * own

    def _covariance(self) -> np.ndarray:
        """Build the covariance: variances by a power law of exponent 1, trace 1 in each space."""
        deviations = []
        for width in self.condition.widths:
            variance = 1 / np.arange(1, width + 1)
            deviations.append(np.sqrt(variance / variance.sum()))
        first, _ = self.condition.widths
        narrow = np.arange(min(self.condition.widths))
        correlation = np.eye(sum(self.condition.widths))
        correlation[narrow, first + narrow] = self.condition.correlation
        correlation[first + narrow, narrow] = self.condition.correlation
        deviation = np.concatenate(deviations)
        return correlation * deviation[:, None] * deviation

    def _weights(self) -> np.ndarray:
        """Draw weights (feature, voxel) that give driven voxels the condition's signal variance."""
        weights = self.random.standard_normal((sum(self.condition.widths), len(self.kind)))
        edge = self.condition.widths[0]
        weights[edge:, self.kind == "A"] = 0
        weights[:edge, self.kind == "B"] = 0
        weights[:, self.kind == "neither"] = 0
        for part in (slice(None, edge), slice(edge, None)):
            variance = self._variance(weights[part], self.covariance[part, part])
            weights[part] /= np.sqrt(np.where(variance > 0, variance, 1))
        variance = self._variance(weights, self.covariance)
        return weights * np.sqrt(self.condition.signal / np.where(variance > 0, variance, 1))

    @staticmethod
    def _variance(weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        return np.einsum("fv,fg,gv->v", weights, covariance, weights, optimize=True)

    def population_r2(
        self, coefficients: np.ndarray, intercept: np.ndarray, spaces: tuple[str, ...]
    ) -> np.ndarray:
        """Compute R² (voxel,) over all possible images, for responses averaged over three repeats.

        Parameters
        ----------
        coefficients : (feature, voxel) of the features of `spaces`, in this order
        intercept : (voxel,)
        """
        error = self.weights.copy()
        edge = self.condition.widths[0]
        parts = {"A": slice(None, edge), "B": slice(edge, None)}
        start = 0
        for space in spaces:
            width = self.features[space].shape[1]
            error[parts[space]] -= coefficients[start : start + width]
            start += width
        squared = self._variance(error, self.covariance) + intercept**2
        total = self._variance(self.weights, self.covariance) + self.noise_variance
        return 1 - (squared + self.noise_variance) / total

    def perfect_r2(self, spaces: tuple[str, ...]) -> np.ndarray:
        """Compute R² (voxel,) of the best linear model of these spaces."""
        edge, width = self.condition.widths[0], sum(self.condition.widths)
        parts = {"A": np.arange(edge), "B": np.arange(edge, width)}
        known = np.concatenate([parts[space] for space in spaces])
        across = self.covariance[known] @ self.weights
        inside = self.covariance[np.ix_(known, known)]
        explained = np.einsum("fv,fv->v", across, np.linalg.solve(inside, across))
        return explained / (self._variance(self.weights, self.covariance) + self.noise_variance)
