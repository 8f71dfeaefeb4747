"""Analyses that read predictions and tests, switched on in the finished small study."""

from __future__ import annotations

import re

import nibabel
import numpy as np
import pandas as pd
import pytest
from conftest import Study, branch
from scipy.stats import mannwhitneyu, pearsonr, spearmanr
from test_analyses import row

from pipeline.configuration.settings import WHOLE
from pipeline.dataset.images import open_images
from pipeline.results.metadata import read_metadata
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

SUBJECTS = ["subj01", "subj03"]
SECTIONS = {
    "model_differences": {"alexnet_minus_bert": ["alexnet", "bert"]},
    "roi_intervals": {"atlases": ["composite", "floc-words"]},
    "replication": {},
    "ceiling_shares": {"min_noise_ceiling": 0.2},
    "split_half": {"splits": 5},
    "component_agreement": {},
    "component_variance": {"comparisons": ["alexnet_vs_bert"], "atlases": ["composite"]},
    "cross_subject": {"atlases": ["floc-words", "prf-visualrois"]},
    "keywords": {"atlases": ["floc-words", "prf-visualrois"], "min_images": 10},
}


@pytest.fixture(scope="module")
def later(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    own = branch(study, tmp_path_factory.mktemp("later") / "study", study.configuration.name)
    own.edit(lambda values: values.update(SECTIONS))
    planned = own.planned()
    # nothing is fitted or tested for them; predictions are made again
    assert not {"fit_encoding_models", "assess_significance", "write_tables"} & set(planned)
    assert planned["predict_test_images"] > 0
    own.snakemake()
    return own


def table(study: Study, name: str):
    return read_table(study.results / f"tables/{name}.tsv")


def test_regions_are_better_predicted_by_the_space_that_was_planted(later):
    found = table(later, "model_differences")
    for subject in SUBJECTS:
        v1 = row(found, subject=subject, atlas="prf-visualrois", roi="V1v")
        assert v1["mean_r2_difference"] > 0.3
        assert v1["n_first_better"] > 0.9 * v1["n_voxels"]
        words = row(found, subject=subject, roi="VWFA-1")
        assert words["mean_r2_difference"] < -0.2
        assert words["n_second_better"] > 0.9 * words["n_voxels"]


def test_means_of_regions_replicate_where_they_were_planted(later):
    intervals = table(later, "roi_intervals")
    differences = intervals[intervals["score"] == "alexnet minus bert"]
    for subject in SUBJECTS:
        v1 = row(differences, subject=subject, roi="early visual")
        assert 0 < v1["region_lower"] < v1["region_mean"]
        assert v1["q_region"] < 1e-4
    replication = table(later, "replication")
    v1 = row(replication, score="alexnet minus bert", roi="early visual")
    assert (v1["n_replicated"], v1["n_reversed"]) == (2, 0)
    words = row(replication, score="alexnet minus bert", roi="VWFA-1")
    assert (words["n_replicated"], words["n_reversed"]) == (0, 2)
    nothing = row(
        replication, score_kind="component", score="bert", atlas="composite", roi="early visual"
    )
    assert nothing["n_replicated"] == 0


def test_shares_of_the_ceiling_add_up_to_that_of_the_joint_model(later):
    shares = table(later, "ceiling_shares").query("roi == 'V1v'")
    for subject in SUBJECTS:
        of_subject = shares[shares["subject"] == subject]
        total = of_subject["mean_ceiling_fraction"].sum()
        partition = read_result(later.results / f"partitions/{subject}/{WHOLE}/alexnet_vs_bert.h5")
        assert 0.7 < total < 1.1
        share = read_result(later.results / f"ceiling_shares/{subject}/alexnet_vs_bert.h5")
        low = ~(partition["noise_ceiling"] > 0.2)
        assert low.any()
        assert np.isnan(share["share"][:, low]).all()
        fitted = np.isfinite(share["variance"]).all(axis=0)
        assert np.isfinite(share["share"][:, fitted & ~low]).all()


def test_maps_of_unique_variance_are_reliable_over_regions_that_differ(later):
    found = table(later, "split_half").query("roi == 'all'")
    assert (found["split_half_reliability"] > 0.8).all()
    assert (found["split_half_reliability"] > found["split_half_r"]).all()


def test_keywords_are_those_of_an_independent_count(later):
    """In a region that captions drive."""
    found = table(later, "keywords").query("roi == 'VWFA-1'")
    for subject in SUBJECTS:
        words = found[found["subject"] == subject]
        assert (words["q_word"] < 0.01).any()
        strongest = row(words, direction="more", word_rank=1)
        responses = read_result(later.results / f"responses/{subject}.h5")
        fit = read_result(later.results / f"encoding/{subject}/{WHOLE}/alexnet.h5")
        rois = read_table(later.results / f"rois/{subject}.tsv").query("roi == 'VWFA-1'")
        chosen = np.isin(responses["voxel"], rois["voxel"]) & (fit["reliability"] >= 0.1)
        values = responses["responses"][:, chosen].astype(float)
        mean = values[:, np.isfinite(values).all(axis=0)].mean(axis=1)
        texts = open_images(later.nsd).texts(responses["image"], "captions")
        pattern = re.compile(rf"\b{strongest['word']}\b", re.IGNORECASE)
        has = np.array([any(pattern.search(text) for text in own) for own in texts])
        assert strongest["n_images_with_word"] == has.sum() >= 10
        test = mannwhitneyu(mean[has], mean[~has], method="asymptotic", use_continuity=False)
        assert strongest["auc"] == pytest.approx(test.statistic / has.sum() / (~has).sum())
        assert strongest["p_word"] == pytest.approx(test.pvalue, rel=1e-4)
    assert (later.results / "figures/keywords_subj01.svg").exists()


def test_encoders_of_another_subject_are_compared_on_the_images_of_both(later):
    """The simulation draws weights of each voxel: subjects' means of a region do not agree."""
    found = table(later, "cross_subject")
    for subject, other in (SUBJECTS, SUBJECTS[::-1]):
        of_pair = found[(found["subject"] == subject) & (found["other_subject"] == other)]
        right, wrong = (row(of_pair, roi="V1v", predictor=name) for name in ("alexnet", "bert"))
        assert right["own_r"] > 0.8
        assert right["own_r"] > wrong["own_r"] + 0.1
        assert right["transferred_r"] < 0
        assert right["own_minus_transferred_r_lower"] > 0.9
        difference = right["own_r"] - right["transferred_r"]
        assert right["own_minus_transferred_r"] == pytest.approx(difference, abs=1e-5)
    # measured responses alone, read from their files
    measured = {subject: measured_mean(later, subject, "V1v") for subject in SUBJECTS}
    tested = read_result(later.results / "encoding/subj01/all/alexnet.h5")["image"]
    common = measured["subj01"].index.intersection(measured["subj03"].index).intersection(tested)
    r = np.corrcoef(*(measured[subject].loc[common] for subject in SUBJECTS))[0, 1]
    brains = row(found, subject="subj01", roi="V1v", predictor="measured responses")
    assert brains["n_images"] == len(common)
    assert brains["transferred_r"] == pytest.approx(r, abs=1e-3)
    assert (later.results / "figures/cross_subject.svg").exists()


def test_maps_of_components_agree_as_counted_from_their_files(later):
    found = table(later, "component_agreement")
    assert set(found["space"]) == {"fsaverage", "MNI152"}
    first, second = (
        [
            nibabel.load(path).get_fdata().ravel()
            for path in sorted(
                (later.results / f"maps/{subject}/{WHOLE}/alexnet").glob(
                    "*space-MNI152*_component-*_stat-weightProjection_statmap.nii.gz"
                )
            )
        ]
        for subject in SUBJECTS
    )
    known = np.isfinite(first[0]) & np.isfinite(second[0])
    in_volume = found[found["space"] == "MNI152"].set_index("principal_component")
    assert len(in_volume) == len(first) == len(second)
    for number, one in enumerate(first, 1):
        r = [np.corrcoef(one[known], other[known])[0, 1] for other in second]
        assert in_volume.loc[number, "map_r"] == pytest.approx(r[number - 1], abs=1e-5)
        others = np.mean(np.abs(np.delete(r, number - 1)))
        assert in_volume.loc[number, "other_components_r"] == pytest.approx(others, abs=1e-5)
    assert set(in_volume["n_places"]) == {known.sum()}
    assert (later.results / "figures/component_agreement.svg").exists()


def test_projections_go_with_unique_variance_as_scipy_says(later):
    found = table(later, "component_variance")
    assert {"all", "early visual"} <= set(found["roi"])
    for subject in SUBJECTS:
        projected = read_result(later.results / f"interpretation/{subject}/projections.h5")
        partition = read_result(later.results / f"partitions/{subject}/{WHOLE}/alexnet_vs_bert.h5")
        of_voxel = pd.DataFrame(projected["projections"].T, index=projected["voxel"])
        unique = pd.Series(partition.by_label("variance")["bert"], index=partition["voxel"])
        both = of_voxel.join(unique.rename("unique")).dropna()
        for component in (1, 2):
            listed = row(
                found,
                subject=subject,
                roi="all",
                unique_space="bert",
                principal_component=component,
            )
            assert listed["n_voxels"] == len(both)
            pair = both[component - 1], both["unique"]
            assert listed["variance_r"] == pytest.approx(pearsonr(*pair).statistic, abs=1e-5)
            assert listed["variance_rank_r"] == pytest.approx(spearmanr(*pair).statistic, abs=1e-5)
    assert (later.results / "figures/component_variance_alexnet_vs_bert.svg").exists()


def measured_mean(study: Study, subject: str, roi: str) -> pd.Series:
    """Mean response of a region's reliable voxels to each image."""
    responses = read_result(study.results / f"responses/{subject}.h5")
    fit = read_result(study.results / f"encoding/{subject}/{WHOLE}/alexnet.h5")
    rois = read_table(study.results / f"rois/{subject}.tsv").query("roi == @roi")
    reliable = fit["voxel"][fit["reliability"] >= 0.1]
    chosen = np.isin(responses["voxel"], np.intersect1d(rois["voxel"], reliable))
    values = responses["responses"][:, chosen].astype(float)
    values = values[:, np.isfinite(values).all(axis=0)]
    return pd.Series(values.mean(axis=1), index=responses["image"])


def test_they_are_mapped_in_every_space_and_shown_in_the_report(later):
    index = read_metadata(later.results / f"maps/subj01/{WHOLE}/index.json")["maps"]
    spaces = ["func1pt8mm", "nativesurface", "fsaverage", "MNI152"]
    for quantity in ("r2Difference", "r2DifferenceLower", "uniqueShare", "sharedShare"):
        mapped = {
            reported["space"] for reported in index.values() if reported["quantity"] == quantity
        }
        assert mapped == set(spaces), quantity
    thresholded = [one for one in index.values() if one["quantity"] == "r2Difference"]
    assert {one["threshold"] for one in thresholded} == {"none", "q ≤ 0.05"}
    pages = {
        page: (later.results / f"report/{page}.html").read_text()
        for page in ("models", "comparisons", "methods")
    }
    for name in ("model_differences", "roi_intervals", "replication"):
        assert f"tables/{name}.tsv" in pages["models"], name
    for name in ("ceiling_shares", "split_half"):
        assert f"tables/{name}.tsv" in pages["comparisons"], name
    for words in ("Split-half reliability.", "Differences of models.", "Replication.", "Spearman"):
        assert words in pages["methods"]
    assert (later.results / "figures/roi_intervals.svg").exists()
