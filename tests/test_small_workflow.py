"""One small study, run to its report by `snakemake`: what `make test` has of the workflow.

The tests of the tier `workflow` look at a larger one in detail.
"""

from __future__ import annotations

from copy import deepcopy

import h5py
import numpy as np
import pytest
import yaml
from conftest import Study, bare, read_tiny

from encoding.scores import r2_score
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

COMPARISON, JOINT = "alexnet_vs_bert", "alexnet+bert"
SPACES = ["alexnet", "bert"]
# analyses of the small study's configuration that this one does without
LEFT_OUT = {"maps", "calibration", "extraction"}


def small_values(tiny: dict) -> dict:
    """One subject, two spaces, one comparison, and no further analysis."""
    values = {key: value for key, value in bare(deepcopy(tiny)).items() if key not in LEFT_OUT}
    values["subjects"] = ["subj01"]
    del values["simulation"]["subjects"]["subj03"]
    values["models"], values["comparisons"] = SPACES, {COMPARISON: SPACES}
    values["feature_spaces"] = {name: tiny["feature_spaces"][name] for name in SPACES}
    values["networks"]["alexnet"]["layers"] = ["fc7"]
    return values


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Study:
    directory = tmp_path_factory.mktemp("small")
    made = Study(directory, directory / "tiny.yaml")
    made.configuration.write_text(yaml.safe_dump(small_values(read_tiny()), sort_keys=False))
    made.snakemake()
    return made


def test_each_space_explains_the_roi_that_it_drives_and_not_the_other(small):
    table = read_table(small.results / "tables/partitions.tsv").set_index(["roi", "component"])
    unique = table["mean_variance"]
    assert unique["V1v", "alexnet"] > 0.1 > unique["V1v", "bert"]
    assert unique["VWFA-1", "bert"] > 0.1 > unique["VWFA-1", "alexnet"]


def test_planted_variance_is_recovered_as_well_as_an_oracle_could(small):
    recovery = read_table(small.results / "validation/recovery.tsv")
    assert np.abs(recovery["recovered"] - recovery["oracle"]).max() < 0.06


def test_components_add_up_to_the_joint_model(small):
    partition = read_result(small.results / f"partitions/subj01/all/{COMPARISON}.h5")
    joint = read_result(small.results / f"encoding/subj01/all/{JOINT}.h5")["r2"]
    variance = partition.by_label("variance")
    total = sum(variance[name] for name in (*SPACES, "alexnet&bert"))
    fitted = np.isfinite(joint)
    assert fitted.mean() > 0.9
    np.testing.assert_allclose(total[fitted], joint[fitted], atol=1e-5)


def test_voxels_of_the_driven_roi_are_significant_and_those_without_signal_are_not(small):
    found = read_result(small.results / "significance/subj01/all/alexnet.h5")
    rois = read_table(small.results / "rois/subj01.tsv")
    v1 = np.isin(found["voxel"], rois.query("roi == 'V1v'")["voxel"])
    assert np.nanmean(found["q"][v1] <= 0.05) > 0.5
    shares = read_table(small.results / "validation/null_voxels.tsv")["false_positives"]
    assert shares.mean() < 0.12


def test_the_report_is_there_and_says_what_its_data_are(small):
    for page in ("index", "subj01"):
        text = (small.results / f"report/{page}.html").read_text()
        assert "Simulated data: no brain was measured" in text
        assert "Untrained weights: alexnet" in text


def test_a_finished_study_has_nothing_to_do(small):
    assert small.planned() == {}


def test_no_predictions_are_left(small):
    assert not list((small.results / "predictions").rglob("*.h5"))
    assert small.snakemake("audit").returncode == 0


def test_an_edit_of_significance_makes_predictions_again_and_fits_nothing(small):
    before = small.configuration.read_text()
    small.edit(lambda values: values["significance"].update(draws=250))
    try:
        assert small.planned("significance") == {
            "predict_test_images": 3,
            "assess_significance": 3,
            "assess_components": 1,
            "significance": 1,
        }
        small.snakemake("significance")
        assert not list((small.results / "predictions").rglob("*.h5"))
    finally:
        small.configuration.write_text(before)


def test_predictions_are_kept_on_request_and_score_as_the_fits(small):
    small.snakemake("predictions")
    with h5py.File(small.results / "responses/subj01.h5") as file:
        # of z-scores, which half precision holds
        assert file["responses"].dtype == np.float16
    responses = read_result(small.results / "responses/subj01.h5")
    for model in (*SPACES, JOINT):
        kept = read_result(small.results / f"predictions/subj01/all/{model}.h5")
        fit = read_result(small.results / f"encoding/subj01/all/{model}.h5")
        assert np.array_equal(kept["image"], fit["image"])
        measured = responses["responses"][np.searchsorted(responses["image"], kept["image"])]
        r2 = r2_score(measured, kept["predictions"])
        np.testing.assert_allclose(r2, fit["r2"], atol=1e-5)
