"""The simulated NSD: a tree as NSD's own, with a brain whose signal is known."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import os
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
import yaml
from conftest import TINY, Study, responses_of
from PIL import Image

from pipeline.configuration.coco_categories import CATEGORIES
from pipeline.errors import InputError
from pipeline.nsd.check import check_tree
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces import open_space
from pipeline.results.storage import read_result
from pipeline.simulation.photographs import read_photographs
from pipeline.simulation.planting import noise_ceiling_snr, to_int16
from pipeline.simulation.scenes import DRAWINGS, NUMBERS, PLURALS, draw_scene
from pipeline.simulation.settings import Photographs, SimulationSettings
from pipeline.simulation.simulate import _some_of_each, simulate
from pipeline.validation.recovery import compare

SPACE, BETAS = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"


@pytest.fixture
def layout(study):
    return NSDLayout(study.nsd)


def small_settings(**changes: object) -> SimulationSettings:
    """One subject, one session, planted by captions alone: seconds."""
    values = yaml.safe_load(TINY.read_text())["simulation"]
    values["planted_spaces"].pop("alexnet")
    return SimulationSettings.model_validate(
        {
            **values,
            "planned_sessions": 1,
            "shared_images": 50,
            "captions_per_image": 1,
            "subjects": {"subj01": {"sessions": 1, "grid": [10, 12, 9], "formats": ["hdf5"]}},
            "groups": [{"atlas": "floc-words", "roi": "VWFA-1", "proportions": {"bert": 1.0}}],
            **changes,
        }
    )


# ---- the tree


def test_nifti_headers_are_those_of_nsds_matlab_code(layout):
    for path, time in ((layout.mean_image("subj01", SPACE), 1.0), (_nifti_betas(layout), 4 / 3)):
        with gzip.open(path) as file:
            header = nibabel.Nifti1Header(file.read(348), check=False)
            assert file.read(4) == b"\0" * 4
        assert header["sizeof_hdr"] == 348
        assert (header["qform_code"], header["sform_code"]) == (0, 1)
        assert (header["scl_slope"], header["scl_inter"], header["vox_offset"]) == (0, 0, 352)
        assert np.allclose(header["pixdim"][:5], [0, 1.8, 1.8, 1.8, time])
        x, _, z = header.get_data_shape()[:3]
        assert np.allclose(header["srow_x"], [1.8, 0, 0, -(x - 1) * 0.9])
        assert np.allclose(header["srow_z"], [0, 0, 1.8, -(z - 1) * 0.9])


def _nifti_betas(layout: NSDLayout) -> Path:
    return layout.beta_folder("subj01", SPACE, BETAS) / "betas_session01.nii.gz"


@pytest.mark.workflow
@pytest.mark.parametrize("betas", ["betas_assumehrf", "betas_fithrf"])
def test_millimetre_voxels_and_other_beta_versions_are_written_and_read(tmp_path, betas):
    subjects = {"subj01": {"sessions": 1, "grid": [10, 12, 9], "formats": ["hdf5", "nifti"]}}
    simulate(small_settings(spaces=["func1mm"], betas=betas, subjects=subjects), tmp_path / "nsd")
    layout = NSDLayout(tmp_path / "nsd")
    check_tree(layout, responses_of(["subj01"], "func1mm", betas), ["floc-words"], ["captions"])
    space = open_space(layout, "subj01", "func1mm", betas)
    assert np.array_equal(np.diag(space.geometry["affine"]), [1, 1, 1, 1])
    image = nibabel.load(layout.beta_folder("subj01", "func1mm", betas) / "betas_session01.nii.gz")
    assert image.header["pixdim"][4] == 1
    voxel = np.array([np.ravel_multi_index((4, 2, 5), space.shape)])
    read = space.read_session(1, voxel)
    assert np.allclose(read[:, 0], np.asanyarray(image.dataobj)[4, 2, 5] / 300, equal_nan=True)


def test_every_image_is_planned_three_times_and_shared_images_come_first(layout):
    design = scipy.io.loadmat(layout.experiment_design)
    ordering = design["masterordering"].ravel().astype(int)
    assert np.array_equal(np.unique(ordering), np.arange(1, 501))
    assert set(np.bincount(ordering)[1:]) == {3}
    shared = design["sharedix"].ravel()
    assert np.array_equal(np.sort(shared), shared)
    images = design["subjectim"].astype(int)
    assert images.shape == (8, 500)
    assert all(np.array_equal(row[: len(shared)], shared) for row in images)
    assert not set(images[0, len(shared) :]) & set(images[2, len(shared) :])
    assert design["stimpattern"].sum(axis=2).tolist() == [[63, 62] * 6] * 2
    # basiccnt: images shown once, twice, three times in a session
    counts = design["basiccnt"].astype(int)
    assert (np.arange(1, 4) @ counts).tolist() == [750, 750]


def test_the_image_table_is_of_nsds_columns_and_agrees_with_the_design(layout):
    table = pd.read_csv(layout.image_table, index_col=0)
    assert table.shape[1] == 40
    design = scipy.io.loadmat(layout.experiment_design)
    for number in (1, 3):
        seen = np.flatnonzero(table[f"subject{number}"]) + 1
        assert np.array_equal(seen, np.sort(design["subjectim"][number - 1].astype(int)))
        first = table[f"subject{number}_rep0"].to_numpy()[seen - 1]
        ordering = design["masterordering"].ravel().astype(int)
        image = design["subjectim"].astype(int)[number - 1, ordering[first - 1] - 1]
        assert np.array_equal(image, seen)
    assert np.array_equal(np.flatnonzero(table["shared1000"]) + 1, design["sharedix"].ravel())


def test_behaviour_remembers_what_was_shown_before(layout):
    trials = pd.read_csv(layout.behaviour("subj01"), sep="\t")
    assert np.array_equal(trials["ISOLD"] == 1, trials.duplicated("73KID"))
    row = trials[trials["ISOLD"] == 1].iloc[10]
    before = trials["73KID"].to_numpy()[: row.name]
    assert row.name - np.flatnonzero(before == row["73KID"])[-1] - 1 == row["MEMORYRECENT"]
    assert trials["BUTTON"].isna().any()


def test_some_image_has_six_captions_and_a_line_break(layout):
    table = pd.read_csv(layout.image_table, index_col=0)
    image = table.loc[table["shared1000"]].iloc[0]
    captions = json.loads(layout.annotations("captions", image["cocoSplit"]).read_text())
    own = [a["caption"] for a in captions["annotations"] if a["image_id"] == image["cocoId"]]
    assert len(own) == 6
    assert "\n" in own[0]


def test_int16_rounds_half_away_from_zero_and_saturates():
    values = np.array([0.5, -0.5, 1.4, 1e6, -1e6])
    assert to_int16(values).tolist() == [1, -1, 1, 32767, -32768]


# ---- pictures and captions


def test_captions_are_true_of_the_picture():
    generator = np.random.default_rng(5)
    for _ in range(20):
        scene = draw_scene(3, generator)
        assert scene.image.shape == (425, 425, 3)
        names = [name for name, _ in scene.objects]
        for caption in scene.captions:
            for category in CATEGORIES:
                count = names.count(category)
                plural = PLURALS.get(category, f"{category}s")
                one = f"{'an' if category[0] in 'aeiou' else 'a'} {category}"
                words = {0: None, 1: one}.get(count, f"{NUMBERS.get(count)} {plural}")
                if words is None:
                    assert f"{one} " not in caption.lower()
                else:
                    assert words in caption.lower()
    assert set(DRAWINGS) <= set(CATEGORIES)


# ---- the brain


def test_the_snr_that_was_planted_is_the_snr_that_nsds_formula_finds(layout, study):
    truth = read_result(study.nsd.parent / "truth/subj01.h5")
    released = np.asanyarray(nibabel.load(layout.ncsnr("subj01", SPACE, BETAS)).dataobj).ravel()
    found, planted = released[truth["voxel"]], truth["ncsnr"]
    driven = (planted > 0) & np.isfinite(found)
    assert np.median(found[driven]) == pytest.approx(1.5, rel=0.05)
    # noise alone gives the formula a small positive value by chance, never a large one
    assert np.nanmax(found[planted == 0]) < 0.5


def test_ncsnr_is_the_ratio_of_signal_and_noise_deviations():
    generator = np.random.default_rng(0)
    images = np.repeat(np.arange(250), 3)[None]
    signal = generator.normal(size=(250, 400))[images]
    betas = 3 + 2 * (signal + generator.normal(size=signal.shape) / 0.8)
    assert noise_ceiling_snr(betas, images).mean() == pytest.approx(0.8, abs=0.02)


def test_planted_weights_rebuild_the_signal_and_a_perfect_fit_of_all_spaces_is_the_ceiling(study):
    truth = read_result(study.nsd.parent / "truth/subj01.h5")
    driven = truth["ncsnr"] > 0
    deviation = truth["signal"].std(axis=0)
    assert np.allclose(deviation[driven], 1, atol=0.1)
    assert (deviation[~driven] == 0).all()
    perfect = truth.by_label("perfect_r2")
    both = "alexnet+bert"
    for single in ("alexnet", "bert"):
        better = perfect[both] - perfect[single]
        assert np.nanmin(better[driven]) > -0.05
    words = np.char.startswith(truth["group"], "floc-words")
    share = perfect["bert"][words] / perfect[both][words]
    assert np.nanmedian(share) == pytest.approx(1, abs=0.02)


@pytest.mark.workflow
def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_brain(tmp_path):
    trees = [tmp_path / name / "nsd" for name in ("one", "two", "three")]
    for tree, seed in zip(trees, (0, 0, 1), strict=True):
        simulate(small_settings(seed=seed), tree)
    one, two, three = (_hashes(tree.parent) for tree in trees)
    assert one == two
    betas = next(name for name in one if "betas_session01" in name)
    assert one[betas] != three[betas]


def _hashes(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    # MATLAB files begin with the date
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix != ".mat"
    }


def test_a_folder_that_the_simulator_did_not_write_is_never_replaced(tmp_path):
    precious = tmp_path / "nsd/nsddata/precious"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of scanning")
    with pytest.raises(InputError, match="not a simulated tree"):
        simulate(small_settings(), tmp_path / "nsd")
    assert precious.read_text() == "years of scanning"


# ---- photographs


@pytest.fixture
def photographs(tmp_path) -> Photographs:
    """Three photographs of different sizes and modes, with labels."""
    generator = np.random.default_rng(0)
    for number, (shape, mode) in enumerate(
        [((425, 425, 3), "RGB"), ((300, 500, 3), "RGB"), ((600, 450), "L")]
    ):
        values = generator.integers(0, 255, shape, dtype=np.uint8)
        Image.fromarray(values, mode=mode).save(tmp_path / f"{number}.png")
    table = pd.DataFrame({"file": ["0.png", "1.png", "2.png"], "label": ["dog", "owl", "car"]})
    table.to_csv(tmp_path / "photos.tsv", sep="\t", index=False)
    return Photographs(source="photographs", folder=tmp_path, captions=tmp_path / "photos.tsv")


def read(photographs: Photographs, n_images: int = 3, n_captions: int = 2) -> list:
    return list(read_photographs(photographs, n_images, n_captions, np.random.default_rng(0)))


def test_photographs_become_square_pictures_with_captions_of_their_labels(photographs):
    stimuli = read(photographs)
    assert [stimulus.image.shape for stimulus in stimuli] == [(425, 425, 3)] * 3
    with Image.open(photographs.folder / "0.png") as original:
        assert np.array_equal(stimuli[0].image, np.asarray(original))
    for stimulus, label in zip(stimuli, ["dog", "owl", "car"], strict=True):
        assert len(stimulus.captions) == 2
        assert all(label in caption.lower() for caption in stimulus.captions)


def test_a_table_of_captions_is_taken_word_for_word(photographs):
    rows = {"file": ["0.png", "0.png", "1.png"], "caption": ["A dog.", "It runs.", "An owl."]}
    pd.DataFrame(rows).to_csv(photographs.captions, sep="\t", index=False)
    assert [s.captions for s in read(photographs, 2)] == [["A dog.", "It runs."], ["An owl."]]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"photos\.tsv: not found"),
        ("name\tlabel\n0.png\tdog\n", r"photos\.tsv: has the columns name, label"),
        ("file\tlabel\n0.png\t\n", r"photos\.tsv: row 2 has no file or no label"),
        ("file\tlabel\n0.png\tdog\n", r"photos\.tsv: 1 photographs, but .* see 3"),
        ("file\tlabel\n0.png\tdog\n9.png\tcat\n1.png\towl\n", r"9\.png: not a readable image"),
        ("file\tlabel\n0.png\tdog\nbad.png\tcat\n1.png\towl\n", r"bad\.png: not a readable image"),
    ],
)
def test_photographs_that_cannot_be_used_are_named(photographs, table, message):
    (photographs.folder / "bad.png").write_bytes(b"\x89PNG half a picture")
    photographs.captions.unlink()
    if table is not None:
        photographs.captions.write_text(table)
    with pytest.raises(InputError, match=message):
        read(photographs)


# photographs are not the repository's to give
@pytest.mark.photographs
@pytest.mark.skipif(
    "NSD_TEST_PHOTOGRAPHS" not in os.environ,
    reason="name a folder of 500 photographs and photos.tsv in NSD_TEST_PHOTOGRAPHS",
)
def test_the_whole_study_runs_on_photographs(tmp_path, tiny_values):
    folder = Path(os.environ["NSD_TEST_PHOTOGRAPHS"]).resolve()
    values = copy.deepcopy(tiny_values)
    simulation = values["simulation"]
    simulation["images"] = {
        "source": "photographs",
        "folder": str(folder),
        "captions": str(folder / "photos.tsv"),
    }
    values["subjects"] = ["subj01"]
    simulation["subjects"] = {"subj01": simulation["subjects"]["subj01"]}
    study = Study(tmp_path, tmp_path / "photographs.yaml")
    study.configuration.write_text(yaml.safe_dump(values, sort_keys=False))
    study.snakemake()
    names = pd.read_csv(folder / "photos.tsv", sep="\t")["file"]
    with h5py.File(NSDLayout(study.nsd).stimuli) as file, Image.open(folder / names[7]) as photo:
        assert np.array_equal(file["imgBrick"][7], np.asarray(photo.convert("RGB")))
    fit = read_result(study.results / "encoding/subj01/all/alexnet.h5")
    assert fit["image"].shape == (100,)
    truth = read_result(study.nsd.parent / "truth/subj01.h5")
    v1 = truth["voxel"][truth["group"] == "prf-visualrois/V1v"]
    assert np.nanmedian(fit["r"][np.isin(fit["voxel"], v1)]) > 0.5
    assert (study.results / "report/index.html").stat().st_size > 1e5


def test_the_oracle_is_of_some_voxels_of_each_group_and_compared_over_these():
    group = np.array(["a"] * 5 + ["b"] * 200)
    chosen = _some_of_each(group, 60)
    assert np.bincount(chosen >= 5).tolist() == [5, 60]
    assert {5, 204} <= set(chosen)
    oracle = np.full(205, np.nan)
    oracle[chosen] = 1.0
    # what is compared is the mean over the chosen voxels, not over all
    recovered = np.where(np.isfinite(oracle), 0.5, 9.0)
    (a, b) = compare(*({"x": v} for v in (recovered, oracle, recovered)), group).itertuples()
    assert (a.n_voxels, b.n_voxels) == (5, 60)
    assert (b.recovered, b.oracle, b.perfect) == (0.5, 1.0, 0.5)
    unknown = {"x": np.full(205, np.nan)}
    (a, b) = compare({"x": recovered}, unknown, {"x": recovered}, group).itertuples()
    assert (a.n_voxels, b.n_voxels) == (5, 200)
