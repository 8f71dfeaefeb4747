"""Do two predictors of the same responses miss the same images?

A miss is an image whose predicted pattern over voxels is not, of all images' predicted patterns,
the nearest to its measured pattern (identification: Kay et al. 2008, Nature). Two predictors that
miss independently agree as often as their accuracies alone make them; Cohen's κ is what they agree
beyond that (Geirhos et al. 2020, NeurIPS).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoding.bootstrap import interval


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
    """Which images are identified: their own predicted pattern is nearest to the measured one.

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
    """Of two predictors over the same images.

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
    counts : (draw, image), see `encoding.bootstrap.draw_images`; what is nearest to what is not
        decided anew in a draw
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


def _agreement(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Accuracies (predictor, draw), then observed, expected and κ (draw,)."""
    right = np.column_stack([first, second, first == second]).astype(np.float64)
    shares = (counts @ right / counts.sum(axis=1, keepdims=True)).T
    accuracies, observed = shares[:2], shares[2]
    expected = accuracies.prod(axis=0) + (1 - accuracies).prod(axis=0)
    kappa = np.full(len(expected), np.nan)
    np.divide(observed - expected, 1 - expected, out=kappa, where=expected < 1 - 1e-12)
    return accuracies, observed, expected, kappa
