"""Group tests are those of scipy, and exact where subjects are few."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from encoding.inference.group import group_map, group_test, max_t_p
from pipeline.maps.files import INDEX, map_names, read_map, write_map
from pipeline.results.metadata import read_metadata, write_metadata
from pipeline.results.provenance import make_provenance
from pipeline.stages import write_group_maps
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
    reported = {"units": "R²"}
    assert set(_versions(tested, {**reported, "quantity": "ceiling"})) == {"mean", "n"}
    assert set(_versions(tested, {**reported, "quantity": "r"})) == {
        *("mean", "n", "t", "fdr05", "pMaxT", "fwe05"),
    }
    replicated = _versions(tested, {**reported, "quantity": "r"}, np.full(20, 3.0))["replicated"]
    assert replicated[0].tolist() == [3.0] * 20


def test_of_one_place_the_corrected_p_is_that_of_all_sign_flips():
    values = np.random.default_rng(0).normal(0.5, 1, (6, 30))
    for column in values.T:
        found = max_t_p(column[:, None])[0]
        assert found == pytest.approx(group_test(column).p_sign_flip)


def test_corrected_p_are_counted_over_all_flips_of_whole_maps():
    """As scipy counts the largest |t| of a map over all flips of the subjects' signs."""
    values = np.random.default_rng(1).normal(0.4, 1, (5, 12))
    flips = np.array(list(itertools.product([-1, 1], repeat=5)))
    largest = [
        np.abs(stats.ttest_1samp(flip[:, None] * values, 0).statistic).max() for flip in flips
    ]
    observed = np.abs(stats.ttest_1samp(values, 0).statistic)
    expected = [(np.array(largest) >= t * (1 - 1e-9)).mean() for t in observed]
    assert max_t_p(values) == pytest.approx(expected)


def test_maps_without_an_effect_have_a_significant_place_as_often_as_the_level_says():
    """Places that vary together; 8 subjects, so that 12 of 256 flips are below 5 %."""
    n_maps, found = 2000, 0
    random = np.random.default_rng(2)
    for _ in range(n_maps):
        values = random.standard_t(4, (8, 1)) + random.standard_t(4, (8, 25))
        found += max_t_p(values).min() <= 0.05
    lowest, highest = stats.binom.interval(0.999, n_maps, 12 / 256)
    assert lowest <= found <= highest


def test_a_planted_patch_is_found_and_places_that_a_subject_lacks_are_left_out():
    values = np.random.default_rng(3).normal(0, 1, (8, 400))
    values[:, :20] += 6
    values[0, 0] = np.nan
    values[:, 399] = 1
    p = max_t_p(values)
    assert np.isnan(p[[0, 399]]).all()
    assert (p[1:20] <= 0.05).mean() > 0.9
    assert (p[20:399] > 0.05).all()
    tested = group_map(values)
    assert np.array_equal(tested.p_max_t, p, equal_nan=True)


@pytest.mark.parametrize("values", [np.ones((1, 3)), np.full((4, 2), np.nan)])
def test_maps_of_too_few_subjects_are_not_corrected(values):
    assert np.isnan(max_t_p(values)).all()


def write_subject(folder: Path, subject: str, values: dict[str, np.ndarray]) -> Path:
    """A subject's folder of maps in MNI space, {entities: values}, all of the model bert."""
    recorded = {
        "space": "MNI152",
        "quantity": "r",
        "name": "bert",
        "comparison": None,
        "units": "r",
    }
    index = {}
    for entities, array in values.items():
        (name,) = map_names(subject, "MNI152", entities)
        threshold = "q ≤ 0.05" if "desc" in entities else "none"
        index[f"bert/{name}"] = {
            **recorded,
            **{"entities": entities, "threshold": threshold, "folder": "bert"},
        }
        image = nibabel.Nifti1Image(array.astype(np.float32), np.eye(4))
        write_map(folder / "bert" / name, image, {"SpatialReference": "MNI152NLin6Asym"})
    provenance = make_provenance("write_maps", {"subject": subject}, {}, simulated=True)
    write_metadata(folder / INDEX, {"subject": subject, "maps": index, "provenance": provenance})
    return folder


def test_group_maps_are_in_the_folders_of_the_subjects_maps(tmp_path, monkeypatch):
    random, r, left = np.random.default_rng(4), "model-bert_stat-r", "model-bert_stat-r_desc-fdr05"
    values = random.normal(0.3, 0.1, (3, 2, 3, 4))
    thresholded = np.where(values > 0.3, values, np.nan)
    folders = [
        write_subject(tmp_path / f"subj0{n}", f"subj0{n}", {r: values[n], left: thresholded[n]})
        for n in range(3)
    ]
    arguments = write_group_maps.Arguments(maps=folders, out_directory=tmp_path / "group")
    monkeypatch.setattr(write_group_maps.Arguments, "read", lambda: arguments)
    write_group_maps.main()
    index = read_metadata(tmp_path / "group" / INDEX)["maps"]
    stem = "bert/space-MNI152NLin6Asym_model-bert_stat-r_desc"
    versions = "mean", "n", "replicated", "t", "fdr05", "pMaxT", "fwe05"
    assert set(index) == {f"{stem}-{version}_statmap.nii.gz" for version in versions}
    found = {v: read_map(tmp_path / f"group/{stem}-{v}_statmap.nii.gz") for v in versions}
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(found["replicated"], np.isfinite(thresholded).sum(axis=0))
