"""Tests of single models and of components of variance, and the false discovery rate over voxels.

p are computed from the tails of distributions, not counted among draws: with B draws none is below
1 / (B + 1), and over the voxels of a cortex no effect in less than a few per cent of them could be
found at any false discovery rate.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import false_discovery_control, rankdata

from encoding.variance_partitioning import partition_variance

# of a voxel's variance: differences of losses that are smaller in sum are rounding errors of
# predictions in float32, whose sign and p another processor or number of threads would change
INDISTINCT = 1e-5
# voxels whose responses stay in the cache while they are tested
BLOCK = 256
# results are kept in float32, in which less is 0
LEAST_P = float(np.finfo(np.float32).tiny)
# of so few blocks all flips of signs are counted
COUNTED_BLOCKS = 12
# with fewer, p cannot be small: 2^-9 is .002
FEWEST_BLOCKS = 10
# (rank - c) / (n + 1 - 2 c) is the quantile of a score; with this c, fourth moments of scores are
# those of normal samples to .5 % (with Blom's 3/8, 6 % below at 100 images: p ≤ 1e-3 too rarely)
SCORE_OFFSET = 0.65


def correlation_p(
    measured: np.ndarray, predicted: Mapping[str, np.ndarray], blocks: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Test whether a model predicts at all, by the responses' normal scores.

    Measured responses are replaced by the normal quantiles of their ranks. If their order over
    images is chance, they are as normal noise, and their correlation r with any prediction, however
    distributed, follows Student's t: r √((n - 2) / (1 - r²)) with n - 2 degrees of freedom (Fisher
    1925). No permutation is drawn. One-sided.

    With blocks it is the mean product of scores and centred predictions that is tested, by signs
    that flip with the blocks (see `sign_flip_p`): a wild cluster test under the null hypothesis
    (Cameron, Gelbach & Miller 2008).

    Parameters
    ----------
    measured : (image, voxel)
    predicted : {model: (image, voxel)}
    blocks : (image,) labels of images that resemble one another

    Returns
    -------
    {model: (voxel,) float64}; NaN where measured or predicted responses are not finite or do not
    vary
    """
    p = {model: np.full(measured.shape[1], np.nan) for model in predicted}
    for start in range(0, measured.shape[1], BLOCK):
        voxels = slice(start, start + BLOCK)
        scores = _standardised(normal_scores(measured[:, voxels]))
        for model, rows in predicted.items():
            products = scores * _standardised(rows[:, voxels])
            if blocks is None:
                p[model][voxels] = _student_p(products.sum(axis=0), len(measured))
            else:
                p[model][voxels] = sign_flip_p(products, blocks)
    return p


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Compute normal quantiles of the ranks of each column; ties share a rank, NaN fills a column.

    Parameters
    ----------
    values : (image, voxel)

    Returns
    -------
    (image, voxel) float64
    """
    # a whole column is sorted at once where it is contiguous
    ranks = rankdata(np.ascontiguousarray(values.T), axis=1).T
    return ndtri((ranks - SCORE_OFFSET) / (len(values) + 1 - 2 * SCORE_OFFSET))


def _standardised(values: np.ndarray) -> np.ndarray:
    """Zero mean and unit norm over images; NaN where that cannot be."""
    values = np.asarray(values, dtype=np.float64)
    values = values - values.mean(axis=0)
    norm = np.linalg.norm(values, axis=0)
    return np.divide(values, norm, out=np.full_like(values, np.nan), where=norm > 1e-6)


def _student_p(r: np.ndarray, n: int) -> np.ndarray:
    unexplained = np.maximum(1 - r**2, np.finfo(float).tiny)
    return np.maximum(stdtr(n - 2, -r * np.sqrt((n - 2) / unexplained)), LEAST_P)


def sign_flip_p(difference: np.ndarray, blocks: np.ndarray | None = None) -> np.ndarray:
    """Test whether paired differences of losses are above 0 on average.

    If one model predicts no better than the other, signs are chance: p is the share of all flips of
    signs whose sum reaches the measured one. It is counted for up to 12 differences (or blocks),
    and beyond it is the saddlepoint approximation of Lugannani & Rice (1980) in the form of
    Barndorff-Nielsen (1986): with K(t) = Σ log cosh(t dᵢ) and K'(t) = Σ dᵢ,

        p = Φ(-w - log(u / w) / w),  w = √(2 (t K'(t) - K(t))),  u = t √K''(t)

    Its relative error does not grow into the tail. One-sided. As any test by sign flips it holds
    for differences that are symmetric about 0 under the null hypothesis, as those of two losses of
    the same distribution are. Where few large losses outweigh many small gains p is too small: of
    mean less exponential values p ≤ .01 is 1.4 to 2.5 times, p ≤ 1e-4 3 to 18 times as frequent as
    it should be (1,000 to 100 images; `benchmarks/significance.py`).

    Parameters
    ----------
    difference : (image, voxel); NaN where a voxel has no response to an image, which is left out
    blocks : (image,) labels of images that resemble one another, whose signs flip together

    Returns
    -------
    (voxel,) float64; NaN where no difference is finite, or all are 0
    """
    values = np.where(np.isfinite(difference), difference, 0).astype(np.float64)
    if blocks is not None:
        values = _sums_of_blocks(values, blocks)
    p = np.full(values.shape[1], np.nan)
    test = _counted_p if len(values) <= COUNTED_BLOCKS else _saddlepoint_p
    tested = np.flatnonzero(values.any(axis=0))
    for start in range(0, len(tested), BLOCK):
        voxels = tested[start : start + BLOCK]
        p[voxels] = np.maximum(test(values[:, voxels]), LEAST_P)
    return p


def _sums_of_blocks(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    _, block = np.unique(blocks, return_inverse=True)
    sums = np.zeros((int(block.max()) + 1, values.shape[1]))
    np.add.at(sums, block, values)
    if len(sums) < FEWEST_BLOCKS:
        warnings.warn(
            f"test images are of {len(sums)} clusters: no p is below 1 / 2^{len(sums)} = "
            f"{2.0 ** -len(sums):.2g}, which tests too rarely; choose more `splits.clusters`, so "
            f"that {FEWEST_BLOCKS} or more test",
            stacklevel=3,
        )
    return sums


def _counted_p(values: np.ndarray) -> np.ndarray:
    """Count the share of all sign flips that reach the sum, up to rounding."""
    flips = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
    reached = (1.0 - 2 * flips) @ values >= values.sum(axis=0) - 1e-9 * np.abs(values).sum(axis=0)
    return reached.mean(axis=0)


def _saddlepoint_p(values: np.ndarray) -> np.ndarray:
    values = values / np.linalg.norm(values, axis=0)
    total = values.sum(axis=0)
    size, most = np.abs(total), np.abs(values).sum(axis=0)
    # no other flip reaches as far as one whose signs are all the same
    farthest = size >= most * (1 - 1e-12)
    inside = ~farthest
    beyond = np.empty(len(total))
    beyond[farthest] = 2.0 ** -np.count_nonzero(values[:, farthest], axis=0)
    w, u = _saddlepoints(values[:, inside], size[inside])
    # near the middle, where both are 0, the correction is too
    off = w > 1e-4
    w[off] += np.log(u[off] / w[off]) / w[off]
    beyond[inside] = ndtr(-w)
    return np.where(total >= 0, beyond, np.where(farthest, 1, 1 - beyond))


def _saddlepoints(values: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute w and u, see `sign_flip_p`, of sums that are not below 0."""
    # K' is concave above 0, so Newton's steps from below its root never overshoot
    t, curvature = total.copy(), np.ones_like(total)
    moving = np.arange(len(total))
    while len(moving):
        here = values[:, moving]
        slope = np.tanh(t[moving] * here)
        reached = np.einsum("ij,ij->j", here, slope)
        slope *= here
        curvature[moving] = 1 - np.einsum("ij,ij->j", slope, slope)
        step = (total[moving] - reached) / curvature[moving]
        far = step > 1e-7 * t[moving]
        t[moving] += np.where(far, step, 0)
        moving = moving[far]
    size = np.abs(t * values)
    # log cosh without overflow
    generated = np.sum(size + np.log1p(np.exp(-2 * size)) - np.log(2), axis=0)
    w = np.sqrt(np.maximum(2 * (t * total - generated), 0))
    return w, t * np.sqrt(curvature)


def component_p(
    measured: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    spaces: Sequence[str],
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
    {component: (voxel,) float64}, as `partition_variance`; NaN where a component is 0 in all
    images, up to the precision of predictions in float32
    """
    # in float64, for models may predict nearly the same
    y = np.asarray(measured, dtype=np.float64)
    seen = np.isfinite(y)
    deviation = y - np.sum(y, axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)
    gains = {model: deviation**2 - (y - values) ** 2 for model, values in predicted.items()}
    components = partition_variance(gains, spaces)
    spread = np.sum(deviation**2, axis=0, where=seen)
    differ = {
        name: np.sum(np.abs(values), axis=0, where=seen) > INDISTINCT * spread
        for name, values in components.items()
    }
    return {
        name: sign_flip_p(np.where(differ[name], values, 0), blocks)
        for name, values in components.items()
    }


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
