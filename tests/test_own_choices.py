"""A study with voxels and test images of the user's own choice, run to its report."""

from __future__ import annotations

from copy import deepcopy

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Study, bare, read_tiny, simulate_without_networks

from pipeline.results.metadata import read_metadata
from pipeline.results.provenance import read_provenance
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

pytestmark = pytest.mark.workflow

SUBJECTS = ("subj01", "subj03")
SPACES = ["categories", "supercategories"]
# of the small study's configuration; NSD is there already
LEFT_OUT = {"maps", "calibration", "extraction", "simulation"}
FUNCTIONAL = "nsddata/ppdata/{}/func1pt8mm"
BETAS = "nsddata_betas/ppdata/{}/func1pt8mm/betas_fithrf_GLMdenoise_RR"
MIN_NCSNR = 1.45
MASK = {
    "within": "nsdgeneral",
    "rois": ["prf-visualrois/V1v", "FFA-1", "VWFA-1"],
    "file": "masks/{subject}.nii.gz",
    "min_ncsnr": MIN_NCSNR,
}
VARIANT = {"splits": {"test": "random", "test_fraction": 0.3}, "models": ["categories"]}


def volume(path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj).ravel()


def labelled(study: Study, subject: str, atlas: str, name: str) -> np.ndarray:
    """Whether voxels have a label, by its line in the colour table."""
    table = study.nsd / f"nsddata/freesurfer/{subject}/label/{atlas}.mgz.ctab"
    (value,) = [line.split()[0] for line in table.read_text().split("\n") if name in line.split()]
    return volume(study.nsd / FUNCTIONAL.format(subject) / f"roi/{atlas}.nii.gz") == int(value)


def write_mask(study: Study, subject: str, seed: int) -> None:
    """Three of four voxels, drawn at random."""
    like = nibabel.load(study.nsd / FUNCTIONAL.format(subject) / "roi/nsdgeneral.nii.gz")
    drawn = np.random.default_rng(seed).random(like.shape) < 0.75
    path = study.directory / f"masks/{subject}.nii.gz"
    path.unlink(missing_ok=True)
    nibabel.save(nibabel.Nifti1Image(drawn.astype(np.uint8), like.affine), path)


def write_table(study: Study, every: int) -> None:
    """All images but each seventh, of which some test, in folds by their number."""
    behaviour = [
        study.nsd / f"nsddata/ppdata/{subject}/behav/responses.tsv" for subject in SUBJECTS
    ]
    seen = [pd.read_csv(path, sep="\t")["73KID"].to_numpy() - 1 for path in behaviour]
    nsd_id = np.unique(np.concatenate(seen))
    nsd_id = nsd_id[nsd_id % 7 > 0]
    test = nsd_id % every == 0
    fold = np.where(test, "", (nsd_id % 4).astype(str))
    table = pd.DataFrame({"nsd_id": nsd_id, "set": np.where(test, "test", "train"), "fold": fold})
    table.to_csv(study.directory / "mine.tsv", sep="\t", index=False)


def own_values(tiny: dict) -> dict:
    """A study of NSD as it lies there, of spaces that need no network."""
    values = {key: value for key, value in bare(deepcopy(tiny)).items() if key not in LEFT_OUT}
    values["networks"] = {
        name: {"library": "vectors", "architecture": "given", "stimulus": name, "weights": "none"}
        for name in SPACES
    }
    values["feature_spaces"] = {name: {"network": name, "layer": "embedding"} for name in SPACES}
    values["models"], values["comparisons"] = SPACES, {"both": SPACES}
    values["variants"] = {"random": VARIANT}
    values["responses"]["mask"] = MASK
    values["splits"] = {"test": "mine.tsv", "folds": 4, "seed": 0}
    return values


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Study:
    directory = tmp_path_factory.mktemp("own")
    own = Study(directory, directory / "own.yaml")
    own.configuration.write_text(yaml.safe_dump(own_values(read_tiny()), sort_keys=False))
    subjects = {
        "subj01": {"sessions": 2, "grid": [15, 19, 14], "formats": ["hdf5"]},
        "subj03": {"sessions": 1, "grid": [16, 18, 13], "formats": ["nifti"]},
    }
    simulate_without_networks(own.nsd, planned_sessions=2, subjects=subjects)
    (directory / "masks").mkdir()
    for seed, subject in enumerate(SUBJECTS):
        write_mask(own, subject, seed)
    write_table(own, every=5)
    own.snakemake()
    return own


@pytest.fixture
def results(own):
    return own.results


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_modelled_voxels_meet_every_condition(own, results, subject):
    functional = own.nsd / FUNCTIONAL.format(subject)
    expected = volume(functional / "roi/nsdgeneral.nii.gz") > 0
    rois = [("prf-visualrois", "V1v"), ("floc-faces", "FFA-1"), ("floc-words", "VWFA-1")]
    expected &= np.any([labelled(own, subject, *roi) for roi in rois], axis=0)
    expected &= volume(own.directory / f"masks/{subject}.nii.gz") > 0
    ncsnr = volume(own.nsd / BETAS.format(subject) / "ncsnr.nii.gz")
    expected &= np.nan_to_num(ncsnr) >= MIN_NCSNR
    assert expected.any()
    fit = read_result(results / f"encoding/{subject}/all/categories+supercategories.h5")
    assert np.array_equal(fit["voxel"], np.flatnonzero(expected))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_listed_images_train_and_test_and_no_image_does_both(own, results, subject):
    seen = read_result(results / f"responses/{subject}.h5", ["image"])["image"]
    table = pd.read_csv(own.directory / "mine.tsv", sep="\t").set_index("nsd_id")
    table = table.loc[table.index.intersection(seen).sort_values()]
    split = read_table(results / f"splits/{subject}/all.tsv").set_index("nsd_id")
    assert split["set"].equals(table["set"])
    train = table["set"] == "train"
    assert (split.loc[train, "fold"] == table.loc[train, "fold"]).all()
    fit = read_result(results / f"encoding/{subject}/all/categories.h5")
    assert np.array_equal(fit["image"], table.index[~train])
    other = read_table(results / f"splits/{subject}/random.tsv").set_index("nsd_id")
    assert (other["set"] == "test").mean() == pytest.approx(0.3, abs=0.01)
    assert other.index.is_unique
    assert len(other) == len(seen)


def test_tables_maps_and_methods_name_the_mask_and_both_splits(own, results):
    table = read_table(results / "tables/correlations.tsv")
    assert set(table["variant"]) == {"all", "random"}
    assert set(table.query("variant == 'random'")["model"]) == {"categories"}
    selected = read_provenance(results / "tables/correlations.tsv")["selected"]
    methods = (results / "report/methods.html").read_text()
    for subject in SUBJECTS:
        voxel = read_result(results / f"responses/{subject}.h5", ["voxel"])["voxel"]
        left = selected[subject]["voxels_left"]
        assert [words for words, _ in left] == [
            "nsdgeneral",
            "in prf-visualrois/V1v or floc-faces/FFA-1 or floc-words/VWFA-1",
            "nonzero in masks/{subject}.nii.gz",
            "with an ncsnr of at least 1.45",
        ]
        assert left[-1][1] == len(voxel)
        assert (np.diff([n for _, n in left]) < 0).all()
        assert f"{len(voxel)} of {subject}" in methods
        images = selected[subject]["images"]
        assert {name: one["test"] for name, one in images.items()} == {
            "all": "mine.tsv",
            "random": "random",
        }
        split = read_table(results / f"splits/{subject}/all.tsv")["set"]
        assert images["all"]["n_test"] == (split == "test").sum()
        sidecars = (results / f"maps/{subject}").rglob("*.json")
        described = [read_metadata(path) for path in sidecars if path.name != "index.json"]
        assert {one["Images"]["test"] for one in described} == {"mine.tsv", "random"}
        assert all(one["Mask"][-1]["VoxelsLeft"] == len(voxel) for one in described)
    assert "Training and test images are those of the table mine.tsv" in methods
    assert "random: A random 30% of each subject" in methods


def test_another_mask_file_reruns_the_responses_of_its_subject(own):
    assert own.planned() == {}
    write_mask(own, "subj01", seed=7)
    try:
        planned = own.planned()
    finally:
        write_mask(own, "subj01", seed=0)
    assert planned["average_responses"] == 1
    assert planned["check_inputs"] == 1
    assert planned["fit_encoding_models"] == 4
    assert not {"extract_features", "reduce_features", "list_images"} & set(planned)
    assert own.planned() == {}


def test_another_table_reruns_the_splits_that_read_it(own):
    write_table(own, every=4)
    try:
        planned = own.planned()
    finally:
        write_table(own, every=5)
    assert (planned["split_images"], planned["fit_encoding_models"]) == (2, 6)
    assert not {"average_responses", "extract_features", "reduce_features"} & set(planned)
    assert own.planned() == {}
