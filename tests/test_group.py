"""Group tests are those of scipy, and exact where subjects are few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from encoding.inference.group import group_map, group_test
from pipeline.stages.write_group_maps import _versions

VALUES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 3)), min_size=2, max_size=8)


@given(VALUES.filter(lambda values: np.ptp(values) > 0))
def test_group_tests_are_those_of_scipy(values):
    found = group_test(np.array(values))
    t = stats.ttest_1samp(values, 0)
    assert (found.t, found.p_t) == pytest.approx((t.statistic, t.pvalue))
    exact = stats.permutation_test(
        (np.array(values),),
        np.mean,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert found.p_sign_flip == pytest.approx(exact.pvalue)


def test_eight_subjects_who_agree_reach_the_least_p_there_is():
    found = group_test(np.linspace(0.01, 0.05, 8))
    assert found.p_sign_flip == 2 / 256
    assert (found.n_subjects, found.n_positive) == (8, 8)


def test_subjects_without_the_roi_are_left_out():
    found = group_test(np.array([0.1, np.nan, 0.3, 0.2]))
    assert found == group_test(np.array([0.1, 0.3, 0.2]))


@pytest.mark.parametrize("values", [[], [0.4], [0.2, 0.2], [np.nan, np.nan]])
def test_too_few_subjects_are_not_tested(values):
    found = group_test(np.array(values))
    assert np.isnan([found.t, found.p_t, found.p_sign_flip]).all()


def test_maps_of_ceilings_are_averaged_and_not_tested():
    tested = group_map(np.random.default_rng(0).uniform(0.3, 0.9, (8, 20)))
    told = {"units": "R²"}
    assert set(_versions(tested, {**told, "quantity": "ceiling"})) == {"mean", "n"}
    assert set(_versions(tested, {**told, "quantity": "r"})) == {"mean", "t", "fdr05", "n"}
