"""A user's own table of test images, splits of variants, and the first sessions alone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, TINY, responses_of, simulate_without_networks
from runs import frozen

from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.user_files import split_tables, split_to_make
from pipeline.dataset.split_table import read_split_table, require_images
from pipeline.errors import InputError
from pipeline.estimates.study_size import subject_size
from pipeline.jobs.frozen_run import RUN
from pipeline.jobs.job_settings import job_settings
from pipeline.nsd.check import find_problems
from pipeline.nsd.dataset.images import NSDImages
from pipeline.nsd.dataset.responses import NSDResponses
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import read_manifest, required_files
from pipeline.report.methods import methods_paragraphs
from pipeline.results.audit import audit_split
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.storage import write_result
from pipeline.results.tables import read_table
from pipeline.stages import compare_noise_ceilings, split_images

SPACE, BETAS = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
SEEN = np.arange(10, 70)
N_FOLDS = 3


def write(path: Path, rows: dict) -> Path:
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture
def rows() -> dict:
    """Rows of images 0 to 59 without 13, of which every fifth tests; others are not listed."""
    nsd_id = np.setdiff1d(np.arange(60), [13])
    test = nsd_id % 5 == 0
    fold = np.where(test, "", (nsd_id % N_FOLDS).astype(str))
    return {"nsd_id": nsd_id, "set": np.where(test, "test", "train"), "fold": fold}


def split(tmp_path, monkeypatch, selection: dict | None = None, **settings: object) -> pd.DataFrame:
    """The split of a subject who saw `SEEN`, made by the stage."""
    responses, out = tmp_path / "responses.h5", tmp_path / "split.tsv"
    write_result(responses, {"image": ("image", SEEN)}, make_provenance("test", {}, {}))
    defaults = {"folds": N_FOLDS, "fold_order": "shuffled", "seed": 1, "test_fraction": 0.2}
    whole = {"subset": None, "training_images": None, "draw": 0, "matched": []}
    run = {"splits": {**defaults, "space": None, "sessions": None, **settings}}
    run |= {"whole": {**whole, **(selection or {})}, "subjects": []}
    monkeypatch.setenv(RUN, frozen(tmp_path, **run)[RUN])
    options = ["--nsd", "none", "--subject", "subj01", "--subjects", "subjects"]
    options += ["--responses", str(responses), "--configuration", "splits", "--variant", "all"]
    options += ["--selection", "whole", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["split_images", *options])
    split_images.main()
    return read_table(out)


def test_listed_images_that_the_subject_saw_train_test_and_validate(tmp_path, monkeypatch, rows):
    path = write(tmp_path / "mine.tsv", rows)
    found = split(tmp_path, monkeypatch, test=str(path))
    expected = [image for image in range(10, 60) if image != 13]
    assert found["nsd_id"].tolist() == expected
    test = found["set"] == "test"
    assert found.loc[test, "nsd_id"].tolist() == [image for image in expected if image % 5 == 0]
    assert (found.loc[~test, "fold"] == found.loc[~test, "nsd_id"] % N_FOLDS).all()
    assert (found.loc[test, "fold"] == -1).all()
    # no image trains and tests
    assert not set(found.loc[test, "nsd_id"]) & set(found.loc[~test, "nsd_id"])
    assert not list(audit_split(tmp_path / "split.tsv"))
    provenance = read_provenance(tmp_path / "split.tsv")
    assert provenance["inputs"]["table"]["file"] == "mine.tsv"
    taken = {"test": str(path), "n_train": 39, "n_test": 10, "folds": "table"}
    assert provenance["selected"]["subj01"]["images"]["all"] == taken


def test_without_folds_they_are_drawn_and_a_splits_own_table_is_one(tmp_path, monkeypatch, rows):
    del rows["fold"]
    path = write(tmp_path / "mine.tsv", rows)
    found = split(tmp_path, monkeypatch, test=str(path))
    drawn = found.loc[found["set"] == "train", "fold"]
    assert sorted(np.bincount(drawn)) == [13, 13, 13]
    copy = tmp_path / "of_another_study.tsv"
    copy.write_bytes((tmp_path / "split.tsv").read_bytes())
    assert split(tmp_path, monkeypatch, test=str(copy), seed=2).equals(found)


def test_fewer_training_images_are_drawn_of_those_listed(tmp_path, monkeypatch, rows):
    path = write(tmp_path / "mine.tsv", rows)
    found = split(tmp_path, monkeypatch, {"training_images": 12}, test=str(path))
    assert (found["set"] == "train").sum() == 12
    assert set(found["nsd_id"]) <= set(rows["nsd_id"])
    with pytest.raises(InputError, match="40 images cannot be drawn of 39"):
        split(tmp_path, monkeypatch, {"training_images": 40}, test=str(path))


def test_a_fold_without_images_is_reported(tmp_path, monkeypatch, rows):
    rows["set"] = np.where(rows["fold"] == "2", "test", rows["set"])
    rows["fold"] = np.where(rows["fold"] == "2", "", rows["fold"])
    path = write(tmp_path / "mine.tsv", rows)
    with pytest.raises(InputError, match="3 folds need training images in each fold of the table"):
        split(tmp_path, monkeypatch, test=str(path))


# ---- wrong tables


def edited(column: str, row: int, value: object):
    def edit(rows: dict) -> dict:
        values = rows[column].astype(object)
        values[row] = value
        return {**rows, column: values}

    return edit


WRONG = {
    "no sets": (lambda rows: {"nsd_id": rows["nsd_id"]}, "lacks the column set; it has nsd_id."),
    "73KID": (
        lambda rows: {"73KID": rows["nsd_id"] + 1, "set": rows["set"]},
        "lacks the column nsd_id; it has 73KID, set. 73KID counts from 1: subtract 1",
    ),
    "another set": (
        edited("set", 4, "validation"),
        "set in line 6 is 'validation', expected",
    ),
    "an image twice": (edited("nsd_id", 3, 2), "image 2 is listed twice, 1 images in all"),
    "no whole number": (edited("nsd_id", 0, "0.5"), "nsd_id in line 2 is '0.5', expected 0, 1"),
    "a fold too many": (
        edited("fold", 1, "3"),
        "fold in line 3 is '3', expected 0 to 2 of",
    ),
    "a fold of a test image": (edited("fold", 5, "0"), "fold in line 7 is '0', expected 0 to 2"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_table_is_reported(tmp_path, rows, wrong):
    edit, message = WRONG[wrong]
    path = write(tmp_path / "mine.tsv", edit(rows))
    with pytest.raises(InputError, match=re.escape(f"{path}: {message}")):
        read_split_table(path, N_FOLDS)


def test_a_missing_table_or_one_of_commas_is_reported(tmp_path, rows):
    path = tmp_path / "mine.tsv"
    with pytest.raises(InputError, match=r"not found\. Correct `splits\.test`"):
        read_split_table(path, N_FOLDS)
    pd.DataFrame(rows).to_csv(path, index=False)
    with pytest.raises(InputError, match="lacks the column nsd_id and set; it has nsd_id,set,fold"):
        read_split_table(path, N_FOLDS)


TOO_FEW = {
    "an image that does not exist": (
        lambda rows: {**rows, "nsd_id": rows["nsd_id"] + 40},
        {},
        "there is no image 80; images are 0 to 79, counted from 0",
    ),
    "counted from 1": (
        lambda rows: {**rows, "nsd_id": rows["nsd_id"] + 1},
        {"subj01": np.arange(60)},
        "nsd_id seems to be counted from 1, as NSD's 73KID is",
    ),
    "no test image": (
        lambda rows: rows,
        {"subj02": np.arange(1, 5)},
        "subj02 saw 0 of its test images, but at least 3 are needed",
    ),
    "a fold without images": (
        lambda rows: rows,
        {"subj02": np.arange(0, 60, 3)},
        "subj02 saw 1 of its folds, too few for `splits.folds: 3`",
    ),
}


@pytest.mark.parametrize("wrong", TOO_FEW)
def test_a_table_that_no_subject_can_use_is_reported(tmp_path, rows, wrong):
    edit, seen, message = TOO_FEW[wrong]
    path = write(tmp_path / "mine.tsv", edit(rows))
    table = read_split_table(path, N_FOLDS)
    with pytest.raises(InputError, match=re.escape(f"{path}: {message}")):
        require_images(path, table, 80, seen or {"subj01": SEEN}, N_FOLDS)


# ---- configuration


def tiny_with(**changes: object) -> dict:
    return {**yaml.safe_load(TINY.read_text()), **changes}


def test_a_table_is_an_input_of_the_splits_that_read_it_by_its_content(tmp_path):
    path = tmp_path / "mine.tsv"
    variants = {"mine": {"splits": {"test": str(path)}}, "few": {"training_images": 60}}
    study = parse_configuration(tiny_with(variants=variants))
    found = []
    for content in ("a", "b"):
        path.write_text(content)
        found.append(job_settings(study))
    changed = {key for key in found[0] if found[0][key] != found[1][key]}
    assert changed == {"split_of", "split_tables"}
    first, second = (one["split_of"] for one in found)
    assert {name for name in first if first[name] != second[name]} == {"mine"}
    assert [one["test"] for one in split_tables(study)] == [str(path)]
    assert split_to_make(study, "few")["test"] == "shared1000"


def test_a_variant_has_the_studys_split_but_for_its_own_keys():
    variants = {"random": {"splits": {"test": "random", "test_fraction": 0.3, "seed": 5}}}
    study = parse_configuration(tiny_with(variants=variants))
    own = study.split_of("random")
    assert (own.test, own.test_fraction, own.seed) == ("random", 0.3, 5)
    assert own.folds == study.splits.folds
    assert study.split_of("all") == study.splits
    (reported,) = [text for text in methods_paragraphs(study) if text.startswith("Variants.")]
    assert "random: A random 30% of each subject's images are test images" in reported


BAD = {
    "unknown test images": (
        {"splits": {"test": "shared", "folds": 4, "seed": 0}},
        "splits.test: unknown test images 'shared'; choose among shared1000, shared515, random, ",
    ),
    "clusters without a space": (
        {"variants": {"other": {"splits": {"test": "clusters"}}}},
        "`space` is needed with `test: clusters`",
    ),
    "training trials of a variant": (
        {
            "responses": {
                **{"space": SPACE, "betas": BETAS, "mask": "cortex"},
                "zscore_trials": "training",
            },
            "variants": {"other": {"splits": {"test": "random"}}},
        },
        "responses.zscore_trials: `training` needs shared test images, not `splits.test: random`",
    ),
    "matched variants of other splits": (
        {
            "variants": {
                "a": {"subset": {"category": "animal"}, "splits": {"test": "random"}},
                "b": {"subset": {"category": "animal", "present": False}},
            },
            "matched_variants": [["a", "b"]],
        },
        "matched_variants: a has `splits` of its own",
    ),
}


@pytest.mark.parametrize("wrong", BAD)
def test_a_split_that_cannot_be_is_reported(wrong):
    changes, message = BAD[wrong]
    with pytest.raises(InputError, match=re.escape(message)):
        parse_configuration(tiny_with(**changes))


def test_methods_state_the_table_and_the_numbers_that_were_split():
    splits = {"test": "mine.tsv", "folds": 4, "seed": 0}
    study = parse_configuration(tiny_with(splits=splits))
    images = {"all": {"test": "mine.tsv", "n_train": 1234, "n_test": 50, "folds": "table"}}
    paragraphs = methods_paragraphs(study, selected={"subj01": {"images": images}})
    (reported,) = [text for text in paragraphs if text.startswith("Encoding models.")]
    assert "Training and test images are those of the table mine.tsv; images that" in reported
    assert "Numbers of training and test images: subj01 1,234 and 50." in reported
    assert reported.endswith("Folds are those of the table.")


# ---- sessions


@pytest.fixture(scope="module")
def layout(tmp_path_factory) -> NSDLayout:
    """A simulated NSD, of which one subject completed two sessions, another one."""
    tree = tmp_path_factory.mktemp("sessions") / "nsd"
    simulate_without_networks(
        tree,
        planned_sessions=2,
        captions_per_image=1,
        subjects={
            "subj01": {"sessions": 2, "grid": [10, 12, 9], "formats": ["hdf5"]},
            "subj03": {"sessions": 1, "grid": [11, 12, 9], "formats": ["hdf5"]},
        },
    )
    return NSDLayout(tree)


def asked(**settings: object) -> dict:
    return responses_of(["subj01", "subj03"], SPACE, BETAS, **settings)


def test_responses_are_those_of_the_first_sessions(layout):
    """Against the z-scored betas of these sessions, averaged here."""
    opened = NSDResponses.open(layout.root, "subj01", asked(sessions=1)["subj01"])
    shown = pd.read_csv(layout.behaviour("subj01"), sep="\t")
    shown = shown.loc[shown["SESSION"] == 1, "73KID"].to_numpy() - 1
    assert np.array_equal(opened.nsd_id, np.unique(shown))
    assert opened.metadata["sessions"] == 1
    voxel = opened.voxel[:5]
    averaged = opened.averaged(voxel)
    betas = opened.reader.space.read_session(1, voxel).astype(float)
    with np.errstate(invalid="ignore"):
        z = (betas - betas.mean(0)) / betas.std(0, ddof=1)
    for row in (0, 100, len(opened.nsd_id) - 1):
        trials = shown == opened.nsd_id[row]
        assert averaged.n_repeats[row] == trials.sum()
        assert np.allclose(averaged.responses[row], z[trials].mean(0), atol=1e-3, equal_nan=True)
    whole = NSDResponses.open(layout.root, "subj01", asked()["subj01"])
    assert len(whole.nsd_id) > len(opened.nsd_id)


def test_later_sessions_are_neither_needed_nor_wrong(layout, tmp_path):
    designs, problems = find_problems(layout, asked(sessions=1), [], [])
    assert problems == []
    assert [design.n_sessions for design in designs.values()] == [1, 1]
    _, problems = find_problems(layout, asked(sessions=2), [], [])
    assert problems == [
        "responses.sessions: 2, but subj03 completed 1. Lower it, or leave subj03 out."
    ]
    values = yaml.safe_load((ROOT / "config/nsd.yaml").read_text())
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    sizes = []
    for sessions in (10, 40, None):
        responses = {**values["responses"], "sessions": sessions}
        study = parse_configuration({**values, "responses": responses})
        needed = [file.path for file in required_files(manifest, study)]
        betas = sum("subj01" in path and "betas_session" in path for path in needed)
        assert betas == (sessions or 40)
        sizes.append(subject_size(study, manifest, "subj01"))
    assert sizes[1] == sizes[2]
    assert sizes[0].sessions == 10
    assert 0.25 * sizes[1].images < sizes[0].images < 0.75 * sizes[1].images


def test_shared_images_seen_three_times_are_those_of_the_first_sessions(layout):
    images, expected = NSDImages.open(layout.root), []
    for subject in ("subj01", "subj03"):
        design = read_design(layout, subject)
        seen, repeats = np.unique(design.nsd_id[:750], return_counts=True)
        expected.append(np.intersect1d(seen[repeats == 3], images.shared()))
    assert np.array_equal(*expected)
    assert np.array_equal(images.shared_by(["subj01", "subj03"]), expected[0])
    assert np.array_equal(images.shared_by(["subj01"], 1), expected[0])
    assert len(images.shared_by(["subj01"])) > len(expected[0])


def test_a_table_is_checked_before_long_work(layout, tmp_path):
    seen = read_design(layout, "subj01").images
    rows = {"nsd_id": seen[:40], "set": np.repeat(["train", "test"], 20)}
    path = write(tmp_path / "mine.tsv", rows)
    tables = [{"test": str(path), "folds": 4}]
    only = {"subj01": asked()["subj01"]}
    assert find_problems(layout, only, [], [], split_tables=tables)[1] == []
    write(path, {**rows, "nsd_id": rows["nsd_id"] + 1})
    (problem,) = find_problems(layout, only, [], [], split_tables=tables)[1]
    assert "nsd_id seems to be counted from 1" in problem


def test_ncsnr_of_fewer_sessions_is_not_compared(layout, tmp_path, monkeypatch):
    settings = asked(sessions=1)["subj01"]
    monkeypatch.setenv(RUN, frozen(tmp_path, responses=settings)[RUN])
    options = ["--nsd", str(layout.root), "--subject", "subj01", "--configuration", "responses"]
    monkeypatch.setattr("sys.argv", ["x", *options, "--out", str(tmp_path / "out.tsv")])
    with pytest.raises(InputError, match=r"responses\.sessions: NSD's ncsnr is of all sessions"):
        compare_noise_ceilings.main()


def test_methods_state_the_sessions_that_were_read():
    section = {"space": SPACE, "betas": BETAS, "mask": "nsdgeneral", "sessions": 2}
    reported = methods_paragraphs(
        parse_configuration(tiny_with(responses=section)), selected={"subj01": {"sessions": 2}}
    )[0]
    assert f"{SPACE}) of the first 2 sessions were z-scored" in reported
    assert "NSD's ncsnr, which is of all sessions, for the same numbers" in reported
