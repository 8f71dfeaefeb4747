"""Learning curves: scores by the number of training images, and where models overtake others."""

from __future__ import annotations

import numpy as np


def weighted_sums(draws: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum scores over the voxels of regions in each draw, without voxels that lack a score.

    A voxel whose responses do not vary over the images of a draw has no score in it. It is left out
    of the means of that draw and of its regions, for all models alike, or a curve would compare
    different voxels; other regions do not have it, and keep theirs.

    Parameters
    ----------
    draws : (model, draw, voxel) scores; NaN where there is none
    weights : (region, voxel), 0 for voxels outside

    Returns
    -------
    sums : (model, region, draw)
    known : (region, draw) the weights that they are sums of; means are sums / known
    """
    known = np.isfinite(draws).all(axis=0)
    return weights @ np.where(known, draws, 0).swapaxes(1, 2), weights @ known.T


def overtaking_size(sizes: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Find the number of training images from which on the second model scores above the first.

    Differences of scores are interpolated on a logarithmic axis of sizes between the last size at
    which the second is not ahead and the next one; between sizes that were not measured nothing is
    known, and beyond the largest nothing is extrapolated.

    Parameters
    ----------
    sizes : (size,) numbers of training images, ascending
    first, second : (size,) or (size, draw) scores with that many images

    Returns
    -------
    () or (draw,) float64: 0 where the second is ahead at every size, infinity where it is not ahead
    at the largest, NaN where a score is NaN

    Raises
    ------
    ValueError
        Sizes do not ascend from above 0, or shapes disagree.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if not len(sizes) or sizes[0] <= 0 or (np.diff(sizes) <= 0).any():
        raise ValueError(f"sizes {sizes.tolist()} do not ascend from above 0")
    if first.shape != second.shape or first.shape[:1] != sizes.shape:
        raise ValueError(
            f"scores {first.shape} and {second.shape} are not of the {len(sizes)} sizes"
        )
    difference = (second - first).reshape(len(sizes), -1)
    behind = ~(difference > 0)
    # the last size at which the second is not ahead; -1 if there is none
    last = np.where(behind.any(axis=0), len(sizes) - 1 - behind[::-1].argmax(axis=0), -1)
    found = np.where(last == -1, 0.0, np.inf)
    draws = np.flatnonzero((last >= 0) & (last < len(sizes) - 1))
    before, after = last[draws], last[draws] + 1
    low, high = difference[before, draws], difference[after, draws]
    share = low / (low - high)
    logarithm = np.log(sizes)
    found[draws] = np.exp(logarithm[before] + share * (logarithm[after] - logarithm[before]))
    found[np.isnan(difference).any(axis=0)] = np.nan
    return found.reshape(first.shape[1:])
