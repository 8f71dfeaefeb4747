"""Damaged copies of NSD and COCO: one error names the file, what was expected and a hint."""

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
from conftest import damaged_copy, responses_of, rewrite, simulate_without_networks
from whole_volumes import volume_to_mni, volume_to_native_surface

from pipeline.errors import InputError
from pipeline.nsd.check import check_tree
from pipeline.nsd.coco import read_captions
from pipeline.nsd.design import read_image_table
from pipeline.nsd.instances import read_categories, read_instances
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_mask, read_roi_labels
from pipeline.nsd.spaces import open_space
from pipeline.nsd.stimuli import read_images
from pipeline.nsd.transforms import native_surface_to_fsaverage

pytestmark = pytest.mark.robustness

SUBJECT, VOLUME, BETAS = "subj01", "func1mm", "betas_fithrf_GLMdenoise_RR"
GRID = (15, 19, 14)
COLOUR = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
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

S2, S2_NIFTI = f"{SESSIONS}/betas_session02.hdf5", f"{SESSIONS}/betas_session02.nii.gz"
FACES, RIGHT_FACES = (f"{FUNCTIONAL}/roi/{side}.floc-faces.nii.gz" for side in ("lh", "rh"))
MASK = f"{FUNCTIONAL}/roi/nsdgeneral.nii.gz"
VALID = f"{FUNCTIONAL}/valid_session02.nii.gz"
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


def simulate_undamaged(folder: Path) -> Path:
    """Three sessions in every space and format; damages are of files, so anything drives voxels."""
    # imported here: it reads the environment that conftest sets
    from pipeline.simulation import simulate
    from pipeline.simulation.scenes import draw_scene

    generator = np.random.default_rng(0)
    drawn = itertools.cycle([draw_scene(6, generator) for _ in range(DRAWN)])

    def one_of_a_few(n_captions, _):
        scene = next(drawn)
        return replace(scene, objects=list(scene.objects), captions=scene.captions[:n_captions])

    tree = folder / "nsd"
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


@pytest.fixture(scope="module")
def nsd(tmp_path_factory):
    return simulate_undamaged(tmp_path_factory.mktemp("undamaged"))


# ---- who reads


def checked(space: str, annotations: list[str], tree: Path) -> dict:
    """What is looked at before long work starts."""
    atlases = ["prf-visualrois", "floc-faces"]
    responses = responses_of([SUBJECT], space, BETAS)
    return check_tree(NSDLayout(tree), responses, atlases, annotations)


volume = partial(checked, VOLUME, ["captions"])
native_surface = partial(checked, "nativesurface", [])
fsaverage = partial(checked, "fsaverage", [])


def of_all_images(read: Callable, tree: Path):
    layout = NSDLayout(tree)
    return read(layout, read_image_table(layout).index.to_numpy())


instances, captions = partial(of_all_images, read_instances), partial(of_all_images, read_captions)


def categories(tree):
    return read_categories(NSDLayout(tree))


def shown(nsd_id: list[int], tree: Path):
    return next(read_images(NSDLayout(tree), np.array(nsd_id), 2))


images, an_image_beyond = partial(shown, [0, 4]), partial(shown, [0, 73_000])


def roi_names(tree):
    space = open_space(NSDLayout(tree), SUBJECT, VOLUME, BETAS)
    return read_roi_labels(space, ["prf-visualrois"], read_mask(space, "nsdgeneral"))


def session(space: str, number: int, tree: Path):
    own = open_space(NSDLayout(tree), SUBJECT, space, BETAS)
    return own.read_session(number, np.arange(11, own.n_voxels, 50))


volume_session, fsaverage_session = partial(session, VOLUME, 2), partial(session, "fsaverage", 1)


def mapped_to_native_surface(tree):
    return volume_to_native_surface(NSDLayout(tree), SUBJECT, VOLUME, "lh", np.ones(GRID))


def mapped_to_fsaverage(tree):
    return native_surface_to_fsaverage(NSDLayout(tree), SUBJECT, "lh", np.ones(643))


def mapped_to_mni(tree):
    return volume_to_mni(NSDLayout(tree), SUBJECT, VOLUME, np.ones(GRID))


# ---- what is damaged


def damaging(function: Callable) -> Callable:
    """A function that changes a file (path, …) as one that makes a damage to a tree (name, …)."""
    return lambda name, *given, **named: lambda tree: function(tree / name, *given, **named)


def nothing(tree):
    """The request is wrong, not the tree."""


def both(*makes):
    return lambda tree: [make(tree) for make in makes]


def delete(*names):
    return lambda tree: [(tree / name).unlink() for name in names]


def copied(name, to):
    return lambda tree: rewrite(tree / to, (tree / name).read_bytes())


def of_another_subject(name):
    return copied(name.replace(SUBJECT, "subj03"), name)


write = damaging(rewrite)


@damaging
def truncate(path, share=0.5):
    content = path.read_bytes()
    rewrite(path, content[: int(share * len(content))])


@damaging
def unfinished(path):
    """The download stopped half way."""
    path.with_suffix(".nii.gz").unlink()
    path.rename(path.with_name(path.name + ".part"))


@damaging
def written_anew(path, shape=lambda s: s, dtype=None, dataset="betas"):
    """A session in HDF5 alone, with another shape, type or name of its dataset."""
    path.with_suffix(".nii.gz").unlink()
    with h5py.File(path) as file:
        data = np.ones(shape(file["betas"].shape), dtype or file["betas"].dtype)
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset(dataset, data=data)


@damaging
def unwritten(path, *shape):
    """Images of which the file has the shape alone."""
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", shape, np.uint8)


@damaging
def image_of(path, shape, dtype=np.float32):
    """Numbers of another shape or type."""
    path.unlink()
    kind = nibabel.Nifti1Image if path.name.endswith(".nii.gz") else nibabel.MGHImage
    kind(np.ones(shape, dtype), np.eye(4)).to_filename(path)


@damaging
def value(path, place, number):
    """Replace one number of a volume or a surface."""
    image = nibabel.load(path)
    values = np.array(image.dataobj, dtype=np.float32)
    values[place] = number
    path.unlink()
    type(image)(values, image.affine).to_filename(path)


@damaging
def table(path, change):
    """Change the table of trials or of images."""
    reading = {"sep": "\t"} if path.suffix == ".tsv" else {"index_col": 0}
    changed = change(pd.read_csv(path, **reading))
    path.unlink()
    changed.to_csv(path, sep=reading.get("sep", ","), index="index_col" in reading)


def text(name, column):
    return table(name, lambda t: t.assign(**{column: "one"}))


@damaging
def matlab(path, variable, change):
    """Change a variable; None takes it out."""
    content = {k: v for k, v in scipy.io.loadmat(path).items() if k[0] != "_"}
    content[variable] = change(content[variable])
    path.unlink()
    scipy.io.savemat(path, {k: v for k, v in content.items() if v is not None})


design = partial(matlab, DESIGN)


@damaging
def coco(path, change):
    content = json.loads(path.read_text())
    change(content)
    rewrite(path, json.dumps(content))


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


class Damage(NamedTuple):
    """A damage, who reads it, and what the error must say."""

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    file: str
    expectation: str
    hint: str


def no_file(read, *files, hint="Fetch it from NSD, or correct `nsd:`") -> list[Damage]:
    return [Damage(delete(file), read, file, "not found", hint) for file in files]


def of_another_shape(read, file, shape, expected) -> list[Damage]:
    make = image_of(file, (*shape, 1, 1)[: max(3, len(shape))])
    reported = f"grid {shape}, expected {expected}"
    return [Damage(make, read, file, reported, ORIGINAL)]


FETCH, BOTH = "Fetch it again from NSD", "Fetch both again from NSD"
ORIGINAL = "Fetch the original from NSD"
FROM_COCO = "Fetch annotations_trainval2017.zip from COCO"
ORDER = "masterordering"
TEXT, LABEL = "{} holds text, expected numbers", "has the label {}, expected -1, 0, 1, 2"
BETAS_LEFT, NCSNR_LEFT = f"{NATIVE}/lh.betas_session01.hdf5", f"{NATIVE}/lh.ncsnr.mgh"
HALF = LABEL.format(0.5)
SULC, INFLATED = f"{SURFACES}/lh.sulc", f"{SURFACES}/rh.inflated"
SESSION_4 = f"{SESSIONS}/betas_session04.hdf5"

DAMAGES = [
    *no_file(volume, DESIGN, BEHAVIOUR, CSV, STIMULI, VALID, FACES, COLOURS),
    *no_file(volume, f"{FUNCTIONAL}/mean.nii.gz", f"{SESSIONS}/ncsnr.nii.gz"),
    no_file(volume, S2)[0]._replace(make=delete(S2, S2_NIFTI)),
    *no_file(native_surface, f"{NATIVE}/rh.betas_session01.hdf5", f"{SURFACES}/lh.inflated"),
    # RIGHT_AREAS was drawn on the subject: fsaverage has none of its own
    *no_file(fsaverage, f"{FSAVERAGE}/rh.ncsnr.mgh", RIGHT_AREAS),
    *no_file(volume, CAPTIONS, hint=FROM_COCO),
    Damage(truncate(DESIGN), volume, DESIGN, "not a readable MATLAB v5", FETCH),
    Damage(truncate(STIMULI), volume, STIMULI, "truncated", FETCH),
    Damage(truncate(CAPTIONS), volume, CAPTIONS, "not a COCO annotation file", FROM_COCO),
    Damage(truncate(INSTANCES), instances, INSTANCES, "not a COCO annotation file", FROM_COCO),
    Damage(truncate(S2), volume, S2, "truncated or damaged", FETCH),
    Damage(both(delete(S2), truncate(S2_NIFTI, 0.9)), volume, S2_NIFTI, "truncated", FETCH),
    Damage(write(S2, b""), volume, S2, "empty", FETCH),
    Damage(truncate(MASK, 0.01), volume, MASK, "truncated or damaged", FETCH),
    Damage(truncate(BETAS_LEFT), native_surface, BETAS_LEFT, "truncated", FETCH),
    Damage(truncate(INFLATED, 0.02), native_surface, INFLATED, "truncated", FETCH),
    Damage(truncate(SULC), native_surface, SULC, "truncated", FETCH),
    Damage(truncate(FSAVERAGE_LEFT), fsaverage, FSAVERAGE_LEFT, "truncated", FETCH),
    Damage(unfinished(S2), volume, S2, "download unfinished", "Continue it: snakemake fetch"),
    Damage(value(MASK, (0, 0, 0), 0.5), volume, MASK, HALF, FETCH),
    Damage(value(RIGHT_AREAS, (5, 0, 0), 0.5), native_surface, RIGHT_AREAS, HALF, FETCH),
    Damage(value(RIGHT_AREAS, (5, 0, 0), 0.5), fsaverage, RIGHT_AREAS, HALF, FETCH),
    Damage(unwritten(STIMULI, 5, 425, 425, 3), volume, STIMULI, "has 5 images", FETCH),
    Damage(nothing, an_image_beyond, STIMULI, "image 73000 is needed", FETCH),
    Damage(write(AREAS, "0 Unknown\n"), roi_names, AREAS, "label 1 is not in", BOTH),
    Damage(copied(S2, SESSION_4), volume, SESSION_4, "which ends with session 3", BOTH),
    Damage(
        value(FSAVERAGE_LEFT, (11, 0, 0, 5), np.nan),
        *(fsaverage_session, FSAVERAGE_LEFT, "NaNs in betas of single trials", FETCH),
    ),
    Damage(
        entry("categories", 0, name="people"),
        *(categories, OTHER_INSTANCES, "other categories than instances_train2017", FROM_COCO),
    ),
    Damage(copied(INFLATED, SULC), native_surface, SULC, "not a morphometry file", FETCH),
    Damage(
        image_of(TO_LAYER, (643, 1, 1)),
        *(mapped_to_native_surface, TO_LAYER, "not one coordinate (x, y, z) per vertex", FETCH),
    ),
    # files of another subject or space, or converted
    Damage(
        of_another_subject(RIGHT_FACES),
        *(volume, RIGHT_FACES, "grid (16, 18, 13), expected (15, 19, 14)", ORIGINAL),
    ),
    *of_another_shape(volume, VALID, (16, 18, 13), GRID),
    *of_another_shape(native_surface, NCSNR_LEFT, (9,), (643,)),
    *of_another_shape(fsaverage, FSAVERAGE_RIGHT, (9,), (500,)),
    *of_another_shape(mapped_to_mni, TO_MNI, (23, 27, 22), (23, 27, 22, 3)),
    Damage(
        image_of(TEMPLATE, (5, 6, 7)),
        *(mapped_to_mni, TEMPLATE, "grid (23, 27, 22, 3), expected (5, 6, 7, 3) of", ORIGINAL),
    ),
]
# {(who reads, file, hint): {what the error must say: what is damaged, or several such}}
OF_ONE_FILE = {
    (volume, DESIGN, FETCH): {
        "lacks the variable 'sharedix'": design("sharedix", lambda _: None),
        "a row for each subject up to subj01": design("subjectim", lambda images: images[:0]),
        f"{ORDER} leaves the range of subjectim": [
            design(ORDER, lambda order: order.astype(int) + 1),
            design(ORDER, lambda order: order.astype(int) - 1),
            design(ORDER, lambda order: order[:, :0]),
        ],
        # cells, a structure, complex numbers
        f"{ORDER} is not a matrix of numbers": [
            design(ORDER, lambda order: order.astype(object)),
            design(ORDER, lambda order: {"a": order}),
            design(ORDER, lambda order: order + 0.5j),
        ],
        f"{ORDER} has values that are no whole numbers": design(
            ORDER, lambda order: np.where(order > 5, order, np.nan)
        ),
    },
    (volume, BEHAVIOUR, FETCH): {
        "1000 trials; expected complete sessions of 750": table(BEHAVIOUR, lambda t: t.iloc[:1000]),
        "3000 trials; expected complete sessions": table(BEHAVIOUR, a_fourth_session),
        "not a table of tab": write(BEHAVIOUR, b"\x89HDF\xff\xfe"),
        "lacks the columns RUN": table(BEHAVIOUR, lambda t: t.drop(columns="RUN")),
        "has trials of subject 2": table(BEHAVIOUR, lambda t: t.assign(SUBJECT=2)),
        **{
            TEXT.format(column): text(BEHAVIOUR, column)
            for column in ("73KID", "10KID", "SESSION", "RUN", "SUBJECT")
        },
    },
    (volume, BEHAVIOUR, BOTH): {
        "73KID of trial 1 is": design("subjectim", lambda images: images[:, ::-1]),
        "10KID of trial 1 is": design(ORDER, lambda order: order[:, ::-1]),
        "73KID of trial 4 is": table(BEHAVIOUR, other_image_in_trial_4),
        # a session is left out
        "SESSION of trial 802 is": table(
            BEHAVIOUR, lambda t: t.assign(SESSION=t["SESSION"] + (t.index > 800))
        ),
        # runs that begin with 62 trials
        "RUN of trial 63 is": table(
            BEHAVIOUR, lambda t: t.assign(RUN=np.where(t.index == 62, 2, t["RUN"]))
        ),
    },
    (volume, CSV, FETCH): {
        "nsdId is not 0, 1, 2": table(CSV, lambda t: t.iloc[5:]),
        "lacks the columns cocoSplit": table(CSV, lambda t: t.drop(columns="cocoSplit")),
        "lacks subject1_rep2": table(CSV, lambda t: t.drop(columns="subject1_rep2")),
        TEXT.format("subject1_rep1"): text(CSV, "subject1_rep1"),
        TEXT.format("cocoId"): text(CSV, "cocoId"),
    },
    (volume, CSV, BOTH): {
        "other images are shared1000": table(CSV, lambda t: t.assign(shared1000=~t["shared1000"])),
        "of subj01 shows image": [
            table(CSV, lambda t: t.assign(subject1_rep0=t["subject1_rep0"].to_numpy()[::-1])),
            table(CSV, two_images_in_one_trial),
        ],
    },
    (instances, CSV, FETCH): {
        "expected fractions (top, bottom, left, right)": table(
            CSV, lambda t: t.assign(cropBox="(0.1, 0.2)")
        ),
        "does not leave a square": entry("images", 0, height=2000),
    },
    (images, STIMULI, FETCH): {
        "imgBrick is incomplete": unwritten(STIMULI, 9, 425, 425, 3),
        "expected uint8 (images, 425, 425, 3)": [
            unwritten(STIMULI, 5, 3, 425, 425),
            unwritten(STIMULI, 9, 425, 425, 4),
        ],
    },
    (captions, CAPTIONS, FROM_COCO): {
        "no caption of": coco(CAPTIONS, lambda c: c.update(annotations=c["annotations"][40:])),
        "caption 4 is there twice": coco(CAPTIONS, again("annotations")),
    },
    (instances, INSTANCES, FROM_COCO): {
        "is of category 91, which the file does not list": entry("annotations", 0, category_id=91),
        "annotation 4 is there twice": coco(INSTANCES, again("annotations")),
        "lacks image": coco(INSTANCES, lambda c: c["images"].pop(0)),
        "annotation 1 is neither polygons nor a run-length": entry(
            "annotations", 0, segmentation=[[1, 2, 3, 4, 5, 6, 7]]
        ),
        "a mask of 7 pixels for a size of 480 × 640": entry(
            "annotations", 0, segmentation={"counts": [3, 4], "size": [480, 640]}
        ),
        "not a COCO annotation file (KeyError('segm": coco(
            INSTANCES, lambda c: c["annotations"][0].pop("segmentation")
        ),
        "KeyError('categories')": coco(INSTANCES, lambda c: c.pop("categories")),
    },
    (volume, S2, FETCH): {
        "has no dataset 'betas'": written_anew(S2, dataset="data"),
        "749 trials, expected 750": written_anew(S2, shape=lambda s: (749, *s[1:])),
        "betas are uint8, expected int16": written_anew(S2, dtype=np.uint8),
        # converted to percent
        "betas are float32, expected int16": written_anew(S2, dtype=np.float32),
    },
    (volume, S2, ORIGINAL): {
        "grid (14, 19, 15) (axes in another order), expected (15, 19, 14)": written_anew(
            S2, shape=lambda s: (s[0], *s[:0:-1])
        ),
        "grid (15, 19, 15), expected (15, 19, 14)": written_anew(
            S2, shape=lambda s: (s[0], s[1] + 1, *s[2:])
        ),
    },
    (volume, FACES, FETCH): {
        **{
            LABEL.format(label): value(FACES, (0, 0, 0), label)
            for label in (1.5, np.nan, -2.0, 3_000_000_000.0)
        },
        "expected numbers": [image_of(FACES, GRID, COLOUR), image_of(FACES, GRID, np.complex64)],
    },
    (volume, COLOURS, FETCH): {
        "names label 1 twice": write(COLOURS, "1 OFA\n1 FFA-1\n"),
        "is not '<integer> <name>'": write(COLOURS, "OFA FFA-1\n"),
    },
    (mapped_to_fsaverage, TO_FSAVERAGE, FETCH): {
        "NaN or infinite, expected numbers of native": value(TO_FSAVERAGE, (2, 0, 0), np.nan),
        # of another subject
        "but the native surface has 643": value(TO_FSAVERAGE, (2, 0, 0), 700),
    },
}
DAMAGES += [
    Damage(make, read, file, expectation, hint)
    for (read, file, hint), made in OF_ONE_FILE.items()
    for expectation, makes in made.items()
    for make in (makes if isinstance(makes, list) else [makes])
]


@pytest.mark.parametrize(
    "damage", DAMAGES, ids=[f"{Path(d.file).name}: {d.expectation}" for d in DAMAGES]
)
def test_a_damage_is_one_error_that_names_file_expectation_and_hint(nsd, tmp_path, damage):
    tree = damaged_copy(nsd, tmp_path)
    damage.make(tree)
    with pytest.raises(InputError) as error:
        damage.read(tree)
    message = str(error.value)
    assert str(tree / damage.file) in message
    assert damage.expectation in message
    assert damage.hint.lower() in message.lower()
    assert "\n" not in message


@pytest.mark.parametrize("read", dict.fromkeys(d.read for d in DAMAGES if d.make is not nothing))
def test_every_reader_reads_the_undamaged_tree(nsd, read):
    assert read(nsd) is not None


def test_all_problems_are_reported_at_once(nsd, tmp_path):
    tree = damaged_copy(nsd, tmp_path)
    delete(f"{SESSIONS}/ncsnr.nii.gz")(tree)
    write(S2, b"")(tree)
    with pytest.raises(InputError, match=r"(?s)ncsnr.*\n.*betas_session02"):
        volume(tree)
