"""Damaged copies of NSD: one clear error for each, before long work starts."""

from __future__ import annotations

import json
import shutil

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
from conftest import damaged_copy, rewrite

from pipeline.errors import InputError
from pipeline.nsd.check import check_tree
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_mask, read_roi_labels
from pipeline.nsd.spaces import open_space
from pipeline.nsd.stimuli import read_images

SPACE, BETAS = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
FUNCTIONAL = f"nsddata/ppdata/subj01/{SPACE}"
SESSIONS = f"nsddata_betas/ppdata/subj01/{SPACE}/{BETAS}"
EXPERIMENT = "nsddata/experiments/nsd"
STIMULI = "nsddata_stimuli/stimuli/nsd"


def delete(name):
    return lambda tree: (tree / name).unlink()


def truncate(name, share=0.5):
    def damage(tree):
        content = (tree / name).read_bytes()
        rewrite(tree / name, content[: int(share * len(content))])

    return damage


def empty(name):
    return lambda tree: rewrite(tree / name, b"")


def replace_betas(**changes):
    """Write session 2 anew with another shape, type or name."""

    def damage(tree):
        path = tree / SESSIONS / "betas_session02.hdf5"
        with h5py.File(path) as file:
            shape, dtype = file["betas"].shape, file["betas"].dtype
        shape = changes.get("shape", lambda s: s)(shape)
        path.unlink()
        with h5py.File(path, "w") as file:
            data = np.ones(shape, changes.get("dtype", dtype))
            file.create_dataset(changes.get("name", "betas"), data=data)

    return damage


def nifti_of(name, shape):
    def damage(tree):
        (tree / name).unlink()
        nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.float32), np.eye(4)), tree / name)

    return damage


def first_value(name, value):
    """Replace the first number of a volume."""

    def damage(tree):
        image = nibabel.load(tree / name)
        values = np.asarray(image.dataobj, dtype=np.float32)
        values.flat[0] = value
        (tree / name).unlink()
        nibabel.save(nibabel.Nifti1Image(values, image.affine), tree / name)

    return damage


def edit_table(name, change, **reading):
    def damage(tree):
        table = pd.read_csv(tree / name, **reading)
        table = change(table)
        (tree / name).unlink()
        table.to_csv(tree / name, sep=reading.get("sep", ","), index="index_col" in reading)

    return damage


def edit_design(change):
    def damage(tree):
        path = tree / EXPERIMENT / "nsd_expdesign.mat"
        content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("_")}
        change(content)
        path.unlink()
        scipy.io.savemat(path, content)

    return damage


def edit_json(name, change):
    def damage(tree):
        content = json.loads((tree / name).read_text())
        change(content)
        rewrite(tree / name, json.dumps(content))

    return damage


def other_image_in_trial_4(table):
    table.loc[3, "73KID"] = table.loc[3, "73KID"] % 800 + 1
    return table


def two_images_in_one_trial(table):
    """An image that the subject never saw claims a trial of one further down."""
    unseen = table.index[table["subject1"] == 0][0]
    last = table.index[table["subject1"] == 1][-1]
    table.loc[unseen, "subject1_rep0"] = table.loc[last, "subject1_rep0"]
    return table


BEHAVIOUR = "nsddata/ppdata/subj01/behav/responses.tsv"
CSV = f"{EXPERIMENT}/nsd_stim_info_merged.csv"
CAPTIONS = f"{STIMULI}/annotations/captions_train2017.json"
DAMAGES = {
    "no design": (delete(f"{EXPERIMENT}/nsd_expdesign.mat"), "nsd_expdesign.mat: not found"),
    "truncated design": (truncate(f"{EXPERIMENT}/nsd_expdesign.mat"), "not a readable MATLAB"),
    "design without a variable": (edit_design(lambda c: c.pop("sharedix")), "sharedix"),
    "design of other images": (
        edit_design(lambda c: c.update(subjectim=c["subjectim"][:, ::-1])),
        "responses.tsv: 73KID of trial 1",
    ),
    "design of another order": (
        edit_design(lambda c: c.update(masterordering=c["masterordering"][:, ::-1])),
        "responses.tsv: 10KID of trial 1",
    ),
    "design of too few subjects": (
        edit_design(lambda c: c.update(subjectim=c["subjectim"][:0])),
        "nsd_expdesign.mat: subjectim has shape",
    ),
    "text in 73KID": (
        edit_table(BEHAVIOUR, lambda t: t.assign(**{"73KID": "one"}), sep="\t"),
        "responses.tsv: 73KID holds text",
    ),
    "text in 10KID": (
        edit_table(BEHAVIOUR, lambda t: t.assign(**{"10KID": "one"}), sep="\t"),
        "responses.tsv: 10KID holds text",
    ),
    "text in SESSION": (
        edit_table(BEHAVIOUR, lambda t: t.assign(**{"SESSION": "one"}), sep="\t"),
        "responses.tsv: SESSION holds text",
    ),
    "text in RUN": (
        edit_table(BEHAVIOUR, lambda t: t.assign(**{"RUN": "one"}), sep="\t"),
        "responses.tsv: RUN holds text",
    ),
    "no behaviour": (delete(BEHAVIOUR), "responses.tsv: not found"),
    "behaviour with another image": (
        edit_table(BEHAVIOUR, other_image_in_trial_4, sep="\t"),
        "responses.tsv: 73KID of trial 4",
    ),
    "half a session of behaviour": (
        edit_table(BEHAVIOUR, lambda t: t.iloc[:1000], sep="\t"),
        "responses.tsv: 1000 trials; expected whole sessions",
    ),
    "behaviour that is no table": (
        lambda tree: rewrite(tree / BEHAVIOUR, b"\x89HDF\xff\xfe"),
        "responses.tsv: not a table",
    ),
    "behaviour without a column": (
        edit_table(BEHAVIOUR, lambda t: t.drop(columns="RUN"), sep="\t"),
        "lacks the columns RUN",
    ),
    "behaviour with a session left out": (
        edit_table(BEHAVIOUR, lambda t: t.assign(SESSION=t["SESSION"] + (t.index > 800)), sep="\t"),
        "responses.tsv: SESSION of trial 802",
    ),
    "behaviour of runs that begin with 62 trials": (
        edit_table(
            BEHAVIOUR,
            lambda t: t.assign(RUN=np.where(t.index == 62, 2, t["RUN"])),
            sep="\t",
        ),
        "responses.tsv: RUN of trial 63",
    ),
    "behaviour of another subject": (
        edit_table(BEHAVIOUR, lambda t: t.assign(SUBJECT=2), sep="\t"),
        "has trials of subject 2",
    ),
    "image table without rows": (
        edit_table(CSV, lambda t: t.iloc[5:], index_col=0),
        "nsdId is not 0, 1, 2",
    ),
    "image table without a column": (
        edit_table(CSV, lambda t: t.drop(columns="cocoSplit"), index_col=0),
        "lacks the columns cocoSplit",
    ),
    "image table of other shared images": (
        edit_table(CSV, lambda t: t.assign(shared1000=~t["shared1000"]), index_col=0),
        "other images are shared1000",
    ),
    "image table of another version": (
        edit_table(
            CSV,
            lambda t: t.assign(subject1_rep0=t["subject1_rep0"].to_numpy()[::-1]),
            index_col=0,
        ),
        "nsd_stim_info_merged.csv: trial",
    ),
    "image table with two images in one trial": (
        edit_table(CSV, two_images_in_one_trial, index_col=0),
        "of subj01 shows image",
    ),
    "no stimuli": (delete(f"{STIMULI}/nsd_stimuli.hdf5"), "nsd_stimuli.hdf5: not found"),
    "truncated stimuli": (truncate(f"{STIMULI}/nsd_stimuli.hdf5"), "nsd_stimuli.hdf5: truncated"),
    "no captions file": (delete(CAPTIONS), "captions_train2017.json: not found"),
    "truncated captions": (truncate(CAPTIONS), "not a COCO annotation file"),
    "images without captions": (
        edit_json(CAPTIONS, lambda c: c.update(annotations=c["annotations"][40:])),
        "no caption of",
    ),
    "no session": (
        lambda tree: [p.unlink() for p in (tree / SESSIONS).glob("betas_session02.*")],
        "betas_session02.hdf5: not found",
    ),
    "truncated session": (
        truncate(f"{SESSIONS}/betas_session02.hdf5"),
        "betas_session02.hdf5: truncated",
    ),
    "truncated NIfTI session": (
        lambda tree: [
            (tree / SESSIONS / "betas_session02.hdf5").unlink(),
            truncate(f"{SESSIONS}/betas_session02.nii.gz", 0.9)(tree),
        ],
        "betas_session02.nii.gz: truncated",
    ),
    "empty session": (empty(f"{SESSIONS}/betas_session02.hdf5"), "betas_session02.hdf5: empty"),
    "session without its dataset": (replace_betas(name="data"), "has no dataset 'betas'"),
    "transposed session": (
        replace_betas(shape=lambda s: (s[0], *s[:0:-1])),
        "axes in another order",
    ),
    "session of another grid": (
        replace_betas(shape=lambda s: (s[0], s[1] + 1, *s[2:])),
        "betas_session02.hdf5: grid",
    ),
    "session of too few trials": (
        replace_betas(shape=lambda s: (749, *s[1:])),
        "749 trials, expected 750",
    ),
    "session of another type": (replace_betas(dtype=np.uint8), "betas are uint8, expected int16"),
    "session converted to percent": (
        replace_betas(dtype=np.float32),
        "betas are float32, expected int16",
    ),
    "session beyond the last trial": (
        lambda tree: shutil.copy(
            tree / SESSIONS / "betas_session02.hdf5", tree / SESSIONS / "betas_session03.hdf5"
        ),
        "betas_session03.hdf5: a session that",
    ),
    "unfinished download": (
        lambda tree: [
            (tree / SESSIONS / "betas_session02.nii.gz").unlink(),
            (tree / SESSIONS / "betas_session02.hdf5").rename(
                tree / SESSIONS / "betas_session02.hdf5.part"
            ),
        ],
        "betas_session02.hdf5: download unfinished",
    ),
    "no valid mask": (
        delete(f"{FUNCTIONAL}/valid_session02.nii.gz"),
        "valid_session02.nii.gz: not found",
    ),
    "no ROI": (delete(f"{FUNCTIONAL}/roi/lh.floc-faces.nii.gz"), "lh.floc-faces.nii.gz: not found"),
    "truncated ROI mask": (
        truncate(f"{FUNCTIONAL}/roi/nsdgeneral.nii.gz", 0.01),
        "nsdgeneral.nii.gz: truncated or damaged",
    ),
    "ROI of another subject's grid": (
        nifti_of(f"{FUNCTIONAL}/roi/rh.floc-faces.nii.gz", (16, 18, 13)),
        "rh.floc-faces.nii.gz: grid",
    ),
    "fraction in an ROI": (
        first_value(f"{FUNCTIONAL}/roi/rh.floc-faces.nii.gz", 1.5),
        "rh.floc-faces.nii.gz: has the label 1.5, expected -1, 0, 1",
    ),
    "NaN in an ROI": (
        first_value(f"{FUNCTIONAL}/roi/lh.prf-visualrois.nii.gz", np.nan),
        "lh.prf-visualrois.nii.gz: has the label nan, expected -1, 0, 1",
    ),
    "label below -1": (
        first_value(f"{FUNCTIONAL}/roi/lh.floc-faces.nii.gz", -2),
        "lh.floc-faces.nii.gz: has the label -2.0, expected -1, 0, 1",
    ),
    "fraction in the mask": (
        first_value(f"{FUNCTIONAL}/roi/nsdgeneral.nii.gz", 0.5),
        "nsdgeneral.nii.gz: has the label 0.5, expected -1, 0, 1",
    ),
    "no colour table": (
        delete("nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab"),
        "floc-faces.mgz.ctab: not found",
    ),
    "colour table that names a label twice": (
        lambda tree: rewrite(
            tree / "nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab", "1 OFA\n1 FFA-1\n"
        ),
        "floc-faces.mgz.ctab: names label 1 twice",
    ),
    "damaged colour table": (
        lambda tree: rewrite(
            tree / "nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab", "OFA FFA-1\n"
        ),
        "is not '<integer> <name>'",
    ),
    "no noise ceiling": (delete(f"{SESSIONS}/ncsnr.nii.gz"), "ncsnr.nii.gz: not found"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damage_is_told_before_long_work(study, tmp_path, damage, message):
    tree = damaged_copy(study.nsd, tmp_path)
    damage(tree)
    with pytest.raises(InputError) as error:
        check_tree(
            NSDLayout(tree),
            ["subj01"],
            SPACE,
            BETAS,
            ["prf-visualrois", "floc-faces"],
            ["captions"],
        )
    assert message in str(error.value)
    # what to do about it
    assert any(word in str(error.value).lower() for word in ("fetch", "nsd"))


def test_an_undamaged_tree_passes_and_all_problems_are_told_at_once(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    arguments = (["subj01", "subj03"], SPACE, BETAS, ["floc-faces"], ["captions"])
    assert check_tree(NSDLayout(tree), *arguments)["subj03"]["sessions"] == 1
    delete(f"{SESSIONS}/ncsnr.nii.gz")(tree)
    empty(f"{SESSIONS}/betas_session02.hdf5")(tree)
    with pytest.raises(InputError, match=r"(?s)ncsnr.*\n.*betas_session02"):
        check_tree(NSDLayout(tree), *arguments)


def test_a_label_without_a_name_is_an_error(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    rewrite(tree / "nsddata/freesurfer/subj01/label/prf-visualrois.mgz.ctab", "0 Unknown\n")
    space = open_space(NSDLayout(tree), "subj01", SPACE, BETAS)
    with pytest.raises(InputError, match=r"prf-visualrois.*label 1 is not in"):
        read_roi_labels(space, ["prf-visualrois"], read_mask(space, "nsdgeneral"))


def test_an_image_beyond_the_brick_is_an_error(study):
    with pytest.raises(InputError, match="image 73000 is asked for"):
        next(read_images(NSDLayout(study.nsd), np.array([0, 73000]), 2))
