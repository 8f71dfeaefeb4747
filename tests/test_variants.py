"""Variants of a study: other images, drawn to equal numbers, through the same stages."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from conftest import branch

from pipeline.nsd.instances import label_matrix, read_instances
from pipeline.nsd.layout import NSDLayout
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

SUBJECTS = ("subj01", "subj03")
VARIANTS = {
    "animals": {"subset": {"category": "animal"}},
    "no_animals": {"subset": {"category": "animal", "present": False}},
    "few": {"training_images": 60, "models": ["alexnet_conv3"]},
}
REPEATED = {"repeats": 2, "test_fraction": 0.3, "models": ["bert"]}


@pytest.fixture(scope="module")
def varied(study, tmp_path_factory):
    """The small study, run on with variants."""
    varied = branch(study, tmp_path_factory.mktemp("variants") / "study", "varied.yaml")
    varied.edit(
        lambda values: values.update(
            variants=VARIANTS,
            matched_variants=[["animals", "no_animals"]],
            repeated_splits=REPEATED,
        )
    )
    # what images show is known already, from the interpretation of the whole study
    # pages and figures, which are not made anew here, would fail `snakemake audit`
    targets = ("results/tiny/checked/audit.json", "tables", "repeated_splits", "maps")
    assert varied.planned(*targets) == {
        "split_images": 10,
        "fit_reduction": 2,
        "fit_encoding_models": 18,
        "collect_splits": 2,
        "tabulate_repeated_splits": 1,
        "repeated_splits": 1,
        "predict_test_images": 14,
        "assess_significance": 14,
        "assess_components": 4,
        "partition_variance": 4,
        "write_maps": 8,
        "write_group_maps": 1,
        "check_inputs": 1,
        "audit_study": 1,
        "write_tables": 1,
        "write_voxel_tables": 2,
        "tables": 1,
        "maps": 1,
    }
    varied.snakemake(*targets)
    return varied


@pytest.fixture(params=SUBJECTS)
def splits(request, varied):
    """{variant: split} of a subject."""
    folder = varied.results / f"splits/{request.param}"
    return {path.stem: read_table(path) for path in folder.glob("*.tsv")}


def test_a_subset_shows_its_category_on_both_sides_and_its_complement_never(varied, splits):
    for variant in ("animals", "no_animals"):
        nsd_id = splits[variant]["nsd_id"].to_numpy()
        instances = read_instances(NSDLayout(varied.nsd), nsd_id)
        shown = label_matrix(instances, nsd_id, ["animal"], "supercategory")[:, 0]
        assert set(shown) == {variant == "animals"}


def test_matched_subsets_train_and_test_on_as_many_images(splits):
    counts = [splits[name]["set"].value_counts() for name in ("animals", "no_animals")]
    assert counts[0].equals(counts[1][counts[0].index])
    assert counts[0]["test"] >= 3
    assert set(splits["animals"]["fold"]) == {-1, 0, 1, 2, 3}


def test_variants_train_and_test_where_the_whole_study_does(splits):
    whole = splits["all"].set_index("nsd_id")["set"]
    for split in (splits[name] for name in VARIANTS):
        assert (whole[split["nsd_id"]].to_numpy() == split["set"]).all()
    few = splits["few"]["set"].value_counts()
    assert few["train"] == 60
    assert few["test"] == (whole == "test").sum()


def test_components_are_of_the_variants_own_training_images(varied):
    space = read_result(varied.results / "features/subj01/few/alexnet_conv3.h5")
    split = read_table(varied.results / "splits/subj01/few.tsv")
    train = np.isin(space["image"], split.loc[split["set"] == "train", "nsd_id"])
    scores = space["features"]
    assert np.abs(scores[train].mean(0)).max() < 1e-3 * scores.std(0).max()


def test_tables_and_maps_state_the_variant(varied):
    correlations = read_table(varied.results / "tables/correlations.tsv")
    assert set(correlations["variant"]) == {"all", *VARIANTS}
    assert set(correlations.query("variant == 'few'")["model"]) == {"alexnet_conv3"}
    keys = ["subject", "variant", "model", "atlas", "roi"]
    assert not correlations[keys].duplicated().any()
    group = read_table(varied.results / "tables/group.tsv")
    assert set(group["variant"]) == {"all", "animals", "no_animals"}
    fit = read_result(varied.results / "encoding/subj01/animals/bert.h5")
    name = "sub-01_space-func1pt8mm_variant-animals_model-bert_stat-r2_statmap.nii.gz"
    values = nibabel.load(varied.results / "maps/subj01/animals/bert" / name).get_fdata().ravel()
    assert np.allclose(values[fit["voxel"]], fit["r2"], equal_nan=True)


def test_repeated_splits_have_the_mean_and_spread_of_their_fits(varied):
    found = read_table(varied.results / "tables/repeated_splits.tsv")
    assert (found["n_splits"] == 2).all()
    for subject in SUBJECTS:
        splits = [read_table(varied.results / f"splits/{subject}/split{n}.tsv") for n in (1, 2)]
        tests = [set(split.loc[split["set"] == "test", "nsd_id"]) for split in splits]
        assert tests[0] != tests[1]
        shares = [len(test) / len(split) for test, split in zip(tests, splits, strict=True)]
        assert shares == pytest.approx([0.3, 0.3], abs=0.01)
        fits = [
            read_result(varied.results / f"encoding/{subject}/split{n}/bert.h5") for n in (1, 2)
        ]
        r2 = np.array([fit["r2"] for fit in fits], np.float64)
        means = r2[:, np.isfinite(r2).all(axis=0)].mean(axis=1)
        (whole,) = found.query("subject == @subject and roi == 'all'").to_dict("records")
        assert whole["mean_r2_of_splits"] == pytest.approx(means.mean(), abs=1e-5)
        assert whole["deviation_r2_of_splits"] == pytest.approx(
            abs(np.diff(means)[0]) / 2**0.5, rel=1e-4
        )
        assert whole["highest_r2_of_splits"] == pytest.approx(means.max(), abs=1e-5)
        (words,) = found.query("subject == @subject and roi == 'VWFA-1'").to_dict("records")
        # planted there
        assert words["lowest_r_of_splits"] > 0.5
        name = f"sub-{subject[-2:]}_space-func1pt8mm_model-bert_stat-splitMean_statmap.nii.gz"
        (path,) = (varied.results / f"maps/{subject}").rglob(name)
        mapped = nibabel.load(path).get_fdata().ravel()[fits[0]["voxel"]]
        np.testing.assert_allclose(mapped, r2.mean(axis=0), rtol=1e-5)
    components = read_table(varied.results / "tables/repeated_split_components.tsv")
    assert components.empty


def test_more_training_images_than_a_subject_saw_are_reported(varied):
    text = varied.configuration.read_text()
    varied.edit(lambda values: values["variants"]["few"].update(training_images=5000))
    try:
        done = varied.snakemake("responses", check=False)
    finally:
        varied.configuration.write_text(text)
    assert done.returncode != 0
    assert "5000 images cannot be drawn of" in done.stdout + done.stderr
