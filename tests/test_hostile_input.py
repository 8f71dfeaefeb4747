"""Whatever is done to a file from outside: the right values, or an error of ours that names it."""

from __future__ import annotations

import ast
import copy
import gzip
import importlib.util
import itertools
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fuzz
import h5py
import nibabel
import numpy as np
import pytest
import scipy.io
import yaml
from conftest import ROOT, damaged_copy, rewrite
from hostile import BETAS, SUBJECT, Worker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import frozen_run, reading
from pipeline.configuration import parse_configuration
from pipeline.errors import InputError
from pipeline.manifest import read_manifest
from pipeline.maps.files import map_images, write_map
from pipeline.nsd.clipping import clip_mask
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.matlab import require_sizes

# many more in `make soak`
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "30"))
# of a search of each kind of file
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
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

    with damaged(path):
        right = worker.read(case.reader, tree, path)
        assert right.what == "read", right
        holds()


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """What is done to a file inside of the block is undone."""
    valid, hidden = path.read_bytes(), _only(path)
    try:
        yield
    finally:
        rewrite(path, valid)
        for other in hidden:
            other.with_name(other.name + ".hidden").rename(other)


# minutes for each kind, and atheris is built for few platforms: `make soak` searches
UNSEARCHED = "NOT TESTED: a search of minutes: FUZZ_SECONDS is not set, or atheris not installed"


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=name) for name, case in CASES.items()]
    if FUZZ_SECONDS and importlib.util.find_spec("atheris")
    else [pytest.param(None, id="no file", marks=pytest.mark.skip(reason=UNSEARCHED))],
)
def test_a_search_guided_by_coverage_finds_no_file_that_breaks_a_reader(tree, tmp_path, case):
    path = tree / case.file
    with damaged(path):
        found = fuzz.search(case.reader, tree, path, case.guarded, FUZZ_SECONDS, tmp_path)
        # shown by `pytest -s`
        print(f"{case.file}: {found.executions} files read")
        assert not found.told, found.told
    assert found.executions > 0


def test_a_search_finds_a_reader_that_breaks_and_tells_how(tree, tmp_path):
    """A table in which not every change must be noticed, as if it must."""
    pytest.importorskip("atheris", reason="NOT TESTED: atheris is not installed")
    path = tree / CASES["colour table"].file
    with damaged(path):
        found = fuzz.search("colour table", tree, path, True, 20, tmp_path)
    assert "altered, and read as if it were not" in found.told
    assert list(tmp_path.glob("crash-*"))


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


LETTERS = "bcdefghijklmnop"


# ---- structures that are wrong, and bytes that are right


def write_design(tree, **changes):
    path = tree / CASES["MAT"].file
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    path.unlink()
    scipy.io.savemat(path, {**content, **{k: v(content[k]) for k, v in changes.items()}})


def as_objects(values):
    cells = np.empty(values.shape, object)
    cells[:] = [[np.array([[value]]) for value in row] for row in values]
    return cells


def with_nan(values):
    values = values.astype(float)
    values[0, 0] = np.nan
    return values


def below_one(values):
    values = values.astype(np.int32)
    values[0, 0] = -1
    return values


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (as_objects, "masterordering is not a matrix of numbers"),
        (lambda values: {"a": values}, "masterordering is not a matrix of numbers"),
        (with_nan, "masterordering holds something that is no whole number"),
        (below_one, "masterordering leaves the range"),
        (lambda values: np.zeros((0, 0)), "masterordering leaves the range"),
        (lambda values: values + 0.5j, "masterordering is not a matrix of numbers"),
    ],
)
def test_only_matrices_of_numbers_are_taken_from_matlab(tree, tmp_path, change, told):
    copied = damaged_copy(tree, tmp_path)
    write_design(copied, masterordering=change)
    with pytest.raises(InputError, match=rf"nsd_expdesign\.mat: {told}"):
        read_design(NSDLayout(copied), SUBJECT)


MATLAB_SIZES = [128 + 4, 128 + 8 + 4, 128 + 24 + 4, 128 + 40 + 4]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("place", MATLAB_SIZES)
def test_a_size_in_a_matlab_file_that_is_larger_than_what_it_lies_in_is_refused(
    worker, tree, tmp_path, place, compressed
):
    """Sizes of a variable, its flags, its dimensions and its name: each would be allocated."""
    copied = damaged_copy(tree, tmp_path)
    path = copied / CASES["MAT"].file
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    path.unlink()
    scipy.io.savemat(path, content)
    changed = bytearray(path.read_bytes())
    changed[place : place + 4] = (2**31 - 8).to_bytes(4, "little")
    if compressed:
        element = zlib.compress(bytes(changed[128:]))
        tag = (15).to_bytes(4, "little") + len(element).to_bytes(4, "little")
        changed[128:] = tag + element
    rewrite(path, bytes(changed))
    outcome = worker.read("design", copied, path)
    assert outcome.what == "refused"
    assert "nsd_expdesign.mat: not a readable MATLAB v5 file (an element of" in outcome.told


@pytest.mark.parametrize("compressed", [False, True])
def test_cells_of_a_matlab_file_that_are_more_than_its_bytes_are_refused(tmp_path, compressed):
    path = tmp_path / "cells.mat"
    cells = np.empty((2, 3), object)
    cells[:] = [[np.arange(4)] * 3] * 2
    scipy.io.savemat(path, {"cells": cells, "inside": {"of": cells}}, do_compression=compressed)
    require_sizes(path)
    scipy.io.savemat(path, {"cells": cells})
    content = path.read_bytes()
    rewrite(path, content.replace(b"\2\0\0\0\3\0\0\0", b"\0\0\0\7\3\0\0\0", 1))
    with pytest.raises(ValueError, match="matrices in a matrix of"):
        require_sizes(path)


@pytest.mark.parametrize("kind", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_images_that_are_not_of_real_numbers_are_refused(worker, tree, tmp_path, kind):
    copied = damaged_copy(tree, tmp_path)
    path = copied / CASES["NIfTI labels"].file
    shape = nibabel.load(path).shape
    path.unlink()
    nibabel.Nifti1Image(np.zeros(shape, kind), np.eye(4)).to_filename(path)
    outcome = worker.read("labels", copied, path)
    assert outcome.what == "refused"
    assert "expected numbers" in outcome.told


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("start", [352 + 32, 0])
@pytest.mark.parametrize("size", [2**31 - 16, -16, 0, 4096])
def test_an_extension_of_a_header_that_does_not_fit_before_the_data_is_refused(
    worker, tree, tmp_path, size, start, order
):
    """A size that is believed would be allocated before a byte of it is read."""
    copied = damaged_copy(tree, tmp_path)
    path = copied / CASES["NIfTI labels"].file
    content = bytearray(gzip.decompress(path.read_bytes()))
    header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
    header["vox_offset"] = start
    content[:348] = header.as_byteswapped(order).binaryblock
    definition = size.to_bytes(4, "little" if order == "<" else "big", signed=True) + bytes(28)
    rewrite(path, gzip.compress(bytes(content[:348]) + b"\1\0\0\0" + definition + content[352:]))
    outcome = worker.read("labels", copied, path)
    assert outcome.what == "refused"
    assert f"an extension of {size} bytes" in outcome.told


def test_an_extension_of_a_header_is_read_over(worker, tree, tmp_path):
    copied = damaged_copy(tree, tmp_path)
    path = copied / CASES["NIfTI labels"].file
    right = worker.read("labels", copied, path)
    labels = nibabel.load(path)
    image = nibabel.Nifti1Image(np.asanyarray(labels.dataobj), labels.affine)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"seen by hand"))
    path.unlink()
    image.to_filename(path)
    assert worker.read("labels", copied, path) == right


@pytest.mark.parametrize("value", [np.float32(3e9), np.float32(1e30), np.float32(-2)])
def test_a_label_that_no_integer_holds_is_refused_rather_than_wrapped(
    worker, tree, tmp_path, value
):
    copied = damaged_copy(tree, tmp_path)
    path = copied / CASES["NIfTI labels"].file
    image = nibabel.load(path)
    labels = np.zeros(image.shape, np.float32)
    labels[3, 3, 3] = value
    path.unlink()
    nibabel.Nifti1Image(labels, image.affine).to_filename(path)
    outcome = worker.read("labels", copied, path)
    assert outcome.what == "refused"
    assert "has the label" in outcome.told


@pytest.mark.parametrize("axes", [(5, 3, 425, 425), (2**40, 425, 425, 3), (8, 425, 425, 4)])
def test_stimuli_of_other_axes_or_of_more_than_the_file_holds_are_refused(
    worker, tree, tmp_path, axes
):
    copied = damaged_copy(tree, tmp_path)
    (copied / STIMULI).unlink()
    with h5py.File(copied / STIMULI, "w") as file:
        file.create_dataset("imgBrick", axes, np.uint8)
    outcome = worker.read("stimuli", copied, copied / STIMULI)
    assert outcome.what == "refused"
    assert "nsd_stimuli.hdf5" in outcome.told


@pytest.mark.parametrize(
    "text",
    [
        "b: &b [x, x]\n"
        + "".join(
            f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in itertools.pairwise(LETTERS)
        ),
        "study: &a [*a]",
        "[" * 5000,
        "!!python/object/apply:os.system [touch executed]",
        "study: !!python/name:os.system",
        "? [a, b]\n: c",
        "12: 3",
    ],
    ids=["aliases", "circle", "depth", "execution", "name", "list as key", "number as key"],
)
@pytest.mark.parametrize("reader", ["configuration", "manifest"])
def test_yaml_neither_unfolds_without_end_nor_runs_anything(worker, tmp_path, text, reader):
    path = tmp_path / "hostile.yaml"
    path.write_text(text)
    outcome = worker.read(reader, tmp_path, path)
    assert outcome.what == "refused", outcome
    assert "hostile.yaml" in outcome.told
    assert not list(ROOT.glob("executed"))


@pytest.mark.parametrize("size", [[10**9, 10**9], [-5, -5], [1, 2**62]])
def test_a_mask_larger_than_any_picture_is_not_drawn(size):
    counts = [size[0] * size[1]]
    with pytest.raises(ValueError, match="a size of"):
        clip_mask({"size": size, "counts": counts}, (0, 0, 10, 10))


# ---- nothing is executed from data


SAFE = {"allow_pickle": "False", "shell": "False", "trust_remote_code": "False", "verify": "True"}
FORBIDDEN = {"eval", "exec", "__import__", "compile"}


def calls(tree: ast.AST):
    """(name, call) of every call in a source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


# by the names that sources give them
SAFE_LOADERS = {"LOADER": frozen_run.LOADER, "_UniqueKeys": reading._UniqueKeys}


def test_loaders_of_yaml_make_plain_values_alone():
    safe = yaml.SafeLoader, yaml.CSafeLoader
    assert all(issubclass(loader, safe) for loader in SAFE_LOADERS.values())
    assert dangers("yaml.load(text, Loader=yaml.Loader)") == ["yaml.load"]


def dangers(source: str) -> list[str]:
    """Ways by which data could be executed."""
    found = []
    tree = ast.parse(source)
    for name, call in calls(tree):
        said = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name in FORBIDDEN or name in ("os.system", "os.popen"):
            found.append(name)
        if re.search(r"(pickle|joblib|dill|marshal|shelve)\b", name):
            found.append(name)
        if name == "torch.load" and said.get("weights_only") != "True":
            found.append(name)
        safe = name == "yaml.load" and said.get("Loader") in SAFE_LOADERS
        if re.fullmatch(r"yaml\.(load|unsafe_load|full_load|load_all)", name) and not safe:
            found.append(name)
        if any(said.get(word, safe) != safe for word, safe in SAFE.items()):
            found.append(name)
    modules = [n for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names]
    return found + [m.name for m in modules if m.name in ("pickle", "marshal", "shelve", "dill")]


@pytest.mark.parametrize("house", ["features", "encoding", "pipeline"])
def test_no_source_loads_pickles_runs_text_or_skips_certificates(house):
    sources = list((ROOT / house).rglob("*.py"))
    assert len(sources) > 5
    for path in sources:
        assert not dangers(path.read_text()), path


@pytest.mark.parametrize(
    "source",
    [
        "np.load(path, allow_pickle=True)",
        "pickle.load(file)",
        "import pickle",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "requests.get(address, verify=False)",
    ],
)
def test_a_danger_would_be_seen(source):
    assert dangers(source)


# ---- paths stay in their folders


OUTSIDE = ["../secret", "a/../../secret", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "a\0b", "~x"]
NAMED = {
    "study": lambda values, name: values.update(study=name),
    "stimulus set": lambda values, name: values.update(stimulus_set=name),
    "subject": lambda values, name: values.update(subjects=[name]),
    "space": lambda values, name: values["responses"].update(space=name),
    "betas": lambda values, name: values["responses"].update(betas=name),
    "network": lambda values, name: values["networks"].update(
        {name: values["networks"]["alexnet"]}
    ),
    "feature space": lambda values, name: values["feature_spaces"].update(
        {name: values["feature_spaces"]["bert"]}
    ),
    "model": lambda values, name: values["models"].append(name),
    "contrast": lambda values, name: values["contrasts"].update({name: ["alexnet", "bert"]}),
    "variant": lambda values, name: values.update(variants={name: {"training_images": 60}}),
    "atlas": lambda values, name: values["rois"].append(name),
    "map space": lambda values, name: values["maps"].update(spaces=[name]),
    "layerwise": lambda values, name: values.update(layerwise={name: ["alexnet_conv3", "alexnet"]}),
}


@pytest.mark.parametrize("part", NAMED)
@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_in_a_configuration_leads_out_of_its_folder(tiny_values, part, name):
    values = copy.deepcopy(tiny_values)
    NAMED[part](values, name)
    with pytest.raises(InputError):
        parse_configuration(values)


LEADING_OUT = ["../x", "a/../../x", "/etc/passwd", "a\\..\\b"]


@pytest.mark.parametrize("path", [*LEADING_OUT, "{subject.__class__}", "{0}", "{roi!r}"])
@pytest.mark.parametrize("key", ["path", "alternative"])
def test_no_path_in_the_manifest_leads_out_of_the_folder_of_nsd(tmp_path, path, key):
    values = yaml.safe_load((ROOT / "data_manifest.yaml").read_text())
    values["files"][0][key] = path
    (tmp_path / "data_manifest.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=r"leaves its folder|unknown placeholder"):
        read_manifest(tmp_path / "data_manifest.yaml")


@pytest.mark.parametrize("path", ["weights/../../x.pt", "/x.pt"])
def test_no_checkpoint_leads_out_of_the_folder_of_weights(tmp_path, path):
    values = yaml.safe_load((ROOT / "data_manifest.yaml").read_text())
    values["weights"][0]["path"] = path
    (tmp_path / "data_manifest.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match="leaves its folder"):
        read_manifest(tmp_path / "data_manifest.yaml")
