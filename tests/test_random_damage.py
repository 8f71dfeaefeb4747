"""Every kind of file that is read, cut short, damaged anywhere or mixed up with another.

It is read, or refused in an error of ours that names it, whatever a library says of it. Results of
the workflow are in tests/test_corruption.py: there every change must be noticed.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import test_damages as damages
from conftest import ROOT, TINY, damaged_copy, rewrite
from PIL import Image
from test_damages import SUBJECT, VOLUME

from pipeline.configuration.reading import read_configuration
from pipeline.errors import InputError
from pipeline.nsd.design import read_design
from pipeline.nsd.fetch.lock import Lock
from pipeline.nsd.files import read_mesh, read_morphometry, read_vertices
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import read_manifest
from pipeline.nsd.rois import read_colour_table
from pipeline.nsd.spaces import open_space
from pipeline.nsd.transforms import mni_points, nearest_native_vertices, surface_points
from pipeline.simulation.photographs import _read_square

pytestmark = pytest.mark.robustness

N_IMAGES, N_VERTICES = 8, 643
# where headers are, which decide most
HEADER = 600


def space(tree):
    return open_space(NSDLayout(tree), SUBJECT, VOLUME, damages.BETAS)


def design(tree):
    return read_design(NSDLayout(tree), SUBJECT)


# {file: what reads it, given the tree that it lies in}
READERS: dict[str, Callable[[Path], object]] = {
    damages.S2: damages.volume_session,
    damages.S2_NIFTI: damages.volume_session,
    damages.VALID: damages.volume_session,
    damages.FSAVERAGE_LEFT: damages.fsaverage_session,
    damages.STIMULI: damages.images,
    damages.MASK: lambda tree: space(tree).shape,
    damages.FACES: lambda tree: space(tree).read_labels("floc-faces", "lh"),
    damages.RIGHT_AREAS: lambda tree: read_vertices(tree / damages.RIGHT_AREAS),
    f"{damages.SESSIONS}/ncsnr.nii.gz": lambda tree: space(tree).read_ncsnr(),
    damages.TO_MNI: lambda tree: mni_points(NSDLayout(tree), SUBJECT, VOLUME),
    damages.TO_LAYER: lambda tree: surface_points(NSDLayout(tree), SUBJECT, VOLUME, "lh"),
    damages.TO_FSAVERAGE: lambda tree: nearest_native_vertices(
        NSDLayout(tree), SUBJECT, "lh", N_VERTICES
    ),
    damages.INFLATED: lambda tree: read_mesh(tree / damages.INFLATED, 658),
    damages.SULC: lambda tree: read_morphometry(tree / damages.SULC),
    damages.DESIGN: design,
    damages.CSV: design,
    damages.BEHAVIOUR: design,
    damages.CAPTIONS: damages.captions,
    damages.INSTANCES: damages.instances,
    damages.AREAS: lambda tree: read_colour_table(NSDLayout(tree), SUBJECT, "prf-visualrois"),
    "photograph.png": lambda tree: _read_square(tree / "photograph.png"),
    "tiny.yaml": lambda tree: read_configuration(tree / "tiny.yaml"),
    "data_manifest.yaml": lambda tree: read_manifest(tree / "data_manifest.yaml"),
    "data_manifest.lock.json": Lock,
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = damages.simulate_undamaged(tmp_path_factory.mktemp("undamaged"))
    generator = np.random.default_rng(0)
    (tree / damages.STIMULI).unlink()
    with h5py.File(tree / damages.STIMULI, "w") as file:
        file["imgBrick"] = generator.integers(0, 256, (N_IMAGES, 425, 425, 3), np.uint8)
    picture = generator.integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(picture).save(tree / "photograph.png")
    shutil.copy(TINY, tree / "tiny.yaml")
    shutil.copy(ROOT / "data_manifest.yaml", tree)
    locked = {"address": "s3://x/y", "bytes": 3, "etag": None, "sha256": "0" * 64}
    (tree / "data_manifest.lock.json").write_text(json.dumps({"y": locked, "z": locked}))
    return tree


def damaged(content: bytes, generator: np.random.Generator):
    """Contents that were cut short, have a hole, or of which a few bits were flipped."""
    for end in (1, 100, *generator.integers(0, len(content), 4), len(content) - 1):
        yield content[:end]
    for most in [HEADER] * 8 + [len(content)] * 8:
        place = int(generator.integers(0, min(most, len(content))))
        size = int(generator.integers(1, 4096))
        yield content[:place] + bytes(len(content[place : place + size])) + content[place + size :]
        flipped = bytes([content[place] ^ 1 << generator.integers(0, 8)])
        yield content[:place] + flipped + content[place + 1 :]


def contents(valid: bytes, name: str, generator: np.random.Generator):
    yield from damaged(valid, generator)
    # by a program that compresses again what it read wrongly: no checksum tells
    if name.endswith(("gz", "mgz")):
        yield from (gzip.compress(c, 1) for c in damaged(gzip.decompress(valid), generator))


def refused(read: Callable[[Path], object], tree: Path) -> str:
    """Why a tree is refused; nothing if it is not."""
    try:
        read(tree)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_damaged_anywhere_is_read_or_refused_by_name(tree, tmp_path, name):
    tree = damaged_copy(tree, tmp_path)
    path = tree / name
    if name == damages.S2_NIFTI:
        # which would be read instead
        (tree / damages.S2).unlink()
    valid, others = path.read_bytes(), {Path(n).suffix: tree / n for n in READERS if n != name}
    READERS[name](tree)
    generator = np.random.default_rng(0)
    mixed = [other.read_bytes() for other in others.values() if other.exists()]
    for number, content in enumerate([*contents(valid, name, generator), *mixed]):
        rewrite(path, content)
        reported = refused(READERS[name], tree)
        assert not reported or path.name.split(".")[0] in reported, (number, reported)
