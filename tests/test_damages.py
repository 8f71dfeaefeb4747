"""Damaged copies of NSD and COCO: each ends in one error that names file, expectation and mend."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
from conftest import damaged_copy, rewrite, simulate_without_networks

from pipeline.errors import InputError
from pipeline.nsd.check import check_tree
from pipeline.nsd.coco import read_captions
from pipeline.nsd.design import read_image_table
from pipeline.nsd.instances import read_categories, read_instances
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_mask, read_roi_labels
from pipeline.nsd.spaces import open_space
from pipeline.nsd.stimuli import read_images
from pipeline.nsd.transforms import (
    native_surface_to_fsaverage,
    volume_to_mni,
    volume_to_native_surface,
)

SUBJECT, VOLUME, BETAS = "subj01", "func1mm", "betas_fithrf_GLMdenoise_RR"
GRID = (15, 19, 14)
DRAWN = 40
BETA_FOLDER = f"nsddata_betas/ppdata/{SUBJECT}"
SESSIONS = f"{BETA_FOLDER}/{VOLUME}/{BETAS}"
NATIVE, FSAVERAGE = (f"{BETA_FOLDER}/{name}/{BETAS}" for name in ("nativesurface", "fsaverage"))
FUNCTIONAL = f"nsddata/ppdata/{SUBJECT}/{VOLUME}"
TRANSFORMS = f"nsddata/ppdata/{SUBJECT}/transforms"
BEHAVIOUR = f"nsddata/ppdata/{SUBJECT}/behav/responses.tsv"
LABELS, SURFACES = (f"nsddata/freesurfer/{SUBJECT}/{folder}" for folder in ("label", "surf"))
DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"
CSV = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
CAPTIONS, INSTANCES, OTHER_INSTANCES = (
    f"nsddata_stimuli/stimuli/nsd/annotations/{name}.json"
    for name in ("captions_train2017", "instances_train2017", "instances_val2017")
)


@pytest.fixture(scope="module")
def nsd(tmp_path_factory):
    """Three sessions in every space and format; damages are of files, so anything drives voxels."""
    # imported here: it reads the environment that conftest sets
    from pipeline.simulation import simulate
    from pipeline.simulation.scenes import draw_scene

    generator = np.random.default_rng(0)
    drawn = itertools.cycle([draw_scene(6, generator) for _ in range(DRAWN)])

    def one_of_a_few(n_captions, _):
        scene = next(drawn)
        return replace(scene, objects=list(scene.objects), captions=scene.captions[:n_captions])

    tree = tmp_path_factory.mktemp("undamaged") / "nsd"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "draw_scene", one_of_a_few)
        simulate_without_networks(
            tree,
            spaces=[VOLUME, "nativesurface", "fsaverage"],
            planned_sessions=3,
            shared_images=740,
            subjects={
                SUBJECT: {"sessions": 3, "grid": GRID, "formats": ["hdf5", "nifti"]},
                "subj03": {"sessions": 1, "grid": (16, 18, 13)},
            },
        )
    return tree


# ---- who reads


def checked(space: str, annotations: list[str], tree: Path) -> dict:
    """What is looked at before long work starts."""
    atlases = ["prf-visualrois", "floc-faces"]
    return check_tree(NSDLayout(tree), [SUBJECT], space, BETAS, atlases, annotations)


volume = partial(checked, VOLUME, ["captions"])
native_surface = partial(checked, "nativesurface", [])
fsaverage = partial(checked, "fsaverage", [])


def instances(tree):
    layout = NSDLayout(tree)
    return read_instances(layout, read_image_table(layout).index.to_numpy())


def categories(tree):
    return read_categories(NSDLayout(tree))


def captions(tree):
    layout = NSDLayout(tree)
    return read_captions(layout, read_image_table(layout).index.to_numpy())


def images(tree):
    return next(read_images(NSDLayout(tree), np.array([0, 73_000]), 2))


def roi_names(tree):
    space = open_space(NSDLayout(tree), SUBJECT, VOLUME, BETAS)
    return read_roi_labels(space, ["prf-visualrois"], read_mask(space, "nsdgeneral"))


def fsaverage_session(tree):
    space = open_space(NSDLayout(tree), SUBJECT, "fsaverage", BETAS)
    return space.read_session(1, np.array([11]))


def mapped_to_native_surface(tree):
    return volume_to_native_surface(NSDLayout(tree), SUBJECT, VOLUME, "lh", np.ones(GRID))


def mapped_to_fsaverage(tree):
    return native_surface_to_fsaverage(NSDLayout(tree), SUBJECT, "lh", np.ones(643))


def mapped_to_mni(tree):
    return volume_to_mni(NSDLayout(tree), SUBJECT, VOLUME, np.ones(GRID))


# ---- what is damaged; every function makes one that damages a tree


def nothing(tree):
    """The request is wrong, not the tree."""


def delete(*names):
    return lambda tree: [(tree / name).unlink() for name in names]


def write(name, content):
    return lambda tree: rewrite(tree / name, content)


def truncate(name, share=0.5):
    def damage(tree):
        content = (tree / name).read_bytes()
        rewrite(tree / name, content[: int(share * len(content))])

    return damage


def session_2(**changes):
    """Session 2 in HDF5 alone, written anew with another `shape`, `dtype` or dataset `name`."""

    def damaged(tree):
        (tree / SESSIONS / "betas_session02.nii.gz").unlink()
        path = tree / SESSIONS / "betas_session02.hdf5"
        with h5py.File(path) as file:
            shape, dtype = file["betas"].shape, file["betas"].dtype
        path.unlink()
        with h5py.File(path, "w") as file:
            data = np.ones(changes.get("shape", lambda s: s)(shape), changes.get("dtype", dtype))
            file.create_dataset(changes.get("name", "betas"), data=data)

    return damaged


def fewer_images(tree):
    (tree / STIMULI).unlink()
    with h5py.File(tree / STIMULI, "w") as file:
        file.create_dataset("imgBrick", (5, 425, 425, 3), np.uint8)


def transposed_images(tree):
    (tree / STIMULI).unlink()
    with h5py.File(tree / STIMULI, "w") as file:
        file.create_dataset("imgBrick", (5, 3, 425, 425), np.uint8)


def image_of(name, shape):
    """Numbers of another shape."""

    def damage(tree):
        (tree / name).unlink()
        kind = nibabel.Nifti1Image if name.endswith(".nii.gz") else nibabel.MGHImage
        kind(np.ones(shape, np.float32), np.eye(4)).to_filename(tree / name)

    return damage


def value(name, place, number):
    """Replace one number of a volume or a surface."""

    def damage(tree):
        image = nibabel.load(tree / name)
        values = np.array(image.dataobj, dtype=np.float32)
        values[place] = number
        (tree / name).unlink()
        type(image)(values, image.affine).to_filename(tree / name)

    return damage


def table(name, change):
    """Change the table of trials or of images."""
    reading = {"sep": "\t"} if name.endswith("tsv") else {"index_col": 0}

    def damage(tree):
        changed = change(pd.read_csv(tree / name, **reading))
        (tree / name).unlink()
        changed.to_csv(tree / name, sep=reading.get("sep", ","), index="index_col" in reading)

    return damage


def text(name, column):
    return table(name, lambda t: t.assign(**{column: "one"}))


def design(change):
    def damage(tree):
        content = {k: v for k, v in scipy.io.loadmat(tree / DESIGN).items() if k[0] != "_"}
        change(content)
        (tree / DESIGN).unlink()
        scipy.io.savemat(tree / DESIGN, content)

    return damage


def coco(name, change):
    def damage(tree):
        content = json.loads((tree / name).read_text())
        change(content)
        rewrite(tree / name, json.dumps(content))

    return damage


def entry(part, row, **values):
    """Change one entry of the training instances."""
    return coco(INSTANCES, lambda content: content[part][row].update(values))


def again(part):
    """An entry of a list is there once more."""
    return lambda content: content[part].append(content[part][3])


def other_image_in_trial_4(trials):
    trials.loc[3, "73KID"] = trials.loc[3, "73KID"] % 300 + 1
    return trials


def a_fourth_session(trials):
    return pd.concat([trials, trials.iloc[:750].assign(SESSION=4)])


def two_images_in_one_trial(table):
    """An image that the subject never saw claims a trial of one further down."""
    unseen = table.index[table["subject1"] == 0][0]
    last = table.index[table["subject1"] == 1][-1]
    table.loc[unseen, "subject1_rep0"] = table.loc[last, "subject1_rep0"]
    return table


def unfinished(name):
    """The download of a file stopped half way."""

    def damage(tree):
        (tree / name).with_suffix("").with_suffix(".nii.gz").unlink()
        (tree / name).rename(tree / (name + ".part"))

    return damage


def copied(name, to):
    return lambda tree: rewrite(tree / to, (tree / name).read_bytes())


def of_another_subject(name):
    return copied(name.replace(SUBJECT, "subj03"), name)


class Damage(NamedTuple):
    """A damage, who reads it, and what the error must say."""

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    file: str
    expectation: str
    mend: str


FETCH = "Fetch it again from NSD"
OR_CORRECT = "Fetch it from NSD, or correct `nsd:`"
BOTH = "etch both again from NSD"
ORIGINAL = "fetch the original from NSD"
FROM_COCO = "Fetch annotations_trainval2017.zip from COCO"
S2, S2_NIFTI = f"{SESSIONS}/betas_session02.hdf5", f"{SESSIONS}/betas_session02.nii.gz"
FACES, RIGHT_FACES = (f"{FUNCTIONAL}/roi/{side}.floc-faces.nii.gz" for side in ("lh", "rh"))
MASK = f"{FUNCTIONAL}/roi/nsdgeneral.nii.gz"
COLOURS, AREAS = (f"{LABELS}/{atlas}.mgz.ctab" for atlas in ("floc-faces", "prf-visualrois"))
RIGHT_AREAS = f"{LABELS}/rh.prf-visualrois.mgz"
FSAVERAGE_LEFT, FSAVERAGE_RIGHT = (
    f"{FSAVERAGE}/{side}.betas_session01.mgh" for side in ("lh", "rh")
)
TO_FSAVERAGE = f"{TRANSFORMS}/lh.white-to-fsaverage.mgz"
TO_LAYER, TO_MNI = (
    f"{TRANSFORMS}/{name}" for name in ("lh.func1pt0-to-layerB2.mgz", "func1pt0-to-MNI.nii.gz")
)
TEMPLATE = "nsddata/templates/MNI152_T1_1mm.nii.gz"
LABEL_LIST = "expected -1, 0, 1, 2"

DAMAGES = {
    # the design: which image in which trial
    "no design": Damage(delete(DESIGN), volume, DESIGN, "not found", OR_CORRECT),
    "truncated design": Damage(truncate(DESIGN), volume, DESIGN, "not a readable MATLAB v5", FETCH),
    "design without a variable": Damage(
        design(lambda c: c.pop("sharedix")), volume, DESIGN, "lacks the variable 'sharedix'", FETCH
    ),
    "design of other images": Damage(
        design(lambda c: c.update(subjectim=c["subjectim"][:, ::-1])),
        *(volume, BEHAVIOUR, "73KID of trial 1 is", BOTH),
    ),
    "design of another order": Damage(
        design(lambda c: c.update(masterordering=c["masterordering"][:, ::-1])),
        *(volume, BEHAVIOUR, "10KID of trial 1 is", BOTH),
    ),
    "design of too few subjects": Damage(
        design(lambda c: c.update(subjectim=c["subjectim"][:0])),
        *(volume, DESIGN, "expected a row for each subject up to subj01", FETCH),
    ),
    "design of images that it does not list": Damage(
        design(lambda c: c.update(masterordering=c["masterordering"].astype(int) + 1)),
        *(volume, DESIGN, "masterordering leaves the range of subjectim", FETCH),
    ),
    # trials
    "no behaviour": Damage(delete(BEHAVIOUR), volume, BEHAVIOUR, "not found", OR_CORRECT),
    "behaviour with another image": Damage(
        table(BEHAVIOUR, other_image_in_trial_4), volume, BEHAVIOUR, "73KID of trial 4 is", BOTH
    ),
    "half a session of behaviour": Damage(
        table(BEHAVIOUR, lambda t: t.iloc[:1000]),
        *(volume, BEHAVIOUR, "1000 trials; expected whole sessions of 750", FETCH),
    ),
    "trials beyond the last session": Damage(
        table(BEHAVIOUR, a_fourth_session),
        *(volume, BEHAVIOUR, "3000 trials; expected whole sessions of 750, at most 2250", FETCH),
    ),
    "behaviour that is no table": Damage(
        write(BEHAVIOUR, b"\x89HDF\xff\xfe"), volume, BEHAVIOUR, "not a table of tab", FETCH
    ),
    "behaviour without a column": Damage(
        table(BEHAVIOUR, lambda t: t.drop(columns="RUN")),
        *(volume, BEHAVIOUR, "lacks the columns RUN", FETCH),
    ),
    "behaviour with a session left out": Damage(
        table(BEHAVIOUR, lambda t: t.assign(SESSION=t["SESSION"] + (t.index > 800))),
        *(volume, BEHAVIOUR, "SESSION of trial 802 is", BOTH),
    ),
    "behaviour of runs that begin with 62 trials": Damage(
        table(BEHAVIOUR, lambda t: t.assign(RUN=np.where(t.index == 62, 2, t["RUN"]))),
        *(volume, BEHAVIOUR, "RUN of trial 63 is", BOTH),
    ),
    "behaviour of another subject": Damage(
        table(BEHAVIOUR, lambda t: t.assign(SUBJECT=2)),
        *(volume, BEHAVIOUR, "has trials of subject 2", FETCH),
    ),
    **{
        f"text in {column}": Damage(
            text(BEHAVIOUR, column),
            *(volume, BEHAVIOUR, f"{column} holds text, expected numbers", FETCH),
        )
        for column in ("73KID", "10KID", "SESSION", "RUN", "SUBJECT")
    },
    # the table of images
    "no image table": Damage(delete(CSV), volume, CSV, "not found", OR_CORRECT),
    "image table without rows": Damage(
        table(CSV, lambda t: t.iloc[5:]), volume, CSV, "nsdId is not 0, 1, 2", FETCH
    ),
    "image table without a column": Damage(
        table(CSV, lambda t: t.drop(columns="cocoSplit")),
        *(volume, CSV, "lacks the columns cocoSplit", FETCH),
    ),
    "image table without repeats": Damage(
        table(CSV, lambda t: t.drop(columns="subject1_rep2")),
        *(volume, CSV, "lacks subject1_rep2", FETCH),
    ),
    "image table of other shared images": Damage(
        table(CSV, lambda t: t.assign(shared1000=~t["shared1000"])),
        *(volume, CSV, "other images are shared1000", BOTH),
    ),
    "image table of another version": Damage(
        table(CSV, lambda t: t.assign(subject1_rep0=t["subject1_rep0"].to_numpy()[::-1])),
        *(volume, CSV, "of subj01 shows image", BOTH),
    ),
    "image table with two images in one trial": Damage(
        table(CSV, two_images_in_one_trial), volume, CSV, "of subj01 shows image", BOTH
    ),
    "text in a repeat": Damage(
        text(CSV, "subject1_rep1"),
        *(volume, CSV, "subject1_rep1 holds text, expected numbers", FETCH),
    ),
    "text in cocoId": Damage(
        text(CSV, "cocoId"), volume, CSV, "cocoId holds text, expected numbers", FETCH
    ),
    "crop box that is none": Damage(
        table(CSV, lambda t: t.assign(cropBox="(0.1, 0.2)")),
        *(instances, CSV, "expected fractions (top, bottom, left, right)", FETCH),
    ),
    # stimuli
    "no stimuli": Damage(delete(STIMULI), volume, STIMULI, "not found", OR_CORRECT),
    "truncated stimuli": Damage(truncate(STIMULI), volume, STIMULI, "truncated", FETCH),
    "stimuli of another layout": Damage(
        transposed_images, volume, STIMULI, "expected uint8 (images, 425, 425, 3)", FETCH
    ),
    "stimuli of too few images": Damage(fewer_images, volume, STIMULI, "has 5 images", FETCH),
    "image beyond the stimuli": Damage(nothing, images, STIMULI, "image 73000 is asked for", FETCH),
    # COCO
    "no captions file": Damage(delete(CAPTIONS), volume, CAPTIONS, "not found", FROM_COCO),
    "truncated captions": Damage(
        truncate(CAPTIONS), volume, CAPTIONS, "not a COCO annotation file", FROM_COCO
    ),
    "images without captions": Damage(
        coco(CAPTIONS, lambda c: c.update(annotations=c["annotations"][40:])),
        *(volume, CAPTIONS, "no caption of", FROM_COCO),
    ),
    "duplicate captions": Damage(
        coco(CAPTIONS, again("annotations")),
        *(captions, CAPTIONS, "caption 4 is there twice", FROM_COCO),
    ),
    "truncated instances": Damage(
        truncate(INSTANCES), instances, INSTANCES, "not a COCO annotation file", FROM_COCO
    ),
    "instances of an unknown category": Damage(
        entry("annotations", 0, category_id=91),
        *(instances, INSTANCES, "is of category 91, which the file does not list", FROM_COCO),
    ),
    "duplicate instances": Damage(
        coco(INSTANCES, again("annotations")),
        *(instances, INSTANCES, "annotation 4 is there twice", FROM_COCO),
    ),
    "instances of an image that is not listed": Damage(
        coco(INSTANCES, lambda c: c["images"].pop(0)),
        *(instances, INSTANCES, "lacks image", FROM_COCO),
    ),
    "picture of another size": Damage(
        entry("images", 0, height=2000), instances, CSV, "does not leave a square", FETCH
    ),
    "polygon of an odd number": Damage(
        entry("annotations", 0, segmentation=[[1, 2, 3, 4, 5, 6, 7]]),
        *(instances, INSTANCES, "annotation 1 is neither polygons nor a run-length", FROM_COCO),
    ),
    "crowd's mask that does not fill its size": Damage(
        entry("annotations", 0, segmentation={"counts": [3, 4], "size": [480, 640]}),
        *(instances, INSTANCES, "a mask of 7 pixels for a size of 480 × 640", FROM_COCO),
    ),
    "instance without a segmentation": Damage(
        coco(INSTANCES, lambda c: c["annotations"][0].pop("segmentation")),
        *(instances, INSTANCES, "not a COCO annotation file (KeyError('segm", FROM_COCO),
    ),
    "no categories": Damage(
        coco(INSTANCES, lambda c: c.pop("categories")),
        *(instances, INSTANCES, "KeyError('categories')", FROM_COCO),
    ),
    "other categories in the other split": Damage(
        entry("categories", 0, name="people"),
        *(categories, OTHER_INSTANCES, "other categories than instances_train2017", FROM_COCO),
    ),
    # sessions of a volume
    "session missing in the middle": Damage(
        delete(S2, S2_NIFTI), volume, S2, "not found", OR_CORRECT
    ),
    "truncated HDF5": Damage(truncate(S2), volume, S2, "truncated or damaged", FETCH),
    "truncated NIfTI": Damage(
        lambda tree: [delete(S2)(tree), truncate(S2_NIFTI, 0.9)(tree)],
        *(volume, S2_NIFTI, "truncated", FETCH),
    ),
    "empty session": Damage(write(S2, b""), volume, S2, "empty", FETCH),
    "session without its dataset": Damage(
        session_2(name="data"), volume, S2, "has no dataset 'betas'", FETCH
    ),
    "transposed grid": Damage(
        session_2(shape=lambda s: (s[0], *s[:0:-1])),
        *(volume, S2, "grid (14, 19, 15) (axes in another order), expected (15, 19, 14)", ORIGINAL),
    ),
    "session of another grid": Damage(
        session_2(shape=lambda s: (s[0], s[1] + 1, *s[2:])),
        *(volume, S2, "grid (15, 19, 15), expected (15, 19, 14)", ORIGINAL),
    ),
    "session of too few trials": Damage(
        session_2(shape=lambda s: (749, *s[1:])),
        *(volume, S2, "749 trials, expected 750", FETCH),
    ),
    "wrong dtype": Damage(
        session_2(dtype=np.uint8), volume, S2, "betas are uint8, expected int16", FETCH
    ),
    "session converted to percent": Damage(
        session_2(dtype=np.float32), volume, S2, "betas are float32, expected int16", FETCH
    ),
    "betas beyond the last trial": Damage(
        copied(S2, f"{SESSIONS}/betas_session04.hdf5"),
        *(volume, f"{SESSIONS}/betas_session04.hdf5", "it ends with session 3", BOTH),
    ),
    "unfinished download": Damage(
        unfinished(S2), volume, S2, "download unfinished", "Go on with it: snakemake fetch"
    ),
    "no valid mask": Damage(
        delete(f"{FUNCTIONAL}/valid_session02.nii.gz"),
        *(volume, f"{FUNCTIONAL}/valid_session02.nii.gz", "not found", OR_CORRECT),
    ),
    "valid mask of another grid": Damage(
        image_of(f"{FUNCTIONAL}/valid_session02.nii.gz", (16, 18, 13)),
        *(volume, f"{FUNCTIONAL}/valid_session02.nii.gz", "grid (16, 18, 13), expected", ORIGINAL),
    ),
    "no mean image": Damage(
        delete(f"{FUNCTIONAL}/mean.nii.gz"),
        *(volume, f"{FUNCTIONAL}/mean.nii.gz", "not found", OR_CORRECT),
    ),
    "no noise ceiling": Damage(
        delete(f"{SESSIONS}/ncsnr.nii.gz"),
        *(volume, f"{SESSIONS}/ncsnr.nii.gz", "not found", OR_CORRECT),
    ),
    # ROIs
    "no ROI": Damage(delete(FACES), volume, FACES, "not found", OR_CORRECT),
    "truncated mask": Damage(truncate(MASK, 0.01), volume, MASK, "truncated or damaged", FETCH),
    "ROI of another subject's grid": Damage(
        of_another_subject(RIGHT_FACES),
        *(volume, RIGHT_FACES, "grid (16, 18, 13), expected (15, 19, 14)", ORIGINAL),
    ),
    "fraction in an ROI": Damage(
        value(RIGHT_FACES, (0, 0, 0), 1.5),
        *(volume, RIGHT_FACES, f"has the label 1.5, {LABEL_LIST}", FETCH),
    ),
    "NaN in an ROI": Damage(
        value(FACES, (0, 0, 0), np.nan), volume, FACES, f"has the label nan, {LABEL_LIST}", FETCH
    ),
    "label below -1": Damage(
        value(FACES, (0, 0, 0), -2), volume, FACES, f"has the label -2.0, {LABEL_LIST}", FETCH
    ),
    "fraction in the mask": Damage(
        value(MASK, (0, 0, 0), 0.5), volume, MASK, f"has the label 0.5, {LABEL_LIST}", FETCH
    ),
    "no colour table": Damage(delete(COLOURS), volume, COLOURS, "not found", OR_CORRECT),
    "colour table that names a label twice": Damage(
        write(COLOURS, "1 OFA\n1 FFA-1\n"), volume, COLOURS, "names label 1 twice", FETCH
    ),
    "damaged colour table": Damage(
        write(COLOURS, "OFA FFA-1\n"), volume, COLOURS, "is not '<integer> <name>'", FETCH
    ),
    "label without a name": Damage(
        write(AREAS, "0 Unknown\n"), roi_names, AREAS, "label 1 is not in", BOTH
    ),
    # surfaces
    "no hemisphere": Damage(
        delete(f"{NATIVE}/rh.betas_session01.hdf5"),
        *(native_surface, f"{NATIVE}/rh.betas_session01.hdf5", "not found", OR_CORRECT),
    ),
    "truncated HDF5 of a surface": Damage(
        truncate(f"{NATIVE}/lh.betas_session01.hdf5"),
        *(native_surface, f"{NATIVE}/lh.betas_session01.hdf5", "truncated", FETCH),
    ),
    "ncsnr of other vertices": Damage(
        image_of(f"{NATIVE}/lh.ncsnr.mgh", (9, 1, 1)),
        *(native_surface, f"{NATIVE}/lh.ncsnr.mgh", "grid (9,), expected (643,)", ORIGINAL),
    ),
    "no surface": Damage(
        delete(f"{SURFACES}/lh.inflated"),
        *(native_surface, f"{SURFACES}/lh.inflated", "not found", OR_CORRECT),
    ),
    "truncated surface": Damage(
        truncate(f"{SURFACES}/rh.inflated", 0.02),
        *(native_surface, f"{SURFACES}/rh.inflated", "truncated", FETCH),
    ),
    "fraction as a label of a surface": Damage(
        value(RIGHT_AREAS, (5, 0, 0), 0.5),
        *(native_surface, RIGHT_AREAS, f"has the label 0.5, {LABEL_LIST}", FETCH),
    ),
    "truncated MGH": Damage(
        truncate(FSAVERAGE_LEFT), fsaverage, FSAVERAGE_LEFT, "truncated", FETCH
    ),
    "betas of other vertices": Damage(
        image_of(FSAVERAGE_RIGHT, (9, 1, 1)),
        *(fsaverage, FSAVERAGE_RIGHT, "grid (9,), expected (500,)", ORIGINAL),
    ),
    "no ncsnr of a hemisphere": Damage(
        delete(f"{FSAVERAGE}/rh.ncsnr.mgh"),
        *(fsaverage, f"{FSAVERAGE}/rh.ncsnr.mgh", "not found", OR_CORRECT),
    ),
    "fraction as a label brought to fsaverage": Damage(
        value(RIGHT_AREAS, (5, 0, 0), 0.5),
        *(fsaverage, RIGHT_AREAS, f"has the label 0.5, {LABEL_LIST}", FETCH),
    ),
    "no labels that were drawn on the subject": Damage(
        delete(RIGHT_AREAS), fsaverage, RIGHT_AREAS, "not found", OR_CORRECT
    ),
    "NaN in a single trial": Damage(
        value(FSAVERAGE_LEFT, (11, 0, 0, 5), np.nan),
        *(fsaverage_session, FSAVERAGE_LEFT, "NaNs in betas of single trials", FETCH.lower()),
    ),
    # transforms
    "NaN in the vertices of fsaverage": Damage(
        value(TO_FSAVERAGE, (2, 0, 0), np.nan),
        *(mapped_to_fsaverage, TO_FSAVERAGE, "NaN or infinite, expected a native vertex", FETCH),
    ),
    "vertices of another subject": Damage(
        value(TO_FSAVERAGE, (2, 0, 0), 700),
        *(mapped_to_fsaverage, TO_FSAVERAGE, "but the native surface has 643", FETCH.lower()),
    ),
    "places that are no coordinates": Damage(
        image_of(TO_LAYER, (643, 1, 1)),
        *(mapped_to_native_surface, TO_LAYER, "not one coordinate (x, y, z) per vertex", FETCH),
    ),
    "transform to MNI that is no volume of coordinates": Damage(
        image_of(TO_MNI, (23, 27, 22)),
        *(mapped_to_mni, TO_MNI, "grid (23, 27, 22), expected (23, 27, 22, 3)", ORIGINAL),
    ),
    "template of another grid": Damage(
        image_of(TEMPLATE, (5, 6, 7)),
        *(mapped_to_mni, TEMPLATE, "grid (23, 27, 22, 3), expected (5, 6, 7, 3) of", ORIGINAL),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damage_is_one_error_that_names_file_expectation_and_mend(nsd, tmp_path, damage):
    tree = damaged_copy(nsd, tmp_path)
    damage.make(tree)
    with pytest.raises(InputError) as error:
        damage.read(tree)
    message = str(error.value)
    assert str(tree / damage.file) in message
    assert damage.expectation in message
    assert damage.mend in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "read", dict.fromkeys(d.read for d in DAMAGES.values() if d.make is not nothing)
)
def test_every_reader_reads_the_undamaged_tree(nsd, read):
    assert read(nsd) is not None


def test_all_problems_are_told_at_once(nsd, tmp_path):
    tree = damaged_copy(nsd, tmp_path)
    delete(f"{SESSIONS}/ncsnr.nii.gz")(tree)
    write(S2, b"")(tree)
    with pytest.raises(InputError, match=r"(?s)ncsnr.*\n.*betas_session02"):
        volume(tree)
