"""What pycortex reads: surfaces as GIFTI, and values of both hemispheres in one array."""

from __future__ import annotations

import subprocess
import sys

import nibabel
import numpy as np
import pytest
from conftest import ENVIRON

from pipeline.dataset.anatomy import Anatomy, open_anatomy
from pipeline.errors import InputError
from pipeline.maps.files import map_images, map_names, read_map, write_map
from pipeline.maps.pycortex import FOLDERS, export, vertex_data, vertex_views, write_subject
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces import open_space
from pipeline.results.metadata import write_metadata


@pytest.mark.parametrize("subject", ["subj01", "fsaverage"])
def test_surfaces_are_nsds_own(surface_tree, tmp_path, subject):
    layout = NSDLayout(surface_tree)
    folder = write_subject(open_anatomy(surface_tree, subject, "func1mm"), subject, tmp_path)
    for ours, theirs in (("wm", "white"), ("pia", "pial"), ("inflated", "inflated")):
        for side in ("lh", "rh"):
            image = nibabel.load(folder / f"surfaces/{ours}_{side}.gii")
            points, faces = image.agg_data(("pointset", "triangle"))
            expected = nibabel.freesurfer.read_geometry(layout.surface(subject, side, theirs))
            np.testing.assert_allclose(points, expected[0], rtol=1e-6)
            np.testing.assert_array_equal(faces, expected[1])
    # pycortex's own Database lists these, and stops where one is missing
    assert {path.name for path in folder.iterdir()} == set(FOLDERS)
    depth = np.load(folder / "surface-info/sulcaldepth.npz")
    for side, name in (("lh", "left"), ("rh", "right")):
        sulc = nibabel.freesurfer.read_morph_data(layout.surface(subject, side, "sulc"))
        # cortex.freesurfer.import_subj saves left=-lh, right=-rh
        np.testing.assert_allclose(depth[name], -sulc)
        structure = image_of(folder, side).meta["AnatomicalStructurePrimary"]
        assert structure == f"Cortex{name.capitalize()}"


def image_of(folder, side):
    return nibabel.load(folder / f"surfaces/wm_{side}.gii")


def test_values_are_those_of_the_left_then_of_the_right_vertices(surface_tree, tmp_path):
    space = open_space(NSDLayout(surface_tree), "subj01", "nativesurface", "")
    values = np.arange(space.n_voxels, dtype=np.float32)
    names = map_names("subj01", "nativesurface", "stat-ceiling")
    images = map_images(values, values.astype(int), space.geometry)
    for name, image in zip(names, images, strict=True):
        write_map(tmp_path / name, image, {})
    np.testing.assert_array_equal(vertex_data([tmp_path / name for name in names]), values)


def test_without_pycortex_the_way_to_it_is_reported(monkeypatch):
    # as if it were not installed, where it is
    monkeypatch.setitem(sys.modules, "cortex", None)
    with pytest.raises(InputError, match="pip install pycortex"):
        vertex_views({}, "subj01", 1.0)


def test_a_finished_subject_is_exported_from_the_terminal(study, tmp_path):
    command = ["python", "-m", "pipeline", "pycortex", "subj01", str(tmp_path)]
    done = subprocess.run(
        [*command, "--configfile", str(study.configuration)],
        check=True,
        capture_output=True,
        text=True,
        cwd=study.directory,
        env=ENVIRON,
    )
    folder = tmp_path / "subj01"
    assert str(folder) in done.stdout
    maps = study.results / "maps/subj01/all/bert"
    names = map_names("subj01", "nativesurface", "model-bert_stat-r")
    values = np.load(folder / "vertex/model-bert_stat-r.npy")
    np.testing.assert_array_equal(values, np.concatenate([read_map(maps / n) for n in names]))
    points = [nibabel.load(folder / f"surfaces/pia_{side}.gii") for side in ("lh", "rh")]
    assert len(values) == sum(len(image.agg_data("pointset")) for image in points)


def test_without_maps_on_native_surfaces_there_is_nothing_to_export(tmp_path):
    reported = {"space": "MNI152", "units": "R²", "entities": "stat-ceiling"}
    write_metadata(tmp_path / "index.json", {"maps": {"a.nii.gz": reported}})
    with pytest.raises(InputError, match=r"add it to `maps\.spaces`"):
        export(Anatomy(), "subj01", tmp_path, tmp_path)
