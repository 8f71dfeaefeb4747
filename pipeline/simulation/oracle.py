"""Upper bounds of explained variance: a perfect fit, and ridge with the best penalties.

Independent of `encoding/`, which is compared with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

ALPHAS = np.logspace(-4, 4, 17)
N_BAND_WEIGHTS = 24


def subsets(spaces: Sequence[str]) -> list[tuple[str, ...]]:
    """List every nonempty subset in the order of `spaces`."""
    return [s for size in range(1, len(spaces) + 1) for s in itertools.combinations(spaces, size)]


def population_r2(signal: np.ndarray, prediction: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Compute the expected R² on noisy test responses.

    Parameters
    ----------
    signal, prediction : (image, voxel), test images, noiseless
    noise : (voxel,) noise variance of the averaged test responses
    """
    error = ((signal - prediction) ** 2).mean(axis=0) + noise
    return 1 - error / (signal.var(axis=0) + noise)


def perfect_r2(
    components: Mapping[str, np.ndarray], signal: np.ndarray, test: np.ndarray, noise: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute R² of every subset's perfect fit: of noiseless signal to the planted components.

    Parameters
    ----------
    components : {space: (image, component)}
    signal : (image, voxel) noiseless
    test : (image,) bool, test images
    noise : (voxel,) noise variance of the averaged test responses
    """
    result = {}
    for subset in subsets(list(components)):
        design = np.hstack([np.ones((len(signal), 1)), *(components[s] for s in subset)])
        usable = np.isfinite(signal).all(axis=0)
        prediction = np.full(signal.shape, np.nan)
        weights = np.linalg.lstsq(design, signal[:, usable], rcond=None)[0]
        prediction[:, usable] = design @ weights
        result["+".join(subset)] = population_r2(signal[test], prediction[test], noise)
    return result


def oracle_r2(
    features: Mapping[str, np.ndarray],
    measured: np.ndarray,
    signal: np.ndarray,
    test: np.ndarray,
    noise: np.ndarray,
    seed: int,
    n_band_weights: int = N_BAND_WEIGHTS,
) -> dict[str, np.ndarray]:
    """Compute R² of every subset's ridge fit with the best penalties and band weights.

    Ridge models are fitted to the measured responses of the training images. Unlike in a real fit,
    the candidate is chosen that best predicts the noiseless test responses.

    Parameters
    ----------
    features : {space: (image, feature)}
    measured, signal : (image, voxel) with and without noise; voxels with NaN are NaN in the result
    test : (image,) bool
    noise : (voxel,) noise variance of the averaged test responses
    n_band_weights : draws of band weights, besides equal ones and single bands
    """
    usable = np.isfinite(measured).all(axis=0) & np.isfinite(signal).all(axis=0)
    kernels = {space: _kernel(values, ~test) for space, values in features.items()}
    result = {}
    for subset in subsets(list(features)):
        best = np.full(measured.shape[1], -np.inf)
        for weights in _band_weights(len(subset), n_band_weights, seed):
            kernel = sum(w * kernels[space] for w, space in zip(weights, subset, strict=True))
            for prediction in _ridge(kernel, measured[:, usable], ~test, test):
                r2 = population_r2(signal[test][:, usable], prediction, noise[usable])
                best[usable] = np.maximum(best[usable], r2)
        result["+".join(subset)] = np.where(usable, best, np.nan)
    return result


def _kernel(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    varies = deviation > 1e-6 * np.abs(mean)
    # units that are almost never active in training images would have huge test z-scores
    floor = 0.1 * np.sqrt((deviation[varies] ** 2).mean())
    scaled = (features[:, varies] - mean[varies]) / np.maximum(deviation[varies], floor)
    return scaled @ scaled.T / (scaled[train] ** 2).sum(axis=1).mean()


def _band_weights(n_bands: int, n_draws: int, seed: int) -> np.ndarray:
    if n_bands == 1:
        return np.ones((1, 1))
    draws = np.random.default_rng(seed).dirichlet(np.ones(n_bands), n_draws)
    return np.vstack([np.eye(n_bands), np.full(n_bands, 1 / n_bands), draws])


def _ridge(
    kernel: np.ndarray, measured: np.ndarray, train: np.ndarray, test: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield predictions (test image, voxel) for each penalty."""
    values, vectors = np.linalg.eigh(kernel[np.ix_(train, train)])
    mean = measured[train].mean(axis=0)
    rotated = vectors.T @ (measured[train] - mean)
    across = kernel[np.ix_(test, train)] @ vectors
    for alpha in ALPHAS:
        yield (across / (np.maximum(values, 0) + alpha)) @ rotated + mean
