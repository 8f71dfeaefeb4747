"""Agreement of two predictors of the same responses in the images that they miss.

A miss is an image whose predicted pattern over voxels is not, of all images' predicted patterns,
the nearest to its measured pattern (identification: Kay et al. 2008, Nature). Two predictors that
miss independently agree as often as their accuracies alone make them; Cohen's κ is what they agree
beyond that (Geirhos et al. 2020, NeurIPS). Both are judged by one measured pattern, whose noise
and whose weak signal make either miss: predictors without any error in common have a κ above 0.
see `independent_errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from encoding.inference.bootstrap import interval

# directions of less variance than this share of the largest's hold no detectable signal
LEAST_SIGNAL = 0.1
# draws of simulated predictors
SIMULATED = 20
# how the size of simulated errors is found: halvings of log2 g in ±6, over as many draws
HALVINGS, TRIED = 9, 3


def pattern_correlation(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson correlation over voxels of every measured with every predicted pattern.

    Its diagonal is the image-wise accuracy.

    Parameters
    ----------
    measured, predicted : (image, voxel), finite

    Returns
    -------
    (measured image, predicted image) float64; NaN where a pattern does not vary

    Raises
    ------
    ValueError
        Shapes disagree, or there are fewer than two voxels.
    """
    if measured.shape != predicted.shape or measured.shape[1] < 2:
        raise ValueError(
            f"patterns measured {measured.shape} and predicted {predicted.shape} are not of the "
            "same images and of two voxels or more"
        )
    return _standardised(measured) @ _standardised(predicted).T


def _standardised(patterns: np.ndarray) -> np.ndarray:
    patterns = np.asarray(patterns, dtype=np.float64)
    patterns = patterns - patterns.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(patterns, axis=1, keepdims=True)
    return np.divide(patterns, norm, out=np.full_like(patterns, np.nan), where=norm > 1e-12)


def identified(correlation: np.ndarray) -> np.ndarray:
    """Find images that are identified: their own predicted pattern is nearest to the measured one.

    By chance one in as many as there are images is.

    Parameters
    ----------
    correlation : (image, image), see `pattern_correlation`

    Returns
    -------
    (image,) bool; False too where another is as near, or the image's own pattern does not vary
    """
    known = np.where(np.isnan(correlation), -np.inf, correlation)
    own = known.diagonal().copy()
    others = known.copy()
    np.fill_diagonal(others, -np.inf)
    return own > others.max(axis=1)


@dataclass(frozen=True)
class ErrorConsistency:
    """Agreement of two predictors' misses over the same images.

    Attributes
    ----------
    accuracies : shares of images that each identifies
    observed : share of images that both identify or both miss
    expected : that share if misses were independent, a₁a₂ + (1 - a₁)(1 - a₂)
    kappa : (observed - expected) / (1 - expected); NaN if both identify all or miss all
    lower, upper : bootstrap interval of kappa over images; NaN where a draw has no kappa
    """

    accuracies: tuple[float, float]
    observed: float
    expected: float
    kappa: float
    lower: float
    upper: float


def error_consistency(
    first: np.ndarray, second: np.ndarray, counts: np.ndarray, level: float = 0.95
) -> ErrorConsistency:
    """Agreement of two predictors beyond what their accuracies make.

    Parameters
    ----------
    first, second : (image,) bool, True where the predictor is right
    counts : (draw, image), see `encoding.inference.bootstrap.draw_images`; what is nearest to what
        is not decided anew in a draw
    level : of the interval

    Raises
    ------
    ValueError
        Lengths disagree.
    """
    if not first.shape == second.shape == counts.shape[1:]:
        raise ValueError(
            f"first {first.shape}, second {second.shape} and counts {counts.shape} are not of the "
            "same images"
        )
    once = np.ones((1, len(first)))
    accuracies, observed, expected, kappa = _agreement(first, second, once)
    draws = _agreement(first, second, counts)[-1]
    lower, upper = interval(draws[:, None], level)
    return ErrorConsistency(
        (float(accuracies[0, 0]), float(accuracies[1, 0])),
        float(observed[0]),
        float(expected[0]),
        float(kappa[0]),
        float(lower[0]),
        float(upper[0]),
    )


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's κ of two predictors (image,) bool; NaN if both identify all or miss all."""
    return float(_agreement(first, second, np.ones((1, len(first))))[-1][0])


def _agreement(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Accuracies (predictor, draw), then observed, expected and κ (draw,)."""
    right = np.column_stack([first, second, first == second]).astype(np.float64)
    shares = (counts @ right / counts.sum(axis=1, keepdims=True)).T
    accuracies, observed = shares[:2], shares[2]
    expected = accuracies.prod(axis=0) + (1 - accuracies).prod(axis=0)
    kappa = np.full(len(expected), np.nan)
    np.divide(observed - expected, 1 - expected, out=kappa, where=expected < 1 - 1e-12)
    return accuracies, observed, expected, kappa


def independent_errors(
    measured: np.ndarray,
    noise: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    n_draws: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Find images identified by simulated predictors that share nothing but the target.

    In every draw there is one target for all, s + ε, with normal signals s and patterns of measured
    noise ε, and of each predictor a simulated one, B s + g e. The covariance of s over voxels is
    that of the measured patterns minus that of the noise (directions of at least a tenth of the
    largest variance); B is the regression on s, cov(predicted, measured) cov(s)⁻¹, which
    noise has no part in; e is normal with the covariance that B s leaves of the predictor; and g
    is such that as many images are identified as by the predictor.

    Where voxels are many and the signal is weak, some noise is taken for signal and κ of what is
    simulated is too large: with 300 images by .10 where the signal is a fifth of the variance of
    200 voxels, by .09 where it is a quarter in 60 voxels, by at most .03 where it is half.

    Parameters
    ----------
    measured : (image, voxel), finite
    noise : (pattern, voxel), finite, with the variance of the noise of `measured`
    predicted : {predictor: (image, voxel)}, finite
    n_draws : of targets and errors
    seed : of these

    Returns
    -------
    {predictor: (draw, image) bool}; κ of two predictors' rows is what the target alone brings about
    """
    simulation = _Simulation.of(measured, noise, seed)
    return {
        name: simulation.hits_of(number, measured, values, n_draws)
        for number, (name, values) in enumerate(predicted.items(), start=1)
    }


@dataclass(frozen=True)
class _Simulation:
    """Targets: (direction, voxel) roots of the covariance of the signal, and patterns of noise."""

    directions: np.ndarray
    noise: np.ndarray
    mean: np.ndarray
    n_images: int
    seed: int

    @classmethod
    def of(cls, measured: np.ndarray, noise: np.ndarray, seed: int) -> _Simulation:
        noise = np.asarray(noise, np.float64)
        roots = _roots(_covariance(measured, measured) - noise.T @ noise / len(noise), LEAST_SIGNAL)
        return cls(roots, noise, measured.mean(axis=0, dtype=np.float64), len(measured), seed)

    def hits_of(
        self, number: int, measured: np.ndarray, predicted: np.ndarray, n_draws: int
    ) -> np.ndarray:
        """(draw, image) bool of one simulated predictor, as accurate as `predicted`."""
        variance = (self.directions**2).sum(axis=1, keepdims=True)
        known = self.directions / variance @ _covariance(measured, predicted)
        errors = _roots(_covariance(predicted, predicted) - known.T @ known, 1e-9)
        mean = predicted.mean(axis=0, dtype=np.float64)
        accuracy = identified(pattern_correlation(measured, predicted)).mean()

        def hits(draw: int, size: float) -> np.ndarray:
            signal, target = self.target(draw)
            drawn = np.random.default_rng([self.seed, draw, number])
            wrong = drawn.standard_normal((len(signal), len(errors))) @ errors
            return identified(pattern_correlation(target, signal @ known + size * wrong + mean))

        low, high = -6.0, 6.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            reached = np.mean([hits(draw, 2.0**middle).mean() for draw in range(TRIED)])
            low, high = (middle, high) if reached > accuracy else (low, middle)
        return np.array([hits(draw, 2.0 ** ((low + high) / 2)) for draw in range(n_draws)])

    def target(self, draw: int) -> tuple[np.ndarray, np.ndarray]:
        """Signal (image, direction) and target (image, voxel), the same for every predictor."""
        generator = np.random.default_rng([self.seed, draw, 0])
        signal = generator.standard_normal((self.n_images, len(self.directions)))
        rows = generator.integers(len(self.noise), size=self.n_images)
        signs = generator.choice([-1.0, 1.0], size=(self.n_images, 1))
        return signal, signal @ self.directions + signs * self.noise[rows] + self.mean


def _covariance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (v - v.mean(axis=0, dtype=np.float64) for v in (first, second))
    return first.T @ second / (len(first) - 1)


def _roots(covariance: np.ndarray, least: float) -> np.ndarray:
    """(direction, voxel) whose products sum to the covariance, without its small or negative part.

    `least` is the share of the largest eigenvalue from which on one counts.
    """
    values, vectors = np.linalg.eigh(covariance)
    kept = values > least * max(values[-1], 0)
    return np.sqrt(values[kept])[:, None] * vectors[:, kept].T
