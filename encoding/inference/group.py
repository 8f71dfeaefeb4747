"""Tests of effects over subjects: the subject is the unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class GroupTest:
    """Mean over subjects of one value each, and tests of it.

    Attributes
    ----------
    mean, standard_error : over subjects
    t, p_t : of a one-sample t-test, two-sided; of paired values if they are differences
    p_sign_flip : of all flips of the subjects' signs, two-sided; it cannot be below 2 / 2ⁿ
    n_subjects : with a finite value
    n_positive : of these above 0
    """

    mean: float
    standard_error: float
    t: float
    p_t: float
    p_sign_flip: float
    n_subjects: int
    n_positive: int


def group_test(values: np.ndarray) -> GroupTest:
    """Test whether the mean over subjects differs from 0.

    Parameters
    ----------
    values : (subject,); NaN for subjects without a value, who are left out

    Returns
    -------
    tests are NaN with fewer than two subjects, or values that are all the same
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    mean = float(values.mean()) if n else np.nan
    if n < 2 or np.ptp(values) == 0:
        return GroupTest(mean, np.nan, np.nan, np.nan, np.nan, n, int((values > 0).sum()))
    t = stats.ttest_1samp(values, 0)
    return GroupTest(
        mean,
        float(stats.sem(values)),
        float(t.statistic),
        float(t.pvalue),
        _sign_flip_p(values),
        n,
        int((values > 0).sum()),
    )


@dataclass(frozen=True)
class GroupMap:
    """Mean over subjects of one value each, and a test of it, in every voxel of a map.

    Attributes
    ----------
    mean, t, p_t : (voxel,) as in `GroupTest`; NaN where fewer than two subjects have a value
    p_max_t : (voxel,) corrected for all voxels of the map, two-sided (see `max_t_p`); NaN where a
        subject has no value
    n_subjects : (voxel,) with a finite value
    """

    mean: np.ndarray
    t: np.ndarray
    p_t: np.ndarray
    p_max_t: np.ndarray
    n_subjects: np.ndarray


def group_map(values: np.ndarray) -> GroupMap:
    """Mean over subjects and one-sample t-test, two-sided, in every voxel, corrected or not.

    Parameters
    ----------
    values : (subject, voxel); NaN where a subject has no value
    """
    values = np.asarray(values, dtype=np.float64)
    n = np.isfinite(values).sum(axis=0)
    enough = n >= 2
    divisor = np.where(enough, n, 2)
    mean = np.where(enough, np.nansum(values, axis=0) / divisor, np.nan)
    squares = np.nansum((values - mean) ** 2, axis=0)
    error = np.sqrt(squares / (divisor - 1) / divisor)
    t = np.divide(mean, error, out=np.full(mean.shape, np.nan), where=enough & (error > 0))
    return GroupMap(mean, t, 2 * stats.t.sf(np.abs(t), divisor - 1), max_t_p(values), n)


def max_t_p(values: np.ndarray) -> np.ndarray:
    """Test the mean over subjects in every voxel, corrected for all voxels of the map.

    If there is no effect in any voxel, a subject's map is as likely as its negative. p of a voxel
    is the share of all flips of the subjects' signs whose largest |t| over the map reaches the |t|
    of the voxel: the family-wise error is controlled whatever the correlation of voxels (Nichols &
    Holmes 2002). Every flip is tried, 2ⁿ of n subjects, so that p is exact and not below 2 / 2ⁿ.

    Parameters
    ----------
    values : (subject, voxel); voxels where a subject has no value, or all have the same, are left
        out: t of fewer subjects has longer tails, which would decide the maximum

    Returns
    -------
    (voxel,) float64, NaN in voxels that are left out, and everywhere with fewer than two subjects
    """
    values = np.asarray(values, dtype=np.float64)
    p = np.full(values.shape[1], np.nan)
    tested = np.isfinite(values).all(axis=0) & (np.ptp(values, axis=0) > 0)
    if len(values) < 2 or not tested.any():
        return p
    # |t| grows with the mean's square as a share of the mean square, which no flip changes
    scaled = values[:, tested] / np.sqrt(np.sum(values[:, tested] ** 2, axis=0))
    observed = np.abs(scaled.sum(axis=0))
    # of a flip and its opposite, which are equal, one
    signs = _sign_patterns(len(values))[: 2 ** (len(values) - 1)]
    largest = np.sort([np.abs(flip @ scaled).max() for flip in signs])
    reached = len(largest) - np.searchsorted(largest, observed * (1 - 1e-12))
    p[tested] = reached / len(largest)
    return p


def _sign_flip_p(values: np.ndarray) -> float:
    sums = np.abs(_sign_patterns(len(values)) @ values)
    return float(np.mean(sums >= np.abs(values.sum()) * (1 - 1e-12)))


def _sign_patterns(n: int) -> np.ndarray:
    """Every pattern of n signs, as the bits of a number; opposites are as far from either end."""
    return 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1
