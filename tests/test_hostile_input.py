"""Whatever is done to a file from outside: the right values, or an error of ours that names it."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from conftest import ROOT, rewrite
from hostile import BETAS, SUBJECT, Worker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

# many more in `make soak`
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "30"))
FUNCTIONAL = f"nsddata/ppdata/{SUBJECT}/func1pt8mm"
TRANSFORMS = f"nsddata/ppdata/{SUBJECT}/transforms"
SESSIONS = f"nsddata_betas/ppdata/{SUBJECT}/func1pt8mm/{BETAS}"
ON_FSAVERAGE = f"nsddata_betas/ppdata/{SUBJECT}/fsaverage/{BETAS}"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
ANNOTATIONS = "nsddata_stimuli/stimuli/nsd/annotations"
EXPERIMENT = "nsddata/experiments/nsd"
RESULTS = "results/tiny"


@dataclass(frozen=True)
class Case:
    """A file, its reader, and whether every change to it must be noticed."""

    file: str
    reader: str
    guarded: bool = False


CASES = {
    "HDF5 betas": Case(f"{SESSIONS}/betas_session01.hdf5", "betas"),
    "HDF5 stimuli": Case(STIMULI, "stimuli"),
    "NIfTI betas": Case(f"{SESSIONS}/betas_session01.nii.gz", "betas"),
    "NIfTI validity": Case(f"{FUNCTIONAL}/valid_session01.nii.gz", "betas"),
    "NIfTI grid": Case(f"{FUNCTIONAL}/roi/nsdgeneral.nii.gz", "grid"),
    "NIfTI labels": Case(f"{FUNCTIONAL}/roi/lh.prf-visualrois.nii.gz", "labels"),
    "NIfTI ncsnr": Case(f"{SESSIONS}/ncsnr.nii.gz", "ncsnr"),
    "NIfTI transform": Case(f"{TRANSFORMS}/func1pt8-to-MNI.nii.gz", "places of the template"),
    "MGH betas": Case(f"{ON_FSAVERAGE}/lh.betas_session01.mgh", "betas of a surface"),
    "MGZ labels": Case(
        "nsddata/freesurfer/fsaverage/label/lh.nsdgeneral.mgz", "labels of a surface"
    ),
    "MGZ transform": Case(f"{TRANSFORMS}/lh.func1pt8-to-layerB2.mgz", "places in the volume"),
    "MGZ vertices": Case(f"{TRANSFORMS}/lh.white-to-fsaverage.mgz", "nearest vertices"),
    "FreeSurfer mesh": Case("nsddata/freesurfer/fsaverage/surf/lh.inflated", "mesh"),
    "FreeSurfer morphometry": Case("nsddata/freesurfer/fsaverage/surf/lh.sulc", "morphometry"),
    "MAT": Case(f"{EXPERIMENT}/nsd_expdesign.mat", "design"),
    "CSV": Case(f"{EXPERIMENT}/nsd_stim_info_merged.csv", "design"),
    "TSV": Case(f"nsddata/ppdata/{SUBJECT}/behav/responses.tsv", "design"),
    "COCO captions": Case(f"{ANNOTATIONS}/captions_train2017.json", "captions"),
    "COCO instances": Case(f"{ANNOTATIONS}/instances_train2017.json", "instances"),
    "colour table": Case(
        f"nsddata/freesurfer/{SUBJECT}/label/prf-visualrois.mgz.ctab", "colour table"
    ),
    "photograph": Case("photograph.png", "photograph"),
    "YAML configuration": Case("tiny.yaml", "configuration"),
    "YAML manifest": Case("data_manifest.yaml", "manifest"),
    "JSON lock": Case("data_manifest.lock.json", "lock"),
    "HDF5 result": Case(
        f"{RESULTS}/encoding/{SUBJECT}/all/alexnet_conv3.h5", "result", guarded=True
    ),
    "TSV result": Case(f"{RESULTS}/splits/{SUBJECT}/all.tsv", "table", guarded=True),
    "JSON account": Case(f"{RESULTS}/splits/{SUBJECT}/all.json", "account", guarded=True),
    "NIfTI map": Case(f"{RESULTS}/maps/bert.nii.gz", "map", guarded=True),
    "GIFTI map": Case(f"{RESULTS}/maps/surface.func.gii", "map", guarded=True),
}


@pytest.fixture(scope="module")
def tree(study, tmp_path_factory):
    """Small valid files of every kind that is read, as NSD lays them out."""
    tree = tmp_path_factory.mktemp("hostile") / "nsd"
    # what fills a disk is made small below
    large = shutil.ignore_patterns("*betas_session*", "nsd_stimuli.hdf5")
    shutil.copytree(study.nsd, tree, ignore=large)
    for name in ("betas_session01.hdf5", "betas_session01.nii.gz"):
        shutil.copy(study.nsd / SESSIONS / name, tree / SESSIONS / name)
    generator = np.random.default_rng(0)
    with h5py.File(tree / STIMULI, "w") as file:
        file["imgBrick"] = generator.integers(0, 256, (8, 425, 425, 3), np.uint8)
    for hemisphere in ("lh", "rh"):
        (tree / ON_FSAVERAGE).mkdir(parents=True, exist_ok=True)
        betas = generator.normal(size=(500, 1, 1, 750)).astype(np.float32)
        nibabel.MGHImage(betas, np.eye(4)).to_filename(
            tree / ON_FSAVERAGE / f"{hemisphere}.betas_session01.mgh"
        )
    picture = generator.integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(picture).save(tree / "photograph.png")
    shutil.copy(ROOT / "tests/tiny.yaml", tree)
    shutil.copy(ROOT / "data_manifest.yaml", tree)
    locked = {"address": "s3://x/y", "bytes": 3, "etag": None, "sha256": "0" * 64}
    (tree / "data_manifest.lock.json").write_text(json.dumps({"y": locked, "z": locked}))
    _copy_results(study, tree / RESULTS)
    return tree


def _copy_results(study, results):
    for name in (
        f"encoding/{SUBJECT}/all/alexnet_conv3.h5",
        *(f"splits/{SUBJECT}/all.{s}" for s in ("tsv", "json")),
    ):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(study.results / name, results / name)
    (results / "maps").mkdir()
    from pipeline.maps.files import map_images, write_map

    grid = {"grid_shape": np.array([4, 5, 6]), "affine": np.eye(4)}
    write_map(
        results / "maps/bert.nii.gz", *map_images(np.linspace(0, 1, 70), np.arange(70), grid), {}
    )
    surface = {"grid_shape": np.array([30, 0])}
    write_map(
        results / "maps/surface.func.gii",
        map_images(np.linspace(0, 1, 20), np.arange(20), surface)[0],
        {},
    )


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.stop()


# ---- what is done to a file

NUMBERS = [0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63)]
# a number or a text in a table, JSON or YAML
TOKEN = re.compile(rb"(?<![A-Za-z])-?[\d.]+|\"[^\"]*\"")
WORDS = ["nan", "-1", "1e308", "9" * 30, '""', "null", "[]", "{}", "true", "-0.5", "0", "\\ud800"]


@st.composite
def changes(draw, length):
    """A function of a file's content: bytes in, bytes out."""
    # headers decide most, and are short
    where = draw(st.one_of(st.integers(0, min(length, 600)), st.integers(0, length)))
    size = draw(st.integers(1, 64))
    kind = draw(
        st.sampled_from(
            ["flip", "flip", "number", "number", "insert", "delete", "truncate", "repeat", "word"]
        )
    )
    if kind == "flip":
        bit = draw(st.integers(0, 7))
        return lambda c: (
            c[:where] + bytes(b ^ (1 << bit) for b in c[where : where + 1]) + c[where + 1 :]
        )
    if kind == "number":
        number, width = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from([2, 4, 8]))
        order = draw(st.sampled_from(["little", "big"]))
        # sizes stand at multiples of their own
        place = where // width * width
        content = (number % 2 ** (8 * width)).to_bytes(width, order)
        return lambda c: c[:place] + content + c[place + width :]
    if kind == "insert":
        content = draw(st.binary(min_size=1, max_size=64))
        return lambda c: c[:where] + content + c[where:]
    if kind == "delete":
        return lambda c: c[:where] + c[where + size :]
    if kind == "truncate":
        return lambda c: c[:where]
    if kind == "repeat":
        times = draw(st.sampled_from([2, 50]))
        return lambda c: c[:where] + c[where : where + size] * times + c[where + size :]
    word = draw(st.sampled_from(WORDS)).encode()
    return lambda c: c[:where] + TOKEN.sub(lambda _: word, c[where:], count=1)


def inside_out(change, content: bytes) -> bytes:
    """What is compressed, changed inside: checksums of the compression do not tell."""
    return gzip.compress(change(gzip.decompress(content)), compresslevel=1)


@st.composite
def changed(draw, content: bytes, compressed: bool):
    """A content that was changed once or a few times, inside of a compression or outside."""
    inside = compressed and draw(st.booleans())
    length = len(gzip.decompress(content)) if inside else len(content)
    several = draw(st.lists(changes(length), min_size=1, max_size=3))
    for change in several:
        try:
            content = inside_out(change, content) if inside else change(content)
        except (OSError, EOFError):
            break
    return content


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hostile_file_is_read_rightly_or_refused_by_name(tree, worker, case):
    path = tree / case.file
    valid = path.read_bytes()
    hidden = _only(path)
    right = worker.read(case.reader, tree, path)
    assert right.what == "read", right

    @settings(
        max_examples=EXAMPLES,
        derandomize="HOSTILE_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changed(valid, path.suffix in (".gz", ".mgz")))
    def holds(content):
        rewrite(path, content)
        outcome = worker.read(case.reader, tree, path)
        assert outcome.what in ("read", "refused"), outcome
        if outcome.what == "refused":
            assert path.name in outcome.told or path.name.split(".")[0] in outcome.told, outcome
        elif case.guarded:
            assert outcome == right

    try:
        holds()
    finally:
        rewrite(path, valid)
        for other in hidden:
            other.with_name(other.name + ".hidden").rename(other)


def _only(path: Path) -> list[Path]:
    """Hide the same betas in the other format, which would be read instead."""
    others = [
        p
        for p in path.parent.glob("betas_session01.hdf5")
        if path.name.endswith(".nii.gz") and "betas_session" in path.name
    ]
    for other in others:
        other.rename(other.with_name(other.name + ".hidden"))
    return others
