"""Is an effect one of subjects in general? The subject is the unit."""

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
    """Mean over subjects of one value each, and a test of it, in every place of a map.

    Attributes
    ----------
    mean, t, p_t : (place,) as in `GroupTest`; NaN where fewer than two subjects have a value
    n_subjects : (place,) with a finite value
    """

    mean: np.ndarray
    t: np.ndarray
    p_t: np.ndarray
    n_subjects: np.ndarray


def group_map(values: np.ndarray) -> GroupMap:
    """Mean over subjects and one-sample t-test, two-sided, in every place.

    Parameters
    ----------
    values : (subject, place); NaN where a subject has no value
    """
    values = np.asarray(values, dtype=np.float64)
    n = np.isfinite(values).sum(axis=0)
    enough = n >= 2
    divisor = np.where(enough, n, 2)
    mean = np.where(enough, np.nansum(values, axis=0) / divisor, np.nan)
    squares = np.nansum((values - mean) ** 2, axis=0)
    error = np.sqrt(squares / (divisor - 1) / divisor)
    t = np.divide(mean, error, out=np.full(mean.shape, np.nan), where=enough & (error > 0))
    return GroupMap(mean, t, 2 * stats.t.sf(np.abs(t), divisor - 1), n)


def _sign_flip_p(values: np.ndarray) -> float:
    # every pattern of signs, as the bits of a number
    patterns = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
    sums = np.abs((2 * patterns - 1) @ values)
    return float(np.mean(sums >= np.abs(values.sum()) * (1 - 1e-12)))
