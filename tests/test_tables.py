"""Tables: means against hand-computed ones, signed, invalid voxels counted apart."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import weights_of
from runs import frozen
from scipy.stats import ttest_1samp, ttest_rel
from statsmodels.stats.multitest import multipletests

from pipeline.jobs.frozen_run import RUN
from pipeline.results.space_weights import weights_in_words
from pipeline.results.storage import Result, write_result
from pipeline.results.tables import read_table, write_table
from pipeline.stages import write_tables
from pipeline.tables.columns import COLUMNS
from pipeline.tables.tables import (
    GROUP_COLUMNS,
    MODEL_COLUMNS,
    PARTITION_COLUMNS,
    best_voxel_row,
    correlation_rows,
    group_table,
    model_table,
    partition_rows,
    roi_members,
)

VOXEL = np.array([10, 11, 12, 13, 14])
ROIS = pd.DataFrame(
    {
        "voxel": [10, 11, 13, 14],
        "atlas": "prf-visualrois",
        "roi": ["V1v", "V1v", "V1v", "hV4"],
        "hemisphere": ["lh", "lh", "rh", "rh"],
        "place": [0, 0, 0, 6],
    }
)
PROVENANCE = {
    "simulated": True,
    "untrained": ["clip"],
    "weights": weights_of("bert", untrained=["clip"]),
    "configuration": {
        "subject": "subj01",
        "variant": "all",
        "comparison": "bert_vs_clip",
        "spaces": ["bert", "clip"],
    },
}


def of_model(space: str) -> dict[str, object]:
    identity = {"subject": "subj01", "variant": "all"}
    configuration = {**identity, "model": space, "spaces": [space]}
    return {**PROVENANCE, "configuration": configuration}


def rows_of(result: Result, tests: Result) -> pd.DataFrame:
    rows = pd.DataFrame(correlation_rows(result, tests, ROIS))
    return rows.set_index(["model", "roi"])


@pytest.fixture
def encoding() -> Result:
    arrays = {
        "grid_shape": ("axis", [2, 3, 4]),
        **of_voxels(
            noise_ceiling=[0.2, 0.4, 0.6, 0.8, 1.0],
            noise_ceiling_error=[0.1, 0.3, 0.1, 0.1, 0.1],
            searched_exactly=[True, False, False, True, True],
            reliability=[0.2, 0.4, 0.6, 0.8, 1.0],
            r=[-0.5, 0.1, 0.3, np.nan, 0.4],
            r2=[-0.9, 0.0, 0.1, np.nan, 0.2],
        ),
    }
    return Result(Path("bert.h5"), xr.Dataset(arrays), of_model("bert"))


def of_voxels(**arrays: object) -> dict[str, tuple[str, object]]:
    return {name: ("voxel", values) for name, values in {"voxel": VOXEL, **arrays}.items()}


@pytest.fixture
def tested() -> Result:
    """The tests of `encoding`."""
    arrays = of_voxels(q=[0.9, 0.05, 0.01, np.nan, 0.2])
    return Result(Path("tests.h5"), xr.Dataset(arrays), of_model("bert"))


@pytest.fixture
def unfitted(encoding, tested) -> tuple[Result, Result]:
    """A model of another space without a valid voxel, and its tests."""
    nothing = np.full(5, np.nan)
    data = encoding.data.assign(r=("voxel", nothing), r2=("voxel", nothing))
    reported = of_model("clip")
    return (
        Result(Path("clip.h5"), data, reported),
        Result(Path("tests.h5"), xr.Dataset(of_voxels(q=nothing)), reported),
    )


@pytest.fixture
def significance() -> Result:
    """The tests of `partition`."""
    arrays = {
        "component": ("component", ["bert", "clip"]),
        "voxel": ("voxel", VOXEL),
        "q": (("component", "voxel"), [[0.01, 0.02, 0.9, np.nan, 0.9], [0.5] * 5]),
    }
    return Result(Path("significance.h5"), xr.Dataset(arrays), PROVENANCE)


@pytest.fixture
def partition() -> Result:
    variance = [
        [-0.2, 0.1, 0.0, np.nan, 0.3],
        [0.1, 0.1, 0.1, np.nan, 0.1],
        [0.0, -0.4, 0.2, np.nan, 0.0],
    ]
    product = [[-0.1, 0.1, 0.2, np.nan, 0.3], [0.0, -0.3, 0.1, np.nan, 0.1], [0.0] * 5]
    arrays = {
        "component": ("component", ["bert", "clip", "bert&clip"]),
        "model": ("model", ["bert+clip"]),
        "part": ("part", ["bert", "clip", "offset"]),
        "variance": (("component", "voxel"), variance),
        "r2": (("model", "voxel"), [[-0.1, -0.2, 0.3, np.nan, 0.4]]),
        "product_measure": (("part", "voxel"), product),
        **of_voxels(
            stacked_r2=[-0.3, -0.1, 0.2, np.nan, 0.4], joint_gain=[-0.2, -0.1, 0.1, np.nan, 0.2]
        ),
    }
    return Result(Path("partition.h5"), xr.Dataset(arrays), PROVENANCE)


def test_hemispheres_are_taken_together():
    members = roi_members(ROIS, VOXEL)
    assert list(members) == [("all", "all"), ("prf-visualrois", "V1v"), ("prf-visualrois", "hV4")]
    assert VOXEL[members["prf-visualrois", "V1v"]].tolist() == [10, 11, 13]


def test_correlations_are_signed_means_over_valid_voxels(encoding, tested):
    rows = rows_of(encoding, tested)
    v1 = rows.loc[("bert", "V1v")]
    assert (v1["n_voxels"], v1["n_excluded"]) == (2, 1)
    assert v1["mean_r"] == pytest.approx(-0.2)
    assert v1["mean_r2"] == pytest.approx(-0.45)
    assert v1["mean_ceiling"] == pytest.approx(0.3)
    assert v1["mean_ceiling_error"] == pytest.approx(0.2)
    everywhere = rows.loc[("bert", "all")]
    assert (everywhere["n_voxels"], everywhere["n_excluded"]) == (4, 1)
    assert everywhere["median_r"] == pytest.approx(0.2)


def test_the_spread_within_a_region_is_reported_beside_its_mean(
    encoding, tested, partition, significance
):
    row = rows_of(encoding, tested).iloc[0]
    r2 = encoding["r2"][np.isfinite(encoding["r2"] + encoding["r"])]
    quartiles = row[["lower_quartile_r2", "upper_quartile_r2"]].tolist()
    assert quartiles == pytest.approx(np.percentile(r2, [25, 75]))
    parts = pd.DataFrame(partition_rows(partition, significance, ROIS))
    row = parts[(parts["roi"] == "all") & (parts["component"] == "bert")].iloc[0]
    quartiles = row[["lower_quartile_variance", "upper_quartile_variance"]].tolist()
    assert quartiles == pytest.approx(np.percentile([-0.2, 0.1, 0.0, 0.3], [25, 75]))


def test_a_model_without_valid_voxels_has_no_mean(unfitted):
    rows = rows_of(*unfitted)
    assert rows.loc[("clip", "all"), "n_voxels"] == 0
    assert np.isnan(rows.loc[("clip", "all"), "mean_r"])


def test_rows_state_simulated_data_and_untrained_weights(encoding, tested, unfitted):
    rows = pd.concat([rows_of(encoding, tested), rows_of(*unfitted)])
    assert rows.loc[("bert", "all"), "weights"] == "pretrained"
    assert rows.loc[("clip", "all"), "weights"] == "untrained: clip"
    assert set(rows["data"]) == {"simulated"}


def test_scores_are_normalised_by_the_ceiling_without_clipping(encoding, tested):
    encoding.data["noise_ceiling"] = "voxel", np.array([0.5, 0.16, 0.4, 0.5, 0.1])
    encoding.data["reliability"] = "voxel", np.array([0.05, 0.2, 0.04, 0.5, 0.01])
    rows = rows_of(encoding, tested)
    row = rows.loc[("bert", "all")]
    # of the valid voxels one can be explained at all: r = 0.1 of 0.4, R² = 0 of 0.16
    assert row["n_explainable"] == 1
    assert row["mean_normalised_r"] == pytest.approx(0.1 / 0.4)
    assert row["mean_normalised_r2"] == pytest.approx(0)
    encoding.data["reliability"] = encoding.data["noise_ceiling"] = "voxel", np.full(5, 0.1)
    rows = rows_of(encoding, tested)
    assert rows.loc[("bert", "hV4"), "mean_normalised_r2"] == pytest.approx(2)


def test_one_ceiling_near_0_does_not_decide_a_region(encoding, tested):
    encoding.data["noise_ceiling"] = "voxel", np.array([-0.09, 0.4, 0.001, 0.5, 0.489])
    encoding.data["reliability"] = "voxel", np.full(5, 0.2)
    rows = rows_of(encoding, tested)
    row = rows.loc[("bert", "all")]
    assert row["n_explainable"] == 4
    assert row["mean_ceiling"] == pytest.approx(0.2)
    assert row["mean_normalised_r2"] == pytest.approx(np.mean([-0.9, 0.0, 0.1, 0.2]) / 0.2)
    encoding.data["noise_ceiling"] = "voxel", np.full(5, -0.1)
    rows = rows_of(encoding, tested)
    assert np.isnan(
        rows.loc[("bert", "all"), ["mean_normalised_r", "mean_normalised_r2"]].astype(float)
    ).all()


def test_significant_voxels_are_counted_where_there_is_a_test(
    encoding, tested, significance, partition
):
    rows = rows_of(encoding, tested)
    assert rows.loc[("bert", "all"), "n_significant"] == 2
    assert rows.loc[("bert", "V1v"), "n_significant"] == 1
    parts = pd.DataFrame(partition_rows(partition, significance, ROIS))
    counts = parts[parts["roi"] == "all"].set_index("component")["n_significant"]
    assert counts[["bert", "clip"]].tolist() == [2, 0]
    assert counts[["bert&clip", "joint"]].isna().all()


def test_components_are_tested_over_subjects_who_have_the_roi():
    keys = {
        "variant": "all",
        "comparison": "a_vs_b",
        "atlas": "all",
        "weights": "pretrained",
        "data": "measured",
    }
    values = {"V1v": [0.1, 0.3, 0.2], "FFA-1": [0.4]}
    partitions = pd.DataFrame(
        [
            {**keys, "subject": s, "component": component, "roi": roi, "mean_variance": v * factor}
            for component, factor in {"a": 1, "b": -2, "a&b": 3, "joint": 4, "product:a": 5}.items()
            for roi, of_subjects in values.items()
            for s, v in enumerate(of_subjects)
        ]
    )
    # in another order of subjects: they are paired all the same
    table = group_table(partitions.sample(frac=1, random_state=0))
    paired = table[table["component"].str.contains(" minus ")].set_index("roi")
    assert paired.loc["V1v", "component"] in ("a minus b", "b minus a")
    expected = ttest_rel([0.1, 0.3, 0.2], [-0.2, -0.6, -0.4]).statistic
    assert abs(paired.loc["V1v", "t"]) == pytest.approx(expected)
    assert abs(paired.loc["V1v", "mean"]) == pytest.approx(0.6)
    assert len(table) == 2 * 6
    rows = table[table["component"] == "a"].set_index("roi")
    assert rows.loc["V1v", "mean"] == pytest.approx(0.2)
    assert rows.loc["V1v", "t"] == pytest.approx(ttest_1samp([0.1, 0.3, 0.2], 0).statistic)
    assert (rows.loc["V1v", "n_subjects"], rows.loc["FFA-1", "n_subjects"]) == (3, 1)
    assert np.isnan(rows.loc["FFA-1", "p_t"])
    assert set(rows.columns) | {"roi"} == set(GROUP_COLUMNS)


def test_tests_over_subjects_are_corrected_within_their_family():
    """R² of the joint model is above 0 everywhere, and eases no other test's level."""
    random = np.random.default_rng(0)
    components = ("a", "b", "a&b", "joint", "stacked", "product:a", "product:b")
    keys = ("variant", "comparison", "component", "roi", "subject")
    names = (("all", "few"), ("a_vs_b", "a_vs_c"), components, ("V1", "V2"), range(8))
    partitions = pd.DataFrame(itertools.product(*names), columns=keys).assign(
        atlas="x", weights="pretrained", data="measured"
    )
    partitions["mean_variance"] = random.normal(partitions["component"].eq("joint") * 9.0)
    table = group_table(partitions)
    assert len(table) == 2 * 2 * 2 * 8
    families = table.groupby(["variant", "family"])
    assert set(table["family"]) == {
        f"{measure} of {comparison}"
        for measure in ("unique and shared variance", "R²", "product measure")
        for comparison in ("a_vs_b", "a_vs_c")
    }
    for (_, name), rows in families:
        members = {"u": {"a", "b", "a&b", "a minus b"}, "R": {"joint", "stacked"}}
        assert set(rows["component"]) == members.get(name[0], {"product:a", "product:b"})
        assert set(rows["n_tests"]) == {len(rows)}
        for test in ("t", "sign_flip"):
            expected = multipletests(rows[f"p_{test}"], method="fdr_bh")[1]
            np.testing.assert_allclose(rows[f"q_{test}"], expected)


def test_models_are_compared_over_subjects():
    """Subjects in another order are paired all the same; a subject without the ROI is left out."""
    r2 = {"clip": [0.3, 0.2, 0.4], "bert": [0.1, 0.15, 0.1], "clip+bert": [0.4, 0.4, 0.4]}
    correlations = pd.DataFrame(
        [
            {
                **{"variant": "all", "atlas": atlas, "roi": roi, "data": "measured"},
                **{"subject": subject, "model": model, "mean_r2": value},
                "weights": "untrained: bert" if model == "bert" else "pretrained",
            }
            for atlas, roi in (("composite", "face"), ("floc-faces", "FFA-1"))
            for model, values in r2.items()
            for subject, value in enumerate(values)
        ]
    )
    correlations.loc[
        correlations["model"].eq("clip") & correlations["subject"].eq(2), "mean_r2"
    ] = np.nan
    shuffled = correlations.sample(frac=1, random_state=1)
    rows = model_table(shuffled, ["clip", "bert"]).set_index("model")
    assert set(rows["roi"]) == {"face"}
    assert list(rows.index) == ["clip", "bert", "clip minus bert"]
    expected = ttest_rel([0.3, 0.2], [0.1, 0.15])
    assert rows.loc["clip minus bert", "t"] == pytest.approx(expected.statistic)
    assert rows.loc["clip minus bert", "p_t"] == pytest.approx(expected.pvalue)
    assert rows.loc["bert", "standard_error"] == pytest.approx(np.std(r2["bert"], ddof=1) / 3**0.5)
    assert rows["n_subjects"].tolist() == [2, 3, 2]
    assert rows["weights"].tolist() == ["pretrained", "untrained: bert", "untrained: bert"]
    assert set(rows.columns) | {"model"} == set(MODEL_COLUMNS)
    assert rows["family"].tolist() == ["R² of models"] * 2 + ["differences of models"]
    assert rows["n_tests"].tolist() == [2, 2, 1]
    expected = multipletests(rows["p_t"][:2], method="fdr_bh")[1]
    np.testing.assert_allclose(rows["q_t"][:2], expected)


def test_components_sum_to_the_joint_model(partition, significance):
    rows = pd.DataFrame(partition_rows(partition, significance, ROIS))
    means = rows.pivot(index="roi", columns="component", values="mean_variance")
    assert means.loc["V1v", "bert"] == pytest.approx(-0.05)
    assert means.loc["V1v", "bert&clip"] == pytest.approx(-0.2)
    np.testing.assert_allclose(means[["bert", "clip", "bert&clip"]].sum(axis=1), means["joint"])
    products = ["product:bert", "product:clip", "product:offset"]
    np.testing.assert_allclose(means[products].sum(axis=1), means["joint"])
    assert tuple(rows.columns) == PARTITION_COLUMNS


def test_the_stack_of_single_models_stands_beside_the_joint_model(partition, significance):
    recorded = {**PROVENANCE["configuration"], "comparison": "clip_vs_bert"}
    another = replace(partition, provenance={**PROVENANCE, "configuration": recorded})
    rows = pd.DataFrame(partition_rows(another, significance, ROIS))
    stacked = rows[rows["component"] == "stacked"].set_index("roi")
    assert stacked.loc["all", "mean_variance"] == pytest.approx(0.05)
    assert np.isnan(stacked.loc["all", "n_significant"])
    assert not any(
        "stacked" in name for name in components_over_subjects(rows) if " minus " in name
    )


def components_over_subjects(rows: pd.DataFrame) -> list[str]:
    """Components of the tests over two subjects with these rows."""
    both = pd.concat([rows, rows.assign(subject="subj02")])
    return group_table(both)["component"].tolist()


def test_a_joint_model_below_its_parts_is_reported_in_its_own_row(partition, significance):
    rows = pd.DataFrame(partition_rows(partition, significance, ROIS))
    joint = rows[rows["component"] == "joint"].set_index("roi")
    assert joint.loc["all", "joint_below_fraction"] == pytest.approx(2 / 4)
    assert joint.loc["all", "joint_below_mean"] == pytest.approx(0.15)
    assert (joint.loc["hV4", "joint_below_fraction"], joint.loc["V1v", "joint_below_fraction"]) == (
        0,
        1,
    )
    assert np.isnan(joint.loc["hV4", "joint_below_mean"])
    assert rows.loc[rows["component"] != "joint", "joint_below_fraction"].isna().all()


def test_best_voxel_is_named_with_its_roi_and_ceiling(encoding):
    row = best_voxel_row(encoding, ROIS)
    assert row["best_voxel_rois"] == "prf-visualrois/hV4"
    assert row["best_voxel"] == "1 0 2"
    assert (row["best_r"], row["best_r2"]) == pytest.approx((0.4, 0.2))
    assert row["best_voxel_ceiling"] == pytest.approx(1.0)
    assert row["r_of_99th_percentile"] == pytest.approx(0.397)
    assert row["n_searched_exactly"] == 3


def test_both_scores_of_the_best_voxel_are_its_own(encoding):
    encoding.data["r2"][1] = 0.9
    assert best_voxel_row(encoding, ROIS)["best_r2"] == pytest.approx(0.2)


def test_a_model_without_valid_voxels_has_no_best_one(unfitted):
    row = best_voxel_row(unfitted[0], ROIS)
    assert (row["best_voxel"], row["best_voxel_rois"], row["n_voxels"]) == ("none", "none", 0)
    assert np.isnan([row["best_r"], row["best_r2"], row["best_voxel_ceiling"]]).all()


def test_best_values_are_said_to_be_biased():
    assert "biased" in COLUMNS["best_r"]
    assert "biased" in COLUMNS["best_r2"]


def test_a_table_without_rows_can_be_read_back(tmp_path):
    path = tmp_path / "partitions.tsv"
    write_table(path, pd.DataFrame(columns=PARTITION_COLUMNS), COLUMNS, PROVENANCE)
    assert tuple(read_table(path).columns) == PARTITION_COLUMNS


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [3, 0, 4, 2, 1]], ids=["same", "another"])
def test_tests_are_those_of_the_same_voxels_whatever_their_order(
    encoding, tested, unfitted, significance, partition, tmp_path, monkeypatch, order
):
    files = {
        "encoding": {"bert": encoding, "clip": unfitted[0]},
        "significance": {"bert": tested, "clip": unfitted[1], "bert_vs_clip": significance},
        "partitions": {"bert_vs_clip": partition},
    }
    command = ["write_tables", "--models", "models", "--rois", str(tmp_path / "subj01.tsv")]
    write_table(tmp_path / "subj01.tsv", ROIS, dict.fromkeys(ROIS, "as named"), PROVENANCE)
    for kind, results in files.items():
        command += [f"--{kind}"]
        for name, result in results.items():
            path = tmp_path / kind / f"subj01/all/{name}.h5"
            data = result.data.isel(voxel=order) if kind == "significance" else result.data
            write_result(path, data, result.provenance)
            command += [str(path)]
    names = "correlations", "partitions", "models"
    tables = [str(tmp_path / f"{name}.tsv") for name in names]
    monkeypatch.setattr("sys.argv", [*command, "--out", *tables])
    monkeypatch.setenv(RUN, frozen(tmp_path, models=["bert", "clip"])[RUN])
    write_tables.main()
    correlations, partitions, models = (read_table(path) for path in tables)
    assert {"bert", "clip"} <= set(models["model"])
    rows = correlations.set_index(["model", "roi"])["n_significant"]
    assert rows[[("bert", "V1v"), ("bert", "hV4")]].tolist() == [1, 0]
    rows = partitions.set_index(["component", "roi"])["n_significant"]
    assert rows[[("bert", "V1v"), ("bert", "hV4")]].tolist() == [2, 0]


def test_weights_have_four_states_in_every_table():
    states = {"a": "pretrained", "b": "untrained", "c": "nothing to train", "d": "untrained"}
    provenance = {
        "weights": {name: {"state": state, "label": ""} for name, state in states.items()}
    }
    for name, label in (("e", "given (x.npz, sha256 1)"), ("f", "given (y.npz, sha256 2)")):
        provenance["weights"][name] = {"state": "given", "label": label}
    provenance["weights"]["g"] = provenance["weights"]["e"]
    assert weights_in_words(provenance, ["e", "f", "g", "b"]) == (
        "untrained: b; given (x.npz, sha256 1): e, g; given (y.npz, sha256 2): f"
    )
    assert weights_in_words(provenance, ["a"]) == "pretrained"
    assert weights_in_words(provenance, ["c", "a"]) == "nothing to train: c"
    assert weights_in_words(provenance, states) == "untrained: b, d; nothing to train: c"
