"""A small study of NSD-synthetic, run by the workflow: a planted drop is found where it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from conftest import Study, assert_dimensions_are_named, bare, read_tiny

from encoding.scores import correlation_score
from pipeline.analyses.out_of_distribution.figures import study_figures
from pipeline.analyses.out_of_distribution.tables import NOT_LEFT_OUT
from pipeline.results.provenance import read_provenance
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

SUBJECT, MODELS = "subj01", ["alexnet", "alexnet_conv3"]
KEPT, CHANGED = ("prf-visualrois", "V1v"), ("floc-faces", "FFA-1")

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Study]:
    """One subject, one session, two models of images, and one of labels that is left out."""
    values = bare(read_tiny())
    for key in ("maps", "calibration", "extraction"):
        del values[key]
    del values["networks"]["bert"], values["feature_spaces"]["bert"]
    simulation = values["simulation"]
    del simulation["planted_spaces"]["bert"]
    simulation |= {"planned_sessions": 1, "oracle": False, "shared_images": 60}
    simulation["subjects"] = {SUBJECT: {"sessions": 1, "grid": [15, 19, 14]}}
    simulation["groups"] = [
        {"atlas": atlas, "roi": roi, "proportions": {"alexnet": 1.0}}
        for atlas, roi in (KEPT, CHANGED)
    ]
    simulation["synthetic"] = {"changed": ["/".join(CHANGED)]}
    values |= {
        "subjects": [SUBJECT],
        "models": [*MODELS, "categories"],
        "comparisons": {},
        "rois": ["prf-visualrois", "floc-faces"],
        "out_of_distribution": {"set": "synthetic"},
    }
    directory = tmp_path_factory.mktemp("synthetic")
    study = Study(directory, directory / "tiny.yaml")
    study.configuration.write_text(yaml.safe_dump(values, sort_keys=False))
    study.snakemake("out_of_distribution")
    yield study
    # a gigabyte of pictures
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def tables(made) -> dict[str, pd.DataFrame]:
    folder = made.results / "tables"
    return {path.stem: read_table(path) for path in folder.glob("out_of_distribution*.tsv")}


def only(table: pd.DataFrame, **where: object) -> pd.Series:
    for key, value in where.items():
        table = table[table[key] == value]
    (found,) = table.to_dict("records")
    return pd.Series(found)


def region(table: pd.DataFrame, roi: tuple[str, str], **where: object) -> pd.Series:
    return only(table, atlas=roi[0], roi=roi[1], **where)


def test_a_planted_drop_is_found_and_there_is_none_where_the_same_weights_hold(made, tables):
    """In the changed region the model predicts as well as its old weights resemble the new."""
    table = tables["out_of_distribution"]
    kept, changed = (region(table, roi, model="alexnet") for roi in (KEPT, CHANGED))
    assert kept["normalised_in"] > 0.9
    assert changed["normalised_in"] > 0.9
    assert changed["drop_lower"] > kept["drop_upper"] + 0.3
    with xr.open_dataset(made.nsd.parent / "truth/subj01.h5", engine="h5netcdf") as truth:
        group = (truth["group"] == "/".join(CHANGED)).to_numpy()
        signals = [
            truth[name].to_numpy()[:, group]
            for name in ("synthetic_signal", "synthetic_signal_unchanged")
        ]
    alike = correlation_score(*signals).mean()
    assert abs(alike) < 0.4
    expected = alike * kept["normalised_out"]
    assert changed["normalised_out"] == pytest.approx(expected, abs=0.1)
    assert changed["slope_out"] < 0.7 * kept["slope_out"]


def test_the_slope_is_that_of_the_two_z_scores(made, tables):
    """A model that is right predicts in the core's unit; the session's own is another."""
    with xr.open_dataset(made.nsd.parent / "truth/subj01.h5", engine="h5netcdf") as truth:
        inside = (truth["group"] == "/".join(KEPT)).to_numpy()
        signal = truth["synthetic_signal"].to_numpy()[:, inside]
        noise = truth["noise_variance"].to_numpy()[inside]
    responses = read_result(made.results / "out_of_distribution/responses/subj01.h5")
    trials = np.repeat(signal, responses["n_repeats"], axis=0)
    # deviations of single trials, of which the core's signal has variance 1
    ratio = np.sqrt(1 + noise) / np.sqrt(trials.var(axis=0, ddof=1) + noise)
    kept = region(tables["out_of_distribution"], KEPT, model="alexnet")
    # synthetic images drive these voxels more than scenes do
    assert np.median(ratio) < 0.5
    # ridge makes the predictions of far images too small
    assert np.median(ratio) < kept["slope_out"] < 1.6 * np.median(ratio)
    assert kept["slope_in"] == pytest.approx(1, abs=0.15)
    # R² is far below r², which does not depend on the unit
    assert kept["r2_out"] < kept["r_out"] ** 2


def test_columns_in_distribution_are_the_studys_own_scores(made, tables):
    for model in MODELS:
        fit = read_result(made.results / f"encoding/subj01/all/{model}.h5")
        found = read_result(made.results / f"out_of_distribution/subj01/{model}.h5")
        assert np.array_equal(found["voxel"], fit["voxel"])
        np.testing.assert_allclose(found["r"][0], fit["r"], atol=1e-4)
        np.testing.assert_allclose(found["noise_ceiling"][0], fit["noise_ceiling"], atol=1e-6)
        used = found["used"]
        assert set(np.flatnonzero(used)) <= set(np.flatnonzero(fit["reliability"] >= 0.1))
        whole = region(tables["out_of_distribution"], ("all", "all"), model=model)
        assert whole["n_voxels"] == used.sum()
        assert whole["r_in"] == pytest.approx(fit["r"][used].mean(), abs=1e-4)
        assert whole["r_out_lower"] < whole["r_out"] < whole["r_out_upper"]


def test_models_without_pictures_have_a_row_with_the_reason(tables):
    row = only(tables["out_of_distribution"], model="categories")
    expected = "categories is of labels of objects, which synthetic images do not have"
    assert row["left_out"] == expected
    assert np.isnan(row["r_out"])
    others = tables["out_of_distribution"].query("model != 'categories'")
    assert set(others["left_out"]) == {NOT_LEFT_OUT}


def test_the_model_that_was_planted_is_the_better_one_on_both_sets(tables):
    order = tables["out_of_distribution_order"]
    assert set(zip(order["first"], order["second"], strict=True)) == {tuple(MODELS)}
    kept = region(order, KEPT)
    assert kept["order"] == "same"
    assert 0 < kept["difference_in_lower"] < kept["difference_in"]
    rows = tables["out_of_distribution"]
    both = [region(rows, KEPT, model=model) for model in MODELS]
    assert kept["difference_out"] == pytest.approx(both[0]["r_out"] - both[1]["r_out"], abs=1e-3)


def test_classes_add_up_to_all_images_and_grey_ones_are_left_out(tables):
    classes = tables["out_of_distribution_classes"]
    part = classes[(classes["model"] == "alexnet") & (classes["roi"] == "V1v")]
    sizes = dict(zip(part["images"], part["n_images"], strict=True))
    assert sizes.pop("all") == sum(n for name, n in sizes.items() if "grey" not in name) == 284
    assert sizes["all but grey images"] == 268
    lone = only(part, images="Natural scenes")
    assert np.isnan(lone["mean_r_lower"])
    assert lone["n_subclasses"] == 1


def test_images_have_their_distances_and_sixteen_are_grey(made, tables):
    images = tables["out_of_distribution_images"]
    grey = images[images["grey"] == "yes"]
    assert set(grey["image_name"].str.rsplit("_", n=1).str[0]) == {
        f"word{length}_pos{place}" for length in (4, 6) for place in (1, 5)
    }
    # one picture has one distance
    assert grey.groupby("model")["distance"].std().max() < 1e-6
    assert (images["nearer_test_images"].between(0, 1)).all()
    spirals = images[images["image_class"] == "Spiral gratings"]
    assert spirals["nearer_test_images"].mean() > 0.9
    assert images.groupby("model")["distance"].mean().min() > 1


def test_results_are_labelled_as_simulated_and_their_dimensions_are_named(made, tables):
    for table in tables.values():
        assert set(table["data"]) == {"simulated"}
    for path in (made.results / "out_of_distribution").rglob("*.h5"):
        assert_dimensions_are_named(path)
        assert read_provenance(path)["simulated"]


def test_figures_are_drawn_of_the_tables(tables):
    figures = {one.name: one.figure for one in study_figures(tables, None, MODELS)}
    assert set(figures) == {"out_of_distribution", "out_of_distribution_classes"}
    labels = [text.get_text() for text in figures["out_of_distribution"].axes[0].get_xticklabels()]
    assert len(labels) == 2
    assert len(figures["out_of_distribution_classes"].axes) == len(MODELS)


def test_another_seed_of_the_intervals_fits_nothing_again(made):
    text = made.configuration.read_text()
    made.edit(lambda values: values["significance"].update(seed=5))
    planned = made.planned("out_of_distribution")
    made.configuration.write_text(text)
    assert set(planned) - {"out_of_distribution"} == {
        *("score_synthetic", "compare_distributions", "tabulate_out_of_distribution"),
    }
