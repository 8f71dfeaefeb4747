"""The study as published and as corrected: both run to the end, and what differs is tabulated."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ENVIRON, ROOT, Study, bare, branch, read_tiny

from pipeline.results.storage import read_result
from pipeline.results.tables import read_table
from pipeline.tables.presets import preset_differences

PRESETS = ("paper", "nsd")
COMPARISON = "clip_rn50_vs_resnet50"
# small networks that stand for those of the study
STAND_INS = {"clip_rn50": "alexnet", "resnet50": "bert"}


def partitions(values, variant="all", voxels=100, significant=10):
    """A table of one ROI: {(subject, component): variance}."""
    return pd.DataFrame(
        [
            {
                **{"subject": subject, "variant": variant, "comparison": "a_vs_b"},
                **{"component": component, "atlas": "all", "roi": "all", "n_voxels": voxels},
                **{"mean_variance": variance, "n_significant": significant},
            }
            for (subject, component), variance in values.items()
        ]
    )


def test_components_are_joined_by_subject_and_name_whatever_their_order():
    published = partitions({("subj01", "a"): 0.1, ("subj02", "a"): 0.3, ("subj01", "b"): 0.0})
    corrected = partitions({("subj02", "a"): 0.2, ("subj01", "a"): 0.15}, significant=50)
    subset = partitions({("subj01", "a"): 9.0}, variant="person")
    found = preset_differences(published, pd.concat([subset, corrected]))
    rows = found.set_index(["subject", "component"])
    assert set(rows.index) == {("subj01", "a"), ("subj02", "a"), ("mean", "a")}
    assert rows.loc[("subj01", "a"), "difference"] == pytest.approx(0.05)
    assert rows.loc[("mean", "a"), "difference"] == pytest.approx(-0.025)
    assert rows.loc[("mean", "a"), "published"] == pytest.approx(0.2)
    assert rows.loc[("subj02", "a"), "corrected_significant"] == pytest.approx(0.5)


def test_nothing_in_common_is_an_error():
    with pytest.raises(ValueError, match="no component of a comparison in common"):
        preset_differences(partitions({("subj01", "a"): 0.1}), partitions({("subj02", "a"): 0.1}))


@pytest.fixture(scope="module")
def presets(study, tmp_path_factory):
    """Both presets, for one simulated subject and two small networks, run to the end."""
    directory = tmp_path_factory.mktemp("presets") / "study"
    branch(study, directory, "tiny.yaml")
    tiny = read_tiny()
    spaces = tiny["feature_spaces"]
    ran = {}
    for preset in PRESETS:
        declared = yaml.safe_load((ROOT / f"config/{preset}.yaml").read_text())
        values = bare(declared)
        kept = ("nsd", "stimulus_set", "networks", "extraction", "simulation", "rois")
        kept += ("calibration",)
        values |= {key: tiny[key] for key in kept}
        values["subjects"] = ["subj01"]
        values["responses"]["mask"] = "nsdgeneral"
        values["feature_spaces"] = {name: spaces[own] for name, own in STAND_INS.items()}
        values["models"], values["comparisons"] = list(STAND_INS), {COMPARISON: None}
        if "single_penalty" in declared.get("variants", {}):
            values["variants"] = {"single_penalty": {"penalty": "single"}}
        ran[preset] = Study(directory, directory / f"{preset}.yaml")
        ran[preset].configuration.write_text(yaml.safe_dump(values))
        ran[preset].snakemake()
    return ran


def results(presets, preset):
    return presets[preset].directory / "results" / preset


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_runs_to_its_report(presets, preset):
    page = (results(presets, preset) / "report/index.html").read_text()
    assert "Simulated data: no brain was measured" in page
    assert presets[preset].planned() == {}


def test_the_published_preset_splits_and_fits_as_published(presets):
    folder = results(presets, "paper")
    split = read_table(folder / "splits/subj01/all.tsv")
    assert (split["set"] == "test").mean() == pytest.approx(0.2, abs=0.01)
    folds = split.loc[split["set"] == "train", "fold"].to_numpy()
    assert set(folds) == set(range(7))
    assert (np.diff(folds) >= 0).all()
    fit = read_result(folder / "encoding/subj01/all/clip_rn50+resnet50.h5")
    alpha = fit["alpha"]
    grid = np.logspace(-8, 10, 100)
    usable = np.isfinite(alpha)
    nearest = np.abs(np.log10(alpha[usable])[:, None] - np.log10(grid)).min(1)
    assert nearest.max() < 1e-5
    assert (fit["band_weights"][:, usable] == 1).all()


def test_the_published_tests_are_the_bootstraps(presets):
    found = read_result(results(presets, "paper") / f"significance/subj01/all/{COMPARISON}.h5")
    assert found.provenance["configuration"]["test"] == "bootstrap"
    p, lower = found.by_label("p")["clip_rn50"], found.by_label("variance_lower")["clip_rn50"]
    usable = np.isfinite(p)
    # an interval's lower end above 0 leaves less than a twentieth of a half below; few images
    # expand it a little beyond that
    assert (p[usable & (lower > 0)] <= 0.0255).all()
    assert (p[usable & (lower < 0)] >= 0.022).all()


def compare(directory, published):
    """Run the comparison of a folder's studies as a user does."""
    command = [sys.executable, "-m", "pipeline", "compare_presets", published, "results/nsd"]
    environ = {**ENVIRON, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=directory)


def test_differences_are_those_of_the_two_tables(presets):
    assert "clip_rn50" in compare(presets["nsd"].directory, "results/paper").stdout
    table = read_table(results(presets, "nsd") / "tables/preset_differences.tsv")
    rows = {
        preset: read_table(results(presets, preset) / "tables/partitions.tsv").query(
            "variant == 'all' and roi == 'V1v' and component == 'clip_rn50'"
        )
        for preset in PRESETS
    }
    row = table.query("subject == 'subj01' and roi == 'V1v' and component == 'clip_rn50'").iloc[0]
    for side, preset in zip(("published", "corrected"), PRESETS, strict=True):
        assert row[side] == pytest.approx(rows[preset]["mean_variance"].iloc[0], abs=1e-5)
    assert row["difference"] == pytest.approx(row["corrected"] - row["published"], abs=1e-5)
    assert set(table["subject"]) == {"subj01", "mean"}


def test_a_comparison_with_results_that_are_not_there_is_reported_at_once(tmp_path):
    done = compare(tmp_path, "results/elsewhere")
    assert done.returncode == 1
    assert "results/elsewhere/tables/partitions.tsv: not found" in done.stderr


def test_one_penalty_in_the_corrected_study_is_a_variant_beside_it(presets):
    table = read_table(results(presets, "nsd") / "tables/partitions.tsv")
    assert set(table["variant"]) == {"all", "single_penalty"}
    v1 = table.query("roi == 'V1v' and component == 'clip_rn50'").set_index("variant")
    assert (v1["mean_variance"] > 0.1).all()
