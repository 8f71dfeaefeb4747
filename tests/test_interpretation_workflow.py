"""Interpretation of the small study: components, preferred images and similarities of its fits."""

from __future__ import annotations

import json

import numpy as np
import pytest

from encoding.similarity import image_similarities
from pipeline.configuration.settings import WHOLE
from pipeline.maps.files import read_map
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table
from pipeline.tables.regions import regions_of

SUBJECTS = ("subj01", "subj03")
MODEL = "alexnet"


@pytest.fixture(scope="module")
def components(study):
    return read_result(study.results / "interpretation/components.h5")


def voxels_of(components, subject):
    number = components["subject"].tolist().index(subject)
    return components["voxel_id"][components["subject_number"] == number]


def split(study, subject):
    return read_table(study.results / f"splits/{subject}/{WHOLE}.tsv")


def test_every_subject_gives_as_many_voxels_and_the_most_reliable(study, components):
    assert components["subject"].tolist() == list(SUBJECTS)
    for subject in SUBJECTS:
        fit = read_result(study.results / f"encoding/{subject}/{WHOLE}/{MODEL}.h5")
        taken = np.isin(fit["voxel"], voxels_of(components, subject))
        assert np.count_nonzero(taken) == components["n_voxels"]
        fitted = np.isfinite(fit["alpha"])
        assert fit["reliability"][taken].min() >= fit["reliability"][fitted & ~taken].max()


def test_images_with_scores_trained_no_subject(study, components):
    for subject in SUBJECTS:
        table = split(study, subject)
        trained = table.loc[table["set"] == "train", "nsd_id"]
        assert not np.isin(components["image"], trained).any()
        assert np.isin(table.loc[table["set"] == "test", "nsd_id"], components["image"]).all()
    images = read_table(study.results / "tables/preferred_images.tsv")
    assert np.isin(images["nsd_id"], components["image"]).all()


def test_weights_predict_what_the_fit_predicted(predicted):
    """Refitted weights, of a subject's own scaled features: the predictions kept, minus a mean."""
    study = predicted
    kept = read_result(study.results / f"predictions/subj01/{WHOLE}/{MODEL}.h5")
    made = read_result(study.results / "interpretation/subj01/weights.h5")
    space = read_result(study.results / f"features/subj01/{MODEL}.h5")
    features = space["features"][np.searchsorted(space["image"], kept["image"])]
    scaled = (features - made["feature_mean"]) * made["feature_factor"]
    predicted = scaled @ made["weights"].T
    columns = np.searchsorted(kept["voxel"], made["voxel"])
    expected = kept["predictions"][:, columns]
    difference = (predicted - predicted.mean(axis=0)) - (expected - expected.mean(axis=0))
    assert np.abs(difference).max() < 1e-4
    # large, and deleted when components have been fitted
    permuted = "interpretation/subj01/permuted_weights.h5"
    assert not (study.results / permuted).exists()
    study.snakemake(f"results/tiny/{permuted}")
    draws = read_result(study.results / permuted)["permuted_weights"]
    assert draws.shape == (19, *made["weights"].shape)
    assert np.isfinite(draws).all()
    assert not any(np.allclose(made["weights"], draw, atol=1e-2) for draw in draws)


def test_voxels_are_projected_as_those_that_made_the_components(study, components):
    for number, subject in enumerate(SUBJECTS):
        found = read_result(study.results / f"interpretation/{subject}/projections.h5")
        columns = np.searchsorted(found["voxel"], voxels_of(components, subject))
        expected = components["projections"][components["subject_number"] == number]
        assert np.allclose(found["projections"][:, columns].T, expected, atol=1e-4)


def test_projections_are_mapped(study, components):
    folder = study.results / f"maps/subj01/{WHOLE}"
    (path,) = folder.glob(
        "alexnet/*func1pt8mm_model-alexnet_component-01_stat-weightProjection_statmap.nii.gz"
    )
    index = json.loads((folder / "index.json").read_text())["maps"]
    assert index[f"alexnet/{path.name}"]["quantity"] == "weightProjection"
    voxel = voxels_of(components, "subj01")
    expected = components["projections"][components["subject_number"] == 0, 0]
    assert np.allclose(read_map(path).ravel()[voxel], expected, atol=1e-4)


def test_subjects_agree_on_what_components_prefer_more_than_by_chance(study):
    table = read_table(study.results / "tables/components.tsv")
    # the few voxels of each subject mix ROIs differently: not every component is found in both
    assert table["correlation"].max() > 0.6
    assert table["correlation"].mean() > table["permuted_correlation"].mean() + 0.2
    assert (table["correlation"] > table["permuted_correlation"] + 0.1).all()
    assert (table["p_correlation"] == 1 / 20).sum() >= 3
    assert set(table["n_permutations"]) == {19}


def test_best_images_have_the_largest_mean_prediction(predicted):
    study = predicted
    table = read_table(study.results / "tables/best_images.tsv")
    kept = read_result(study.results / f"predictions/subj01/{WHOLE}/{MODEL}.h5")
    fit = read_result(study.results / f"encoding/subj01/{WHOLE}/{MODEL}.h5")
    rois = read_table(study.results / "rois/subj01.tsv")
    inside = np.isin(fit["voxel"], rois.loc[rois["roi"] == "V1v", "voxel"])
    values = kept["predictions"][:, inside & (fit["reliability"] >= 0.1)]
    order = np.argsort(-values[:, np.isfinite(values).all(axis=0)].mean(axis=1))
    rows = table[(table["subject"] == "subj01") & (table["roi"] == "V1v")]
    assert rows["nsd_id"].tolist() == kept["image"][order[: len(rows)]].tolist()
    assert rows["captions"].str.len().min() > 10


def test_rois_find_images_alike_as_the_space_does_that_drives_them(study):
    table = read_table(study.results / "tables/representational_similarity.tsv")
    table = table[table["kind"] == "feature space and ROI"]
    means = table.groupby(["second", "first"])["agreement"].mean()
    for roi, space, other in (
        ("prf-visualrois/V1v", "alexnet", "bert"),
        ("floc-words/VWFA-1", "bert", "alexnet"),
    ):
        assert means[roi, space] > means[roi, other] + 0.2
    assert (table["lower_ceiling"] < table["upper_ceiling"]).all()
    corners = read_table(study.results / "tables/corner_pairs.tsv")
    alike = corners[corners["corner"] == "first alike"]
    found = alike.groupby("roi")["similarity_difference"].mean()
    assert found["V1v"] > 0.2 > 0 > found["VWFA-1"]


def test_similarities_are_of_the_measured_test_responses(study):
    stored = read_result(study.results / "similarities/subj03.h5")
    responses = read_result(study.results / "responses/subj03.h5")
    fit = read_result(study.results / f"encoding/subj03/{WHOLE}/{MODEL}.h5")
    rois = read_table(study.results / "rois/subj03.tsv")
    measured = responses["responses"][np.isin(responses["image"], fit["image"])]
    inside = np.isin(fit["voxel"], rois.loc[rois["roi"] == "V1v", "voxel"])
    inside &= (fit["reliability"] >= 0.1) & np.isfinite(measured).all(axis=0)
    expected = image_similarities(measured[:, inside])
    region = regions_of(stored).index(("prf-visualrois", "V1v"))
    assert np.allclose(stored["similarity_in_region"][region], expected, atol=1e-6)
