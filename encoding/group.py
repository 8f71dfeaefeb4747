"""Is an effect one of subjects in general? The subject is the unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class GroupTest:
    """Of one value per subject.

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


def _sign_flip_p(values: np.ndarray) -> float:
    # every pattern of signs, as the bits of a number
    patterns = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
    sums = np.abs((2 * patterns - 1) @ values)
    return float(np.mean(sums >= np.abs(values.sum()) * (1 - 1e-12)))
