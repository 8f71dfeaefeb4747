"""Tests of single models and of unique variance, and the false discovery rate over voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import false_discovery_control

from encoding.partition import partition_variance

# voxels whose responses stay in the cache while they are permuted
BLOCK = 256


def permutation_p(
    measured: np.ndarray, predicted: Mapping[str, np.ndarray], n_permutations: int, seed: int
) -> dict[str, np.ndarray]:
    """Test whether a model predicts at all: r against r after permuting the images.

    One-sided, p = (k + 1) / (B + 1) with k of B permutations that reach the measured r (Phipson &
    Smyth 2010). All models and voxels share the permutations.

    Parameters
    ----------
    measured : (image, voxel)
    predicted : {model: (image, voxel)}

    Returns
    -------
    {model: (voxel,) float64}; NaN where measured or predicted responses are not finite or do not
    vary
    """
    orders = [
        np.random.default_rng([seed, number]).permutation(len(measured))
        for number in range(n_permutations)
    ]
    p = {model: np.full(measured.shape[1], np.nan) for model in predicted}
    for start in range(0, measured.shape[1], BLOCK):
        voxels = slice(start, start + BLOCK)
        y = _standardised(measured[:, voxels])
        standardised = {model: _standardised(rows[:, voxels]) for model, rows in predicted.items()}
        reached = {model: np.zeros(y.shape[1]) for model in predicted}
        # a permutation that changes nothing reaches r up to rounding
        r = {model: _products(y, rows) - 1e-6 for model, rows in standardised.items()}
        for order in orders:
            permuted = y[order]
            for model, rows in standardised.items():
                reached[model] += _products(permuted, rows) >= r[model]
        for model, count in reached.items():
            usable = np.isfinite(r[model])
            p[model][voxels][usable] = (count[usable] + 1) / (n_permutations + 1)
    return p


def _standardised(values: np.ndarray) -> np.ndarray:
    """Zero mean and unit norm over images; NaN where that cannot be."""
    values = np.asarray(values, dtype=np.float32)
    values = values - values.mean(axis=0)
    norm = np.linalg.norm(values, axis=0)
    return np.divide(values, norm, out=np.full_like(values, np.nan), where=norm > 1e-6)


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->j", first, second)


def sign_flip_p(
    difference: np.ndarray, n_flips: int, seed: int, blocks: np.ndarray | None = None
) -> np.ndarray:
    """Test whether paired differences of losses are above 0 on average.

    If one model predicts no better than the other, signs are chance. One-sided, p = (k + 1) /
    (B + 1).

    Parameters
    ----------
    difference : (image, voxel); NaN where a voxel has no response to an image, which is left out
    blocks : (image,) labels of images that resemble one another, whose signs flip together

    Returns
    -------
    (voxel,) float64; NaN where no difference is finite, or all are 0
    """
    seen = np.isfinite(difference)
    values = np.where(seen, difference, 0).astype(np.float32)
    if blocks is not None:
        _, block = np.unique(blocks, return_inverse=True)
        sums = np.zeros((int(block.max()) + 1, values.shape[1]), np.float32)
        np.add.at(sums, block, values)
        values = sums
    signs = np.random.default_rng(seed).integers(0, 2, (n_flips, len(values)), dtype=np.int8)
    signs = (2 * signs - 1).astype(np.float32)
    total, scale = values.sum(axis=0), np.abs(values).sum(axis=0)
    reached = np.count_nonzero(signs @ values >= total - 1e-6 * scale, axis=0)
    return np.where(scale > 0, (reached + 1) / (n_flips + 1), np.nan)


def component_p(
    measured: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    spaces: Sequence[str],
    n_flips: int,
    seed: int,
    blocks: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Test whether components of variance are above 0, unique and shared ones alike.

    R² of a model is the sum over images of (y - mean(y))² - (y - ŷ)², divided by the same for all
    models. A component, a signed sum of R², so has a value for every image: of unique variance it
    is the difference of two models' squared errors. See `sign_flip_p`; one-sided, so that negative
    shared variance (suppression) is no discovery. R² about the mean of the test responses is 1 / n
    below that about the population's: it cancels in unique variance, and tests of what all spaces
    share lose a little by it.

    Parameters
    ----------
    measured : (image, voxel); NaN where a voxel has no response to an image, which is left out
    predicted : {model: (image, voxel)} of every subset of `spaces`
    blocks : (image,) labels of images that resemble one another, whose signs flip together

    Returns
    -------
    {component: (voxel,) float64}, as `partition_variance`
    """
    # in float64, for models may predict nearly the same
    y = np.asarray(measured, dtype=np.float64)
    seen = np.isfinite(y)
    deviation = y - np.sum(y, axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)
    gains = {model: deviation**2 - (y - values) ** 2 for model, values in predicted.items()}
    components = partition_variance(gains, spaces)
    return {name: sign_flip_p(values, n_flips, seed, blocks) for name, values in components.items()}


def false_discovery_rate(p: np.ndarray) -> np.ndarray:
    """Benjamini & Hochberg's q-values over all finite p of a family.

    Parameters
    ----------
    p : of any shape; NaN for what is not tested, which stays NaN and does not count

    Returns
    -------
    float64 of the same shape
    """
    p = np.asarray(p, dtype=np.float64)
    tested, q = np.isfinite(p), np.full(p.shape, np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method="bh")
    return q
