"""Tables and figures of components, voxel groups and similarities, from results made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import weights_of
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests

from encoding.similarity import as_matrix, image_similarities
from pipeline.analyses.component_agreement import correlate_maps
from pipeline.analyses.similarity import figures as drawn_similarity
from pipeline.analyses.similarity.tables import (
    SubjectSimilarities,
    agreement_table,
    ceilings,
    corner_table,
)
from pipeline.analyses.weight_components import figures as drawn
from pipeline.analyses.weight_components.tables import (
    best_image_rows,
    category_rows,
    cluster_rows,
    component_rows,
    consistency_rows,
    group_roi_rows,
    image_rows,
    preferences,
    stability_rows,
)
from pipeline.results.storage import Result
from pipeline.tables.document import every_column
from pipeline.tables.regions import region_labels

COLUMNS = {name.split(".")[-1] for columns in every_column().values() for name in columns}

N_IMAGES, N_VOXELS = 12, 8
SUBJECTS = ["subj01", "subj02"]
NSD_ID = np.arange(100, 100 + N_IMAGES)
CAPTIONS = {int(number): [f"image {number}", "again"] for number in NSD_ID}
ROIS = pd.DataFrame({"voxel": [0, 1, 2, 3], "atlas": "floc-faces", "roi": ["FFA-1"] * 3 + ["OFA"]})
BEST = {"images": 3, "min_voxels": 2}
CORNERS = {
    "corners": [["clip", "bert"]],
    "percentile": 20.0,
    "permutations": 99,
    "seed": 0,
    "measure": "spearman",
}


def provenance(untrained: Sequence[str] = (), **settings: object) -> dict[str, object]:
    configuration = {"model": "clip", "spaces": ["clip"], **settings}
    recorded = weights_of("clip", "bert", untrained=untrained)
    return {"simulated": True, "weights": recorded, "configuration": configuration}


@pytest.fixture
def components() -> Result:
    """Two components; subjects' voxels lie on either side of the first."""
    generator = np.random.default_rng(0)
    side = np.tile([1.0, -1.0], N_VOXELS)
    projections = np.column_stack([side, generator.normal(size=2 * N_VOXELS)])
    measures = ("subspace", "cosine", "correlation")
    arrays = {
        "components": (("component", "feature"), np.eye(2, 5)),
        "explained": ("component", np.array([0.5, 0.25])),
        "permuted_explained": (("draw", "component"), [[0.2, 0.3], [0.2, 0.1], [0.2, 0.2]]),
        "sign_margin": ("component", [0.3, 0.1]),
        "image": ("image", NSD_ID),
        "scores": (
            ("image", "component"),
            np.column_stack([np.arange(N_IMAGES), generator.normal(size=N_IMAGES)]),
        ),
        "projections": (("subject_voxel", "component"), projections),
        "subject_number": ("subject_voxel", np.repeat([0, 1], N_VOXELS)),
        "subject": ("subject", SUBJECTS),
        "n_voxels": ((), N_VOXELS),
        "branch": ("branch", ["root", "+", "-"]),
        "in_branch": (("branch", "subject_voxel"), [side > -9, side > 0, side < 0]),
        "cluster": ("subject_voxel", (side < 0).astype(int)),
        "linkage": (("merge", "linkage_column"), [[0, 1, 1.5, 2.0]]),
        "silhouette": ((), 0.4),
        "adjusted_rand": ("subject", [0.5, 0.7]),
        "voxel_id": ("subject_voxel", np.tile(np.arange(N_VOXELS), 2)),
    }
    of_subjects = "left_out_subject", "component"
    for name in measures:
        permuted = np.array([np.full((2, 2), v) for v in (0.0, 0.1, 0.5)])
        arrays[f"stability_{name}"] = of_subjects, [[0.9, 0.5], [0.7, 0.3]]
        arrays[f"permuted_stability_{name}"] = ("draw", *of_subjects), permuted
    return Result(Path("components.h5"), xr.Dataset(arrays), provenance())


@pytest.fixture
def labels() -> dict[str, tuple[list[str], np.ndarray]]:
    """Six images with the largest score on the first component show a dog; none shows a cat."""
    shown = np.zeros((N_IMAGES, 2), np.uint8)
    shown[6:, 1] = 1
    return {"category": (["cat", "dog"], shown)}


def similarities(subject: str, seed: int) -> Result:
    generator = np.random.default_rng(1)
    spaces = {name: generator.normal(size=(N_IMAGES, 6)) for name in ("clip", "bert")}
    noise = np.random.default_rng(seed).normal(size=(N_IMAGES, 6))
    in_spaces = [image_similarities(rows) for rows in spaces.values()]
    arrays = {
        "image": ("image", NSD_ID),
        "space": ("space", [*spaces]),
        "similarity_in_space": (("space", "pair"), in_spaces),
        **region_labels([("floc-faces", "FFA-1")]),
        "similarity_in_region": (
            ("region", "pair"),
            [image_similarities(spaces["clip"] + 0.3 * noise)],
        ),
        "n_voxels": ("region", [6]),
    }
    settings = provenance(subject=subject, spaces=["clip", "bert"], untrained=["bert"])
    return Result(Path(f"{subject}.h5"), xr.Dataset(arrays), settings)


# ---- components


def test_a_components_stability_is_the_mean_over_subjects(components):
    table = pd.DataFrame(component_rows(components))
    assert table["subspace"].tolist() == pytest.approx([0.8, 0.4])
    assert table["permuted_subspace"].tolist() == pytest.approx([0.2, 0.2])
    # (k + 1) / (B + 1): the mean over subjects of the third draw, .5, is above .4
    assert table["p_subspace"].tolist() == [0.25, 0.5]
    assert table["p_explained"].tolist() == [0.25, 0.5]
    assert table["n_permutations"].tolist() == [3, 3]
    assert table["cumulative_explained"].tolist() == [0.5, 0.75]
    each = pd.DataFrame(stability_rows(components)).set_index(["subject", "principal_component"])
    assert each.loc[("subj02", 1), "cosine"] == 0.7
    assert each.loc[("subj02", 2), ["permuted_cosine", "p_cosine"]].tolist() == [
        pytest.approx(0.2),
        0.5,
    ]


def test_a_single_subject_has_components_without_stability(components):
    alone = components.data.isel(left_out_subject=slice(0), subject=[0])
    result = replace(components, data=alone.assign(adjusted_rand=("subject", [np.nan])))
    assert list(stability_rows(result)) == []
    table = pd.DataFrame(component_rows(result))
    assert table["subspace"].isna().all()
    figure = drawn.explained_variance(table)
    assert len(figure.axes) == 1
    assert "1 subject × 8 voxels" in _texts(figure)


def test_a_group_prefers_what_the_mean_of_its_weights_scores_high(components):
    found = {(p.grouping, p.name): p for p in preferences(components)}
    assert set(found) == {
        *(("component", "1"), ("component", "2"), ("tree", "+"), ("tree", "-")),
        *(("cluster", "1"), ("cluster", "2")),
    }
    plus = found["tree", "+"]
    mean = components["projections"][components.by_label("in_branch")["+"]].mean(axis=0)
    assert np.allclose(plus.scores, components["scores"] @ mean)
    assert np.array_equal(plus.scores, found["cluster", "1"].scores)


def test_images_are_listed_by_rank_with_their_captions(components):
    (first, *_) = preferences(components)
    table = pd.DataFrame(image_rows(components, first, 3, CAPTIONS))
    top = table[table["side"] == "top"]
    assert top["nsd_id"].tolist() == [111, 110, 109]
    assert top["rank"].tolist() == [1, 2, 3]
    assert top["captions"].iloc[0] == "image 111 | again"
    assert table.loc[table["side"] == "bottom", "nsd_id"].tolist() == [100, 101, 102]
    assert set(table.columns) <= COLUMNS


def test_categories_of_top_images_are_tested_and_absent_ones_left_out(components, labels):
    ranked = list(preferences(components))[:2]
    table = pd.DataFrame(category_rows(components, ranked, 5, labels))
    assert set(table["label"]) == {"dog"}
    row = table[(table["name"] == "1") & (table["side"] == "top")].iloc[0]
    assert (row["fraction"], row["base_rate"]) == (1.0, 0.5)
    assert row["p"] == pytest.approx(fisher_exact([[5, 0], [1, 6]]).pvalue)
    assert (table["q"] >= table["p"]).all()
    assert set(table.columns) <= COLUMNS


def test_groups_are_described_by_roi_against_all_voxels(components):
    rois = {"subj01": ROIS, "subj02": ROIS.iloc[:1]}
    table = pd.DataFrame(group_roi_rows(components, rois))
    row = table[(table["grouping"] == "tree") & (table["name"] == "+") & (table["roi"] == "FFA-1")]
    # voxels 0 and 2 of the first subject, 0 of the second; of all voxels four are in the ROI
    assert row[["n_voxels", "fraction", "base_rate", "n_subjects"]].to_numpy().tolist() == [
        [3, 3 / 8, 4 / 16, 2]
    ]
    assert set(table.columns) <= COLUMNS
    assert set(pd.DataFrame(cluster_rows(components)).columns) <= COLUMNS


def test_best_images_of_a_roi_are_of_its_explainable_voxels(components):
    generator = np.random.default_rng(2)
    values = generator.normal(size=(N_IMAGES, 4)).astype(np.float32)
    measured = values + 0.1 * generator.normal(size=values.shape)
    measured[3, 2] = np.nan  # a voxel that lacks an image
    arrays = {
        "image": ("image", NSD_ID),
        "voxel": ("voxel", np.arange(4)),
        "predictions": (("image", "voxel"), values),
    }
    result = Result(Path("fit.h5"), xr.Dataset(arrays), provenance(subject="subj01"))
    explainable = np.array([True, True, True, False])
    rows = best_image_rows(result, "clip", measured, explainable, ROIS, BEST, CAPTIONS)
    table = pd.DataFrame(rows)
    assert set(table["roi"]) == {"all", "FFA-1"}  # OFA has one voxel, and too noisy a one
    face = table[table["roi"] == "FFA-1"]
    expected = np.argsort(-values[:, :2].mean(axis=1))[:3]
    assert face["nsd_id"].tolist() == NSD_ID[expected].tolist()
    truly = measured[:, :2].mean(axis=1)
    assert face["measured"].tolist() == pytest.approx(truly[expected].tolist())
    assert face["measured_rank"].tolist() == [int((truly >= truly[e]).sum()) for e in expected]
    assert set(table.columns) <= COLUMNS


# ---- similarities


def test_spaces_are_compared_with_rois_on_common_images_beside_the_ceiling():
    results = [similarities(subject, seed) for seed, subject in enumerate(SUBJECTS)]
    subjects = [SubjectSimilarities.of(result, NSD_ID[2:]) for result in results]
    bounds = ceilings(subjects, "spearman")
    table = pd.concat(agreement_table(one, bounds, CORNERS, 0.95) for one in subjects)
    for _, rows in table.groupby(["subject", "kind"]):
        np.testing.assert_allclose(rows["q"], multipletests(rows["p"], method="fdr_bh")[1])
        assert set(rows["n_tests"]) == {len(rows)}
    table = table.set_index(["subject", "first", "second"])
    clip, bert = (table.loc[("subj01", s, "floc-faces/FFA-1")] for s in ("clip", "bert"))
    assert clip["kind"] == "feature space and ROI"
    assert clip["agreement"] > 0.5 > bert["agreement"]
    assert bert["agreement"] < clip["lower_ceiling"] < clip["upper_ceiling"]
    assert bert["agreement_lower"] < bert["agreement"] < bert["agreement_upper"]
    assert bert["agreement_upper"] < clip["agreement_lower"]
    assert clip["p"] == 1 / 100 < bert["p"]
    assert (clip["n_images"], clip["n_voxels_second"]) == (N_IMAGES - 2, 6)
    assert (clip["weights"], bert["weights"]) == ("pretrained", "untrained: bert")
    between = table.loc[("subj01", "clip", "bert")]
    assert np.isnan(between["upper_ceiling"])
    whole = as_matrix(results[0].by_label("similarity_in_space")["clip"], N_IMAGES)[2:, 2:]
    expected = whole[np.triu_indices(N_IMAGES - 2, 1)]
    assert np.array_equal(subjects[0].similarities["space/clip"], expected)
    assert set(table.reset_index().columns) <= COLUMNS


def test_corners_are_reported_for_each_roi():
    one = SubjectSimilarities.of(similarities("subj01", 0), None)
    table = corner_table(one, CORNERS).set_index("corner")
    assert len(table) == 4
    assert (table["similarity_difference"]["first alike"]) > 0.2
    assert (table["similarity_difference"]["second alike"]) < -0.2
    assert (table["q"] >= table["p"]).all()
    assert set(table.reset_index().columns) <= COLUMNS
    assert len(corner_table(one, {**CORNERS, "corners": []})) == 0


def test_maps_of_components_are_read_in_the_order_of_their_numbers(monkeypatch):
    index = {}
    for number in (1, 2, 10, 100):
        name = f"clip/space-MNI152_model-clip_component-{number:02d}_statmap.nii.gz"
        entities = f"model-clip_component-{number:02d}_stat-weightProjection"
        index[name] = {"space": "MNI152", "entities": entities, "quantity": "weightProjection"}
    index["clip/r.nii.gz"] = {"space": "MNI152", "entities": "stat-r", "quantity": "r"}

    def read(path: Path) -> np.ndarray:
        return np.array([[np.nan, float(path.name.split("component-")[1].split("_")[0])]])

    monkeypatch.setattr(correlate_maps, "read_map", read)
    found = correlate_maps.read_component_maps(Path("maps"), index, "MNI152")
    assert found.place.tolist() == [1]
    assert found.values[:, 0].tolist() == [1, 2, 10, 100]
    assert correlate_maps.read_component_maps(Path("maps"), index, "fsaverage") is None


# ---- figures


def _texts(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def test_figures_state_what_they_show(components, labels):
    ranked = list(preferences(components))
    images = {int(number): np.full((4, 4, 3), 9, np.uint8) for number in NSD_ID}
    listed = pd.DataFrame(r for p in ranked for r in image_rows(components, p, 3, CAPTIONS))
    categories = pd.concat(
        pd.DataFrame(category_rows(components, part, 5, labels))
        for part in (ranked[:2], ranked[2:4], ranked[4:])
    )
    both_levels = {**labels, "supercategory": labels["category"]}
    consistency = pd.DataFrame(consistency_rows(components, ranked[:2], both_levels))
    assert consistency["n_images"].unique().tolist() == [2, 5]
    figures = {
        "agreement of supercategories": drawn.consistency_curves(consistency, ["1", "2"]),
        "component 2": drawn.image_grid(listed, images, ["1", "2"], 3),
        "2 subjects × 8 voxels": drawn.explained_variance(pd.DataFrame(component_rows(components))),
        "dog": drawn.category_profile(categories, "1", "category"),
    }
    for reported, figure in figures.items():
        assert reported in _texts(figure)
        assert "simulated data" in _texts(figure)
    shown = [image for axis in figures["component 2"].axes for image in axis.get_images()]
    assert len(shown) == 2 * 2 * 3


def test_figures_of_similarities_state_what_they_show():
    subjects = [
        SubjectSimilarities.of(similarities(subject, seed), None)
        for seed, subject in enumerate(SUBJECTS)
    ]
    bounds = ceilings(subjects, "spearman")
    table = pd.concat(agreement_table(one, bounds, CORNERS, 0.95) for one in subjects)
    text = _texts(drawn_similarity.agreement(table, ["clip", "bert"]))
    assert "2 subjects (dots), 12 images, simulated data" in text
    corners = pd.concat(corner_table(one, CORNERS) for one in subjects)
    assert "clip alike,\nbert not" in _texts(drawn_similarity.corners(corners, "clip", "bert"))
