"""Noise ceilings: the variance that any model could explain, given the noise and the repeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

REPEATS = 3


def reliability(ncsnr: np.ndarray, n_repeats: np.ndarray) -> np.ndarray:
    """Compute the expected explainable share of the variance of responses averaged over repeats.

    ncsnr² / (ncsnr² + mean over images of 1/n), which is the NSD Data Manual's noise ceiling, with
    (A/3 + B/2 + C)/(A + B + C) for A, B, C images with 3, 2 and 1 repeats. It takes the signal to
    vary as over all images of the study and looks at no response of the images themselves: voxels
    are chosen by it without a look at the test. What bounds scores of given test images is their
    `noise_ceiling`.

    Parameters
    ----------
    ncsnr : (voxel,) ratio of the standard deviations of signal and single-trial noise
    n_repeats : (image,) or (image, voxel) repeats averaged for the images that are scored; 0 where
        an image has no response for a voxel

    Returns
    -------
    (voxel,) float64 in [0, 1]; NaN where ncsnr is NaN or no image has a response

    Raises
    ------
    ValueError
        A negative number of repeats.
    """
    noise = _mean_inverse(n_repeats)
    signal = np.asarray(ncsnr, dtype=np.float64) ** 2
    return signal / (signal + noise)


def _mean_inverse(n_repeats: np.ndarray) -> np.ndarray:
    """Mean of 1/n over the images that a voxel has: (voxel,), or (1,) of (image,) repeats."""
    n_repeats = np.asarray(n_repeats, dtype=np.float64)
    if (n_repeats < 0).any():
        raise ValueError("numbers of repeats are negative")
    if n_repeats.ndim == 1:
        n_repeats = n_repeats[:, None]
    seen = n_repeats > 0
    inverse = np.divide(1.0, n_repeats, out=np.zeros_like(n_repeats), where=seen)
    counts = seen.sum(axis=0)
    return np.divide(
        inverse.sum(axis=0), counts, out=np.full(counts.shape, np.nan), where=counts > 0
    )


@dataclass(frozen=True)
class NoiseCeiling:
    """Explainable share of the variance of the responses to given images; it bounds R² and r².

    Attributes
    ----------
    ceiling : (voxel,) float64, at most 1; below 0 where responses vary less than noise alone would
        on average; NaN where fewer than two images have a response, or these do not vary
    standard_error : (voxel,) float64, over draws of as many images
    """

    ceiling: np.ndarray
    standard_error: np.ndarray


def noise_ceiling(
    responses: np.ndarray, n_repeats: np.ndarray, noise_variance: np.ndarray
) -> NoiseCeiling:
    """Explainable share of the variance that the responses to these very images have.

    1 - N / V, where N = mean(σ²/n) is the variance of the noise of the averaged responses and V
    their sample variance. Images of one category vary less than those of a whole study, and share
    its noise: their ceiling is lower. The standard error is V's by the delta method, N/V² √Var(V),
    with Var(V) = (m₄ - V² (k-3)/(k-1)) / k of k images and their fourth central moment m₄ (e.g.
    Mood, Graybill & Boes 1974, VI.2); σ², which comes from the trials of all images, is taken as
    known.

    Parameters
    ----------
    responses : (image, voxel) averaged over repeats; NaN where an image has no response
    n_repeats : (image, voxel) repeats that were averaged; 0 where an image has no response
    noise_variance : (voxel,) σ², variance of a single trial's noise in the units of `responses`

    Raises
    ------
    ValueError
        A negative number of repeats.
    """
    y = np.asarray(responses, dtype=np.float64)
    seen = np.isfinite(y)
    k = np.where((n := seen.sum(axis=0)) > 1, n, np.nan)
    deviation = np.where(seen, y, 0.0) - np.where(seen, y, 0.0).sum(axis=0) / k
    square = np.where(seen, deviation**2, 0.0)
    variance = square.sum(axis=0) / (k - 1)
    # rounding error of a constant voxel is not variance
    variance[~(variance > 1e-12)] = np.nan
    noise = np.asarray(noise_variance, dtype=np.float64) * _mean_inverse(n_repeats)
    fourth = (square**2).sum(axis=0) / k
    of_variance = np.maximum(fourth - variance**2 * (k - 3) / (k - 1), 0) / k
    return NoiseCeiling(1 - noise / variance, noise / variance**2 * np.sqrt(of_variance))


def trial_noise_ceiling(
    trial_variance: np.ndarray, noise_variance: np.ndarray, n_repeats: np.ndarray
) -> np.ndarray:
    """Explainable share of the variance of averages, from the variance of single trials.

    With the variance T of all trials, σ² of the noise (pooled over images, Σ (nᵢ - 1) varᵢ /
    Σ (nᵢ - 1)) and s² = max(T - σ², 0), it is s² / (s² + σ² mean(1/n)): the ceiling of Gifford et
    al. (2026) for images with unequal numbers of repeats. T weights images by their repeats;
    `noise_ceiling`, which does not, differs where images that are repeated more often vary more, or
    less.

    Parameters
    ----------
    trial_variance, noise_variance : (voxel,) T and σ²
    n_repeats : (image,) or (image, voxel) as in `reliability`

    Returns
    -------
    (voxel,) float64 in [0, 1]; NaN where a variance is NaN or σ² is 0
    """
    noise = np.asarray(noise_variance, dtype=np.float64)
    signal = np.maximum(np.asarray(trial_variance, dtype=np.float64) - noise, 0)
    noise = np.where(noise > 0, noise, np.nan)
    return signal / (signal + noise * _mean_inverse(n_repeats))


def correlation_ceiling(noise_ceiling: np.ndarray) -> np.ndarray:
    """Compute the expected correlation of the signal itself with the responses: the bound of r.

    Parameters
    ----------
    noise_ceiling : (voxel,) share of variance

    Returns
    -------
    (voxel,) float64 in [0, 1], the square root; 0 where the share is estimated to be below 0
    """
    return np.sqrt(np.maximum(np.asarray(noise_ceiling, dtype=np.float64), 0))


def signal_to_noise(
    sessions: Iterable[tuple[np.ndarray, np.ndarray]], images: np.ndarray, n_voxels: int
) -> np.ndarray:
    """ncsnr: the standard deviation of the signal over that of a single trial's noise.

    With σ² the variance (ddof 1) over the three trials of an image, averaged over images, and
    responses that were z-scored to unit variance,

        ncsnr = sqrt(max(1 - σ², 0)) / σ

    (Allen et al. 2022, Nat Neurosci; NSD Data Manual). Images with other numbers of trials are left
    out, and for a voxel those of which a trial is NaN. Sessions are streamed; the memory is two
    float32 per image and voxel.

    Parameters
    ----------
    sessions : for each session, the images (trial,) presented and z-scored responses (trial, voxel)
    images : (image,) sorted, all that can occur

    Returns
    -------
    (voxel,) float64; NaN where no image has three trials
    """
    count = np.zeros(len(images), dtype=np.int64)
    mean = np.zeros((len(images), n_voxels), dtype=np.float32)
    squares = np.zeros_like(mean)
    for presented, responses in sessions:
        for row, trial in zip(np.searchsorted(images, presented), responses, strict=True):
            # Welford's update: sums of squares about the running mean do not cancel
            count[row] += 1
            change = trial - mean[row]
            mean[row] += change / count[row]
            squares[row] += change * (trial - mean[row])
    complete = squares[count == REPEATS]
    usable = np.count_nonzero(np.isfinite(complete), axis=0)
    total = np.nansum(complete, axis=0, dtype=np.float64) / (REPEATS - 1)
    variance = np.divide(total, usable, out=np.full(n_voxels, np.nan), where=usable > 0)
    return np.sqrt(np.maximum(1 - variance, 0) / variance)
