"""Tables of layers, identified images and learning curves: against hand-computed values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import weights_of

from pipeline.analyses.identification import figures as identified
from pipeline.analyses.identification.tables import (
    error_consistency_rows,
    image_accuracy_rows,
)
from pipeline.analyses.layers import figures as layers
from pipeline.analyses.layers.tables import rows as layer_rows
from pipeline.analyses.learning_curves import figures as learning_curves
from pipeline.analyses.learning_curves.tables import (
    learning_curve_rows,
    overtaking_rows,
)
from pipeline.analyses.parts import parts
from pipeline.results.storage import Result
from pipeline.tables.document import every_column
from pipeline.tables.regions import region_labels

COLUMNS = {name.split(".")[-1] for columns in every_column().values() for name in columns}

SIGNIFICANCE = {"draws": 100, "seed": 0, "level": 0.95, "resample": "images"}
ROIS = pd.DataFrame({"voxel": [10, 11, 13], "atlas": "floc-faces", "roi": "FFA-1"})


def result_of(arrays, **configuration):
    settings = {"subject": "subj01", **configuration}
    provenance = {"simulated": True, "weights": weights_of("conv1", "bert", untrained=["clip"])}
    return Result(Path("x.h5"), xr.Dataset(arrays), {**provenance, "configuration": settings})


@pytest.fixture
def layer_result():
    arrays = {
        "voxel": ("voxel", [10, 11, 12, 13]),
        "layer": ("layer", ["conv1", "clip"]),
        "cv_score": (("layer", "voxel"), [[0.1, 0.3, 0.0, 0.2], [0.2, 0.1, 0.0, 0.2]]),
        "r": (("layer", "voxel"), [[0.2, 0.4, 0.0, np.nan], [0.5, 0.1, 0.0, 0.3]]),
        "r2": (("layer", "voxel"), [[-0.2, 0.2, 0.0, 0.1], [0.3, 0.0, 0.0, 0.1]]),
        "best": ("voxel", [2.0, 1.0, np.nan, 1.0]),
        "first": ("voxel", [2.0, np.nan, np.nan, 1.0]),
    }
    return result_of(arrays, network="net", spaces=["conv1", "clip"])


@pytest.fixture
def identification():
    """Five images of one ROI; two models, and a brain that saw three of the images."""
    seen = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0]], bool)
    # of clip, bert and the brain, among the subject's images and among those of the other
    right = np.zeros((2, 3, 5), bool)
    right[:, :2] = [[1, 1, 0, 0, 1], [1, 0, 0, 1, 1]] & seen[:, None]
    right[1, 2] = [1, 0, 0, 0, 0]
    r = np.full((2, 3, 5), np.nan)
    r[0, :2] = [0.9, 0.1, -0.2, np.nan, 0.4]
    r[1, 2] = [0.2, np.nan, 0.6, 0.4, np.nan]
    judged = "region", "subject", "predictor", "image"
    arrays = {
        "image": ("image", [5, 6, 7, 8, 9]),
        "cluster": ("image", np.zeros(5, int)),
        "subject": ("subject", ["subj01", "subj03"]),
        "seen": (("subject", "image"), seen),
        "predictor": ("predictor", ["clip", "bert", "brain"]),
        **region_labels([("floc-faces", "FFA-1")]),
        "n_voxels": ("region", [20]),
        "noise_known": ("region", [False]),
        "compared": (("region", "subject"), [[True, True]]),
        "r": (judged, r[None]),
        "identified": (judged, right[None]),
        "simulated": ((*judged[:3], "draw", "image"), np.zeros((1, 2, 3, 1, 5), bool)),
    }
    return result_of(arrays, models=["clip", "bert"])


@pytest.fixture
def curves():
    """Two draws of 100 images and all 400, of two models; the second overtakes halfway."""
    models = ["bert", "bert", "bert", "clip", "clip", "clip"]
    scores = np.array([0.2, 0.2, 0.2, 0.0, 0.2, 0.3])[:, None]
    drawn = scores[:, :, None] + np.zeros(50)
    arrays = {
        "model": ("fit", models),
        "training_images": ("fit", [100, 100, 400, 100, 100, 400]),
        "draw": ("fit", [0, 1, 0, 0, 1, 0]),
        **region_labels([("all", "all")]),
        "n_voxels": ("region", [30]),
        "n_excluded": ("region", [2]),
        **{key: (("fit", "region"), scores) for key in ("r", "r2")},
        **{f"drawn_{key}": (("fit", "region", "test_draw"), drawn) for key in ("r", "r2")},
    }
    return result_of(arrays)


def test_layers_are_averaged_over_the_same_voxels_and_preferences_over_those_that_have_one(
    layer_result,
):
    rows = list(layer_rows(layer_result, ROIS, {}))
    assert [row["layer"] for row in rows] == ["conv1", "clip"] * 2
    first, second = rows[2:]
    assert (first["n_voxels"], first["n_excluded"], first["n_preferring"]) == (2, 1, 2)
    assert first["mean_r"] == pytest.approx(0.3)
    assert second["mean_r2"] == pytest.approx(0.15)
    assert second["mean_cv_score"] == pytest.approx(0.15)
    assert (first["best_fraction"], second["best_fraction"]) == (0.5, 0.5)
    assert (first["first_fraction"], second["first_fraction"]) == (0, 1)
    assert [row["weights"] for row in rows[2:]] == ["pretrained", "untrained: clip"]


def test_image_wise_accuracy_names_the_best_and_the_worst_images(identification):
    rows = {row["predictor"]: row for row in image_accuracy_rows(identification, ROIS, {})}
    assert list(rows) == ["bert", "clip", "subj03"]
    model, brain = rows["clip"], rows["subj03"]
    assert (model["accuracy"], model["chance"], model["n_images"]) == (0.6, 0.2, 5)
    assert model["mean_image_r"] == pytest.approx(0.3)
    assert model["best_images"] == "5 9 6 7"
    assert brain["worst_images"] == "5 8 7"
    assert (brain["n_images"], brain["chance"]) == (3, 1 / 3)
    assert model["weights"] == "untrained: clip"
    assert np.isnan(brain["weights"])


def test_models_are_compared_on_all_images_and_with_a_brain_on_those_it_saw(identification):
    rows = list(error_consistency_rows(identification, ROIS, SIGNIFICANCE))
    assert [(row["first"], row["second"]) for row in rows] == [
        ("clip", "bert"),
        ("clip", "subj03"),
        ("bert", "subj03"),
    ]
    both, seen, _ = rows
    assert both["observed_agreement"] == pytest.approx(3 / 5)
    assert both["expected_agreement"] == pytest.approx(0.6**2 + 0.4**2)
    assert both["kappa"] == pytest.approx((0.6 - 0.52) / 0.48)
    assert (seen["n_images"], seen["observed_agreement"], seen["kappa"]) == (3, 1, 1)


def test_images_of_one_cluster_are_drawn_together(identification):
    """With a single cluster every draw is the whole: κ has no spread."""
    rows = error_consistency_rows(identification, ROIS, {**SIGNIFICANCE, "resample": "clusters"})
    both = next(iter(rows))
    assert (both["kappa_lower"], both["kappa_upper"]) == pytest.approx((both["kappa"],) * 2)


def test_learning_curves_are_averaged_over_draws_of_training_images(curves):
    found = learning_curve_rows(curves, ROIS, SIGNIFICANCE)
    rows = {(row["model"], row["training_images"]): row for row in found}
    few = rows["clip", 100]
    assert (few["n_draws"], few["mean_r2"]) == (2, pytest.approx(0.1))
    assert few["deviation_r"] == pytest.approx(np.std([0.0, 0.2], ddof=1))
    assert np.isnan(rows["clip", 400]["deviation_r"])


def test_a_model_overtakes_between_measured_sizes(curves):
    row = next(iter(overtaking_rows(curves, ROIS, SIGNIFICANCE)))
    assert (row["first"], row["second"], row["outcome"]) == ("bert", "clip", "overtakes")
    assert row["overtaking_images"] == pytest.approx(200)
    assert (row["overtaking_lower"], row["overtaking_upper"]) == pytest.approx((200, 200))
    assert row["fraction_of_draws"] == 1


def test_a_model_that_is_ahead_at_every_size_overtakes_nowhere(curves):
    curves.data["r"] += np.array([0, 0, 0, 1, 1, 1])[:, None]
    row = next(iter(overtaking_rows(curves, ROIS, SIGNIFICANCE)))
    assert (row["second"], row["outcome"]) == ("clip", "ahead at every size")
    assert np.isnan(row["overtaking_images"])


@pytest.fixture
def frames(layer_result, identification, curves):
    """{table: all its rows}."""
    results = {"layers": layer_result, "identification": identification, "learning_curves": curves}
    return {
        name: pd.DataFrame(rows(results[folder], ROIS, SIGNIFICANCE), columns=columns)
        for folder, tables in parts("tables").items()
        if folder in results
        for name, (rows, columns) in tables.TABLES.items()
    }


def test_every_column_is_described(frames):
    assert len(frames) == 5
    for frame in frames.values():
        assert len(frame)
        assert set(frame.columns) <= COLUMNS


def test_figures_show_every_roi_and_model(frames):
    drawn = layers.figure(frames["layers"])
    assert [axis.get_xticklabels()[-1].get_text() for axis in drawn.axes] == ["clip"] * 3
    # every brain has rows of its own
    table = frames["error_consistency"]
    table = pd.concat([table, table.assign(subject="subj03")])
    drawn = identified.consistency_figure(table)
    assert [tick.get_text() for tick in drawn.axes[0].get_xticklabels()][-1] == "other brains"
    drawn = identified.accuracy_figure(frames["image_accuracy"], ["clip", "bert"])
    assert len(drawn.axes[0].get_legend().get_texts()) == 3
    drawn = learning_curves.figure(
        *(frames["learning_curves"], frames["overtaking"]), ["clip", "bert"]
    )
    assert drawn.axes[0].get_title(loc="left").startswith("all: 1 subject, 30 voxels, simulated")
    assert [line.get_linestyle() for line in drawn.axes[0].lines].count(":") == 1
