"""Reading NSD: the traps of its format."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
from conftest import ENVIRON, ROOT, damaged_copy, responses_of
from runs import frozen

from pipeline.dataset.repeats import average_repeats
from pipeline.errors import InputError
from pipeline.fits.voxel_chunks import voxel_blocks
from pipeline.nsd.betas import TRIALS_PER_SLAB, read_series
from pipeline.nsd.coco import read_captions
from pipeline.nsd.composite_rois import COMPOSITES
from pipeline.nsd.design import read_design, read_image_table
from pipeline.nsd.files import require
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_mask, read_roi_labels
from pipeline.nsd.sessions import SessionReader
from pipeline.nsd.spaces import ResponseSpace, open_space
from pipeline.nsd.stimuli import read_images
from pipeline.nsd.zscores import zscore_within
from pipeline.stages.label_rois import composite_labels

SPACE, BETAS = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
FUNCTIONAL = f"nsddata/ppdata/subj01/{SPACE}"
SESSIONS = f"nsddata_betas/ppdata/subj01/{SPACE}/{BETAS}"
EXPERIMENT = "nsddata/experiments/nsd"
STIMULI = "nsddata_stimuli/stimuli/nsd"


@pytest.fixture
def layout(study):
    return NSDLayout(study.nsd)


def opened(layout: NSDLayout) -> ResponseSpace:
    return open_space(layout, "subj01", SPACE, BETAS)


# ---- the format's traps


def test_trials_are_read_in_the_order_of_the_beta_files(layout):
    design = read_design(layout, "subj01")
    content = scipy.io.loadmat(layout.experiment_design)
    ordering = content["masterordering"].ravel().astype(int)
    behaviour = pd.read_csv(layout.behaviour("subj01"), sep="\t")
    assert np.array_equal(design.nsd_id, behaviour["73KID"] - 1)
    assert np.array_equal(design.nsd_id, content["subjectim"].astype(int)[0, ordering - 1] - 1)
    assert np.array_equal(design.run, behaviour["RUN"])
    assert np.array_equal(design.session, behaviour["SESSION"])
    assert np.bincount(design.run[:750])[1:].tolist() == [63, 62] * 6


def test_a_subject_who_did_not_finish_has_only_completed_trials(layout):
    design = read_design(layout, "subj03")
    assert design.n_sessions == 1
    table = read_image_table(layout)
    repeats = table[[f"subject3_rep{r}" for r in range(3)]].to_numpy()
    assert repeats.max() == 1500
    completed = np.count_nonzero((repeats > 0) & (repeats <= 750))
    assert completed == len(design.nsd_id) == 750
    assert len(design.images) < 500


def test_hdf5_and_nifti_hold_the_same_session(layout, study, tmp_path):
    space = opened(layout)
    voxel = read_mask(opened(layout), "cortex")[::3]
    from_hdf5 = space.read_session(2, voxel)
    tree = damaged_copy(study.nsd, tmp_path)
    (tree / SESSIONS / "betas_session02.hdf5").unlink()
    only_nifti = NSDLayout(tree)
    assert only_nifti.betas("subj01", SPACE, BETAS, 2).suffix == ".gz"
    from_nifti = opened(only_nifti).read_session(2, voxel)
    assert np.array_equal(from_hdf5, from_nifti, equal_nan=True)


def test_a_compressed_session_is_decompressed_once_whatever_the_number_of_slabs(
    tmp_path, monkeypatch
):
    betas = np.random.default_rng(0).integers(-900, 900, (4, 5, 6, 20 * TRIALS_PER_SLAB), np.int16)
    path = tmp_path / "betas_session01.nii.gz"
    nibabel.save(nibabel.Nifti1Image(betas, np.eye(4)), path)
    decompressed = []
    read = gzip._GzipReader.read

    def counted(reader, size=-1):
        block = read(reader, size)
        decompressed.append(len(block))
        return block

    monkeypatch.setattr(gzip._GzipReader, "read", counted)
    voxel = np.array([3, 70, 119])
    assert np.array_equal(read_series(path, voxel), betas.reshape(120, -1)[voxel].T)
    # the header is read once more; quadratic reading would give ten times the session
    assert betas.nbytes <= sum(decompressed) < 1.5 * betas.nbytes


def test_betas_are_percent_signal_change_at_the_right_voxel(layout):
    space = opened(layout)
    x, y, z = 3, 5, 6
    voxel = np.array([np.ravel_multi_index((x, y, z), space.shape)])
    betas = space.read_session(1, voxel)
    with h5py.File(layout.betas("subj01", SPACE, BETAS, 1)) as file:
        assert file["betas"].shape == (750, *space.shape[::-1])
        assert np.allclose(betas[:, 0], file["betas"][:, z, y, x] / 300)
    image = nibabel.load(layout.beta_folder("subj01", SPACE, BETAS) / "betas_session01.nii.gz")
    assert np.allclose(betas[:, 0], np.asanyarray(image.dataobj)[x, y, z] / 300)


def test_voxels_outside_a_sessions_coverage_are_nan(layout):
    space = opened(layout)
    voxel = read_mask(opened(layout), "nsdgeneral")
    invalid = [np.isnan(space.read_session(s, voxel)).all(axis=0) for s in (1, 2)]
    assert [np.count_nonzero(i) for i in invalid] == [2, 6]
    assert invalid[1][invalid[0]].all()


def test_int16_saturation_occurs_and_is_read(layout):
    space = opened(layout)
    voxel = read_mask(opened(layout), "cortex")
    betas = space.read_session(1, voxel)
    assert np.nanmax(betas) == pytest.approx(32767 / 300)


def test_masks_take_labels_above_zero_and_cortex_above_minus_one(layout):
    labels = np.asanyarray(nibabel.load(layout.roi("subj01", SPACE, "nsdgeneral")).dataobj)
    assert set(np.unique(labels)) == {-1, 0, 1}
    general = read_mask(opened(layout), "nsdgeneral")
    cortex = read_mask(opened(layout), "cortex")
    assert len(general) == (labels == 1).sum() < len(cortex) == (labels >= 0).sum() < labels.size
    assert set(general) < set(cortex)


def test_roi_names_come_from_colour_tables_and_a_label_may_lack_in_a_hemisphere(layout):
    voxel = read_mask(opened(layout), "nsdgeneral")
    labels = read_roi_labels(opened(layout), ["prf-visualrois", "floc-words"], voxel)
    names = labels.groupby("roi")["hemisphere"].agg(lambda h: sorted(set(h)))
    assert names["V1v"] == ["lh", "rh"]
    assert names["mfs-words"] == ["lh"]
    assert not labels.duplicated(["voxel", "atlas"]).any()
    x = np.unravel_index(labels["voxel"], opened(layout).shape)[0]
    assert x[labels["hemisphere"] == "lh"].max() < x[labels["hemisphere"] == "rh"].min()


def test_images_are_slices_of_the_brick_in_the_order_asked(layout):
    ids = np.array([0, 7, 8, 30])
    batches = list(read_images(layout, ids, batch_size=3))
    assert [len(batch) for batch in batches] == [3, 1]
    with h5py.File(layout.stimuli) as file:
        assert np.array_equal(np.concatenate(batches), file["imgBrick"][ids])


def test_captions_follow_coco_id_and_split_and_are_tidy(layout):
    table = read_image_table(layout)
    ids = np.concatenate(
        [table.index[table["cocoSplit"] == split][:3] for split in ("train2017", "val2017")]
    )
    captions = read_captions(layout, ids)
    for image, texts in zip(ids, captions, strict=True):
        row = table.loc[image]
        content = json.loads(layout.annotations("captions", row["cocoSplit"]).read_text())
        own = [a["caption"] for a in content["annotations"] if a["image_id"] == row["cocoId"]]
        assert texts == [" ".join(text.split()) for text in own]
    everything = read_captions(layout, table.index.to_numpy())
    assert sorted({len(texts) for texts in everything}) == [2, 6]
    assert not any("\n" in text for texts in everything for text in texts)


# ---- averaging


def test_repeats_are_averaged_over_valid_presentations_only():
    generator = np.random.default_rng(0)
    ids = np.array([2, 5, 9])
    images = [np.array([5, 2, 5]), np.array([2, 5, 2])]
    trials = [generator.normal(size=(3, 2)).astype(np.float32) for _ in images]
    trials[1][:, 1] = np.nan
    averaged = average_repeats(zip(images, trials, strict=True), ids, 2)
    assert averaged.n_repeats.tolist() == [3, 3, 0]
    assert averaged.n_valid_repeats.tolist() == [[3, 1], [3, 2], [0, 0]]
    stacked, shown = np.concatenate(trials), np.concatenate(images)
    for row, image in enumerate(ids[:2]):
        expected = np.nanmean(stacked[shown == image], axis=0)
        assert np.allclose(averaged.responses[row], expected)
    assert np.isnan(averaged.responses[2]).all()


def test_the_noise_of_trials_is_measured_in_the_units_of_the_responses():
    """One-way analysis of variance of each voxel's valid trials, and first minus second trials."""
    generator = np.random.default_rng(1)
    ids = np.arange(40)
    images = [generator.permutation(np.repeat(ids, 2)), generator.permutation(ids[:25])]
    trials = [generator.normal(3, 2, (len(shown), 3)).astype(np.float32) for shown in images]
    trials[1][:, 1], trials[0][:, 2] = np.nan, np.nan
    averaged = average_repeats(zip(images, trials, strict=True), ids, 3)
    stacked, shown = np.concatenate(trials), np.concatenate(images)
    for voxel in (0, 1):
        here = np.isfinite(stacked[:, voxel])
        groups = [stacked[here & (shown == image), voxel].astype(float) for image in ids]
        within = sum(((group - group.mean()) ** 2).sum() for group in groups)
        freedom = sum(len(group) - 1 for group in groups)
        assert averaged.noise_variance[voxel] == pytest.approx(within / freedom, rel=1e-5)
        pairs = [(group[0] - group[1]) / np.sqrt(2) for group in groups]
        assert np.allclose(averaged.noise_sample[:, voxel], pairs, atol=1e-5)
    # of a voxel of one trial an image nothing tells its noise
    assert np.isnan(averaged.noise_variance[2])
    assert np.isnan(averaged.noise_sample[:, 2]).all()


def test_zscore_is_over_the_session_with_ddof_1_and_nan_without_variance():
    betas = np.random.default_rng(0).normal(4, 3, (750, 3)).astype(np.float32)
    betas[:, 1], betas[:, 2] = 0, np.nan
    z = zscore_within(betas, np.ones(750))
    assert z[:, 0].mean() == pytest.approx(0, abs=1e-4)
    assert z[:, 0].std(ddof=1) == pytest.approx(1, abs=1e-4)
    assert np.isnan(z[:, 1:]).all()


def test_zscore_within_run_takes_runs_of_63_and_62_trials(layout):
    design = read_design(layout, "subj01")
    voxel = read_mask(opened(layout), "nsdgeneral")[:20]
    reader = SessionReader(opened(layout), design, within="run")
    images, z = reader.zscored(2, voxel)
    assert np.array_equal(images, design.nsd_id[750:])
    betas = opened(layout).read_session(2, voxel)
    for run in (slice(0, 63), slice(63, 125), slice(688, 750)):
        expected = (betas[run] - betas[run].mean(0)) / betas[run].std(0, ddof=1)
        assert np.allclose(z[run], expected, atol=1e-4, equal_nan=True)


def test_zscore_on_training_trials_does_not_see_the_shared_images(layout):
    design = read_design(layout, "subj01")
    voxel = read_mask(opened(layout), "nsdgeneral")[:20]
    reader = SessionReader(opened(layout), design, training_only=True)
    images, z = reader.zscored(1, voxel)
    training = ~np.isin(images, design.shared)
    assert 0 < np.count_nonzero(training) < 750
    assert np.nanmax(np.abs(z[training].mean(axis=0))) < 1e-4
    assert np.nanmax(np.abs(z[training].std(axis=0, ddof=1) - 1)) < 1e-4
    assert np.nanmax(np.abs(z[~training].mean(axis=0))) > 1e-3


def test_blocks_hold_every_voxel_once_and_a_block_reads_what_the_whole_reads(layout):
    voxel = read_mask(opened(layout), "nsdgeneral")
    assert len(voxel_blocks(np.arange(107_000), 10_000)) == 8
    blocks = voxel_blocks(voxel, n_images=10**7)
    assert len(blocks) > 5
    assert np.array_equal(np.concatenate(blocks), voxel)
    design = read_design(layout, "subj01")
    reader = SessionReader(opened(layout), design)
    parts = [
        average_repeats(reader.sessions(block), design.images, len(block)).responses
        for block in blocks
    ]
    whole = average_repeats(reader.sessions(voxel), design.images, len(voxel)).responses
    assert np.array_equal(np.hstack(parts), whole, equal_nan=True)


def test_ncsnr_recomputed_from_what_the_readers_read_is_the_released_one(study, tmp_path):
    """Axis order, trial order, repeats and z-scoring at once, on HDF5 and NIfTI."""
    for subject in ("subj01", "subj03"):
        table = compare_ncsnr(study.nsd, subject, tmp_path / f"{subject}.tsv")
        assert table["largest_noise_difference"] < 1e-5
        assert table["n_voxels"] > 200


def test_an_ncsnr_of_other_sessions_is_reported(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    path = tree / SESSIONS / "ncsnr.nii.gz"
    image = nibabel.load(path)
    values = np.asanyarray(image.dataobj) * np.float32(1.05)
    path.unlink()
    nibabel.save(nibabel.Nifti1Image(values, image.affine, image.header), path)
    with pytest.raises(AssertionError, match=r"ncsnr of .* voxels differs .* 2 sessions"):
        compare_ncsnr(tree, "subj01", tmp_path / "table.tsv")
    assert not (tmp_path / "table.tsv").exists()


def test_an_ncsnr_on_one_side_only_is_reported(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    space = opened(NSDLayout(study.nsd))
    modelled = read_mask(space, "nsdgeneral")
    known = modelled[np.isfinite(space.read_ncsnr()[modelled])]
    overwrite(tree / SESSIONS / "ncsnr.nii.gz", known[0], np.nan)
    with pytest.raises(AssertionError, match=r"error: .*: 1 of .* voxels have a released ncsnr or"):
        compare_ncsnr(tree, "subj01", tmp_path / "table.tsv")


def test_that_no_voxel_has_an_ncsnr_is_reported(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    overwrite(tree / SESSIONS / "ncsnr.nii.gz", slice(None), np.nan)
    for session in (1, 2):
        overwrite(tree / FUNCTIONAL / f"valid_session{session:02d}.nii.gz", slice(None), 0)
    with pytest.raises(AssertionError, match=r"error: .*: none of .* voxels has an ncsnr"):
        compare_ncsnr(tree, "subj01", tmp_path / "table.tsv")


def overwrite(path: Path, voxel: int | slice, value: float) -> None:
    """Replace numbers of a volume, by their C-order index."""
    image = nibabel.load(path)
    values = np.array(image.dataobj)
    values.flat[voxel] = value
    path.unlink()
    nibabel.save(nibabel.Nifti1Image(values, image.affine, image.header), path)


def compare_ncsnr(nsd: Path, subject: str, out: Path) -> pd.Series:
    """Run the stage; its table's row."""
    settings = responses_of(["subj01"], SPACE, BETAS)["subj01"]
    stage = [sys.executable, "-m", "pipeline.stages.compare_noise_ceilings", "--nsd", str(nsd)]
    options = ["--subject", subject, "--configuration", "responses", "--out", str(out)]
    environ = ENVIRON | frozen(out.parent, responses=settings)
    done = subprocess.run([*stage, *options], capture_output=True, text=True, cwd=ROOT, env=environ)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(out, sep="\t").iloc[0]


def test_composites_hold_the_voxels_of_their_rois_once():
    labels = pd.DataFrame(
        [
            (1, "floc-places", "PPA", "lh"),
            (2, "floc-places", "RSC", "rh"),
            (3, "floc-faces", "FFA-1", "lh"),
            (3, "floc-faces", "FFA-2", "lh"),
            (4, "floc-faces", "aTL-faces", "lh"),
        ],
        columns=["voxel", "atlas", "roi", "hemisphere"],
    )
    found = composite_labels(labels, COMPOSITES).groupby("roi")["voxel"].apply(list).to_dict()
    assert found == {"scene": [1, 2], "face": [3]}


def test_composites_are_made_of_labels_that_nsd_has():
    """HCP_MMP1's labels are numerous and not simulated; the others are checked by their names."""
    released = {
        "prf-visualrois": "V1v V1d V2v V2d V3v V3d hV4",
        "floc-places": "OPA PPA RSC",
        "floc-bodies": "EBA FBA-1 FBA-2 mTL-bodies",
        "floc-faces": "OFA FFA-1 FFA-2 mTL-faces aTL-faces",
        "HCP_MMP1": "TPOJ1 TPOJ2 TPOJ3 PGp PGi PGs",
    }
    for members in COMPOSITES.values():
        for atlas, rois in members.items():
            assert set(rois) <= set(released[atlas].split())


@pytest.mark.parametrize(
    ("name", "there", "named"),
    [
        ("floc-face.nii.gz", "floc-faces.nii.gz", True),
        ("floc-face.nii.gz", "floc-words.nii.gz", False),
        ("betas_session01.hdf5", "betas_session02.hdf5", False),
        ("lh.floc-faces.mgz", "rh.floc-faces.mgz", False),
    ],
)
def test_a_missing_file_is_reported_with_those_that_it_resembles(tmp_path, name, there, named):
    (tmp_path / there).write_text("x")
    with pytest.raises(InputError, match=f"{name}: not found") as error:
        require(tmp_path / name)
    assert (f"Its folder has {there}." in str(error.value)) == named
