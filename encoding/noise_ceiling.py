"""How much variance any model could explain, given the noise and the repeats."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

REPEATS = 3


def noise_ceiling(ncsnr: np.ndarray, n_repeats: np.ndarray) -> np.ndarray:
    """Explainable share of the variance of responses that were averaged over their repeats.

    NC = ncsnr² / (ncsnr² + mean over images of 1/n), which is the NSD Data Manual's
    (A/3 + B/2 + C)/(A + B + C) for A, B, C images with 3, 2 and 1 repeats. It bounds R² and r².

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
    n_repeats = np.asarray(n_repeats, dtype=np.float64)
    if (n_repeats < 0).any():
        raise ValueError("numbers of repeats are negative")
    if n_repeats.ndim == 1:
        n_repeats = n_repeats[:, None]
    seen = n_repeats > 0
    inverse = np.divide(1.0, n_repeats, out=np.zeros_like(n_repeats), where=seen)
    counts = seen.sum(axis=0)
    noise = np.divide(
        inverse.sum(axis=0), counts, out=np.full(counts.shape, np.nan), where=counts > 0
    )
    signal = np.asarray(ncsnr, dtype=np.float64) ** 2
    return signal / (signal + noise)


def correlation_ceiling(noise_ceiling: np.ndarray) -> np.ndarray:
    """The largest correlation that a model of the signal itself reaches on average: √NC.

    Parameters
    ----------
    noise_ceiling : (voxel,) share of variance, as `noise_ceiling` gives it

    Returns
    -------
    (voxel,) float64 in [0, 1]
    """
    return np.sqrt(np.asarray(noise_ceiling, dtype=np.float64))


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
    sessions : for each session, the images (trial,) shown and z-scored responses (trial, voxel)
    images : (image,) sorted, all that can occur

    Returns
    -------
    (voxel,) float64; NaN where no image has three trials
    """
    count = np.zeros(len(images), dtype=np.int64)
    mean = np.zeros((len(images), n_voxels), dtype=np.float32)
    squares = np.zeros_like(mean)
    for shown, responses in sessions:
        for row, trial in zip(np.searchsorted(images, shown), responses, strict=True):
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
