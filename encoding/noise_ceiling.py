"""How much variance any model could explain, given the noise and the repeats."""

from __future__ import annotations

import numpy as np


def noise_ceiling(ncsnr: np.ndarray, n_repeats: np.ndarray) -> np.ndarray:
    """Explainable share of the variance of responses that were averaged over their repeats.

    NC = ncsnr² / (ncsnr² + mean over images of 1/n), which is the NSD Data Manual's
    (A/3 + B/2 + C)/(A + B + C) for A, B, C images with 3, 2 and 1 repeats. It bounds R² and r²; the
    ceiling of a correlation is its square root.

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
