"""Layers, identified images and learning curves of the small study, as the workflow made them."""

from __future__ import annotations

import numpy as np
import pytest

from encoding.layers import preferred_layers
from pipeline.configuration.settings import WHOLE
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

LAYERS = ["alexnet_conv3", "alexnet"]
SUBJECTS = ["subj01", "subj03"]


def row(table, **values):
    """The one row with these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    (found,) = table.to_dict("records")
    return found


# ---- layers


def test_the_layer_that_was_planted_is_preferred(study):
    """V1v of the simulation is driven by the last layer."""
    table = read_table(study.results / "tables/layers.tsv")
    shares = [
        row(table, subject="subj01", layer=layer, roi="V1v")["best_fraction"] for layer in LAYERS
    ]
    assert shares[1] > 0.8
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_layers_are_preferred_by_training_images_and_marked_by_the_noise_ceiling(study, subject):
    result = read_result(study.results / f"layers/{subject}/alexnet.h5")
    fits = [read_result(study.results / f"encoding/{subject}/{WHOLE}/{name}.h5") for name in LAYERS]
    scores = np.array([fit["cv_score"] for fit in fits])
    found = preferred_layers(scores)
    assert np.array_equal(result["raw_best"], found.best.astype(np.float32), equal_nan=True)
    explainable = result["reliability"] >= 0.1
    assert np.isnan(result["best"][~explainable]).all()
    assert np.array_equal(
        result["first"][explainable], found.first[explainable].astype(np.float32), equal_nan=True
    )


def test_preferred_layers_are_mapped(study):
    folder, start = (
        study.results / f"maps/subj01/{WHOLE}/alexnet",
        "sub-01_space-func1pt8mm_network-",
    )
    names = {path.name for path in folder.glob(f"{start}*.nii.gz")}
    kinds = ("preferredLayer", "firstLayer")
    assert names == {f"{start}alexnet_stat-{kind}_dseg.nii.gz" for kind in kinds}


# ---- identified images


def test_the_model_that_drives_a_region_identifies_its_images(study):
    table = read_table(study.results / "tables/image_accuracy.tsv")
    for subject in SUBJECTS:
        right, wrong = (
            row(table, subject=subject, roi="early visual", predictor=model)
            for model in ("alexnet", "bert")
        )
        assert right["accuracy"] > 0.6 > 0.4 > wrong["accuracy"]
        assert right["mean_image_r"] > wrong["mean_image_r"]


def test_the_other_brain_identifies_images_that_both_saw(study):
    tables = study.results / "tables"
    accuracy = read_table(tables / "image_accuracy.tsv")
    brain = row(accuracy, subject="subj01", roi="early visual", predictor="subj03")
    split = read_table(study.results / f"splits/subj03/{WHOLE}.tsv")
    assert brain["n_images"] == (split["set"] == "test").sum()
    assert brain["accuracy"] > 10 * brain["chance"]
    consistency = read_table(tables / "error_consistency.tsv")
    pair = row(consistency, subject="subj01", roi="early visual", first="alexnet", second="subj03")
    assert pair["accuracy_second"] == pytest.approx(brain["accuracy"])
    both_miss = (1 - pair["accuracy_first"]) * (1 - pair["accuracy_second"])
    both_hit = pair["accuracy_first"] * pair["accuracy_second"]
    assert pair["expected_agreement"] == pytest.approx(both_hit + both_miss, abs=1e-5)
    assert pair["kappa_lower"] <= pair["kappa"] <= pair["kappa_upper"]


# ---- learning curves


def test_fewer_training_images_are_some_of_all_and_the_test_images_the_same(study):
    fewer, whole = (
        read_table(study.results / f"splits/subj01/{variant}.tsv")
        for variant in ("images60_draw0", WHOLE)
    )
    sides = {
        name: [set(split.loc[split["set"] == name, "nsd_id"]) for split in (fewer, whole)]
        for name in ("train", "test")
    }
    assert sides["test"][0] == sides["test"][1]
    assert len(sides["train"][0]) == 60
    assert sides["train"][0] < sides["train"][1]


def test_models_learn_from_more_images(study):
    table = read_table(study.results / "tables/learning_curves.tsv")
    for model in ("alexnet", "bert"):
        part = table[(table["model"] == model) & (table["roi"] == "all")]
        for _, curve in part.groupby("subject"):
            assert curve["training_images"].is_monotonic_increasing
            assert curve["mean_r2"].is_monotonic_increasing
    last = table[table["training_images"] > 60].query("roi == 'V1v' and subject == 'subj01'")
    whole = read_table(study.results / "tables/correlations.tsv")
    for curve in last.to_dict("records"):
        expected = row(
            whole, model=curve["model"], roi="V1v", subject="subj01", atlas=curve["atlas"]
        )
        assert curve["mean_r2"] == pytest.approx(expected["mean_r2"], abs=1e-4)


def test_every_pair_of_models_is_compared_where_there_are_voxels(study):
    table = read_table(study.results / "tables/overtaking.tsv")
    assert set(table["score"]) == {"r", "r2"}
    ahead = row(table, subject="subj01", roi="V1v", score="r2", second="alexnet")
    assert (ahead["outcome"], ahead["overtaking_lower"]) == ("ahead at every size", 0)
    assert np.isnan(ahead["overtaking_images"])
