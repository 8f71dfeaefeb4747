"""Surfaces are read as volumes are: images by voxels, whichever the space."""

from __future__ import annotations

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from conftest import damaged_copy, rewrite

from pipeline.errors import InputError
from pipeline.nsd.check import check_tree
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.noise_ceilings import recompute_ncsnr
from pipeline.nsd.responses import average_repeats
from pipeline.nsd.rois import read_colour_table, read_mask, read_roi_labels
from pipeline.nsd.sessions import SessionReader
from pipeline.nsd.spaces import open_space

BETAS = "betas_fithrf_GLMdenoise_RR"
SPACES = ("func1mm", "nativesurface", "fsaverage")
FOLDER = "nsddata_betas/ppdata/subj01"
ATLASES = ["prf-visualrois", "streams", "HCP_MMP1"]


@pytest.fixture
def layout(surface_tree):
    return NSDLayout(surface_tree)


@pytest.fixture(params=SPACES)
def space(request, layout):
    return open_space(layout, "subj01", request.param, BETAS)


def test_every_space_gives_images_by_voxels(space, layout):
    design, voxel = read_design(layout, "subj01"), read_mask(space, "nsdgeneral")
    assert (np.diff(voxel) > 0).all()
    reader = SessionReader(space, design)
    averaged = average_repeats(reader.sessions(voxel), design.images, len(voxel))
    assert averaged.responses.shape == (len(design.images), len(voxel))
    covered = averaged.n_valid_repeats.any(axis=0)
    assert 0.5 < covered.mean() < 1
    assert np.isnan(averaged.responses[:, ~covered]).all()


def test_a_session_is_nan_in_all_trials_of_a_voxel_or_in_none(space):
    missing = np.isnan(space.read_session(1, read_mask(space, "cortex")))
    assert np.array_equal(missing.any(axis=0), missing.all(axis=0))
    assert 0 < missing.all(axis=0).mean() < 0.6


def test_some_voxels_are_the_same_as_all_of_them(space):
    voxel = read_mask(space, "cortex")
    some = voxel[::7]
    whole, part = space.read_session(1, voxel), space.read_session(1, some)
    assert np.array_equal(whole[:, np.isin(voxel, some)], part, equal_nan=True)


def test_ncsnr_recomputed_from_the_betas_is_the_released_one(space, layout):
    voxel = read_mask(space, "nsdgeneral")
    recomputed = recompute_ncsnr(space, read_design(layout, "subj01"), voxel)
    released = space.read_ncsnr()[voxel]
    assert np.array_equal(np.isnan(recomputed), np.isnan(released))
    noise = [1 / (1 + ncsnr**2) for ncsnr in (recomputed, released)]
    assert np.nanmax(np.abs(noise[0] - noise[1])) < 1e-5


def test_hemispheres_share_no_voxel_and_together_are_everything(space):
    left, right = (space.read_labels("streams", hemisphere) for hemisphere in ("lh", "rh"))
    both = space.read_labels("streams")
    assert not ((left >= 0) & (right >= 0)).any()
    assert np.array_equal(np.where(left >= 0, left, right), both)


def test_rois_have_the_names_of_their_colour_table_on_both_hemispheres(space):
    labels = read_roi_labels(space, ATLASES, read_mask(space, "nsdgeneral"))
    visual = labels[labels["roi"] == "V1v"]
    assert set(visual["hemisphere"]) == {"lh", "rh"}
    assert set(labels.loc[labels["atlas"] == "HCP_MMP1", "roi"]) <= set(
        read_colour_table(space.layout, "subj01", "HCP_MMP1").values()
    )


def test_an_area_whose_name_is_a_number_keeps_it_as_a_name(layout):
    names = read_colour_table(layout, "subj01", "HCP_MMP1")
    assert names[8] == "4"
    assert 0 not in names


def test_subcortical_rois_have_no_minus_one_and_names_of_several_words(layout):
    space = open_space(layout, "subj01", "func1mm", BETAS)
    names = read_colour_table(layout, "subj01", "MTL")
    assert names[2] == "area 35"
    assert set(np.unique(space.read_labels("MTL"))) == {0, *names}
    left, right = (space.read_labels("MTL", hemisphere) for hemisphere in ("lh", "rh"))
    assert np.array_equal(left + right, space.read_labels("MTL"))
    labels = read_roi_labels(space, ["MTL"], np.flatnonzero(space.read_labels("MTL") > 0))
    assert set(labels["hemisphere"]) == {"lh", "rh"}


def test_rois_drawn_on_the_subject_come_to_fsaverage_by_its_nearest_vertices(layout):
    assert not layout.surface_roi("fsaverage", "prf-visualrois", "lh").exists()
    native = open_space(layout, "subj01", "nativesurface", BETAS)
    average = open_space(layout, "subj01", "fsaverage", BETAS)
    path = layout.surface_transform("subj01", "lh", "white", "fsaverage")
    nearest = np.asanyarray(nibabel.load(path).dataobj).ravel().astype(int) - 1
    labels = native.read_labels("prf-visualrois")[: native.shape[0]]
    assert np.array_equal(
        average.read_labels("prf-visualrois")[: average.shape[0]], labels[nearest]
    )


def test_native_betas_are_300ths_and_fsaverages_are_percent(layout):
    vertex = 11
    for name, unit in (("nativesurface", 300), ("fsaverage", 1)):
        space = open_space(layout, "subj01", name, BETAS)
        right = np.array([space.shape[0] + vertex])
        betas = space.read_session(1, right)[:, 0]
        path = layout.surface_betas("subj01", name, BETAS, 1, "rh")
        if name == "nativesurface":
            with h5py.File(path) as file:
                assert file["betas"].shape == (750, space.shape[1])
                stored = file["betas"][:, vertex]
        else:
            image = nibabel.load(path)
            assert image.shape == (space.shape[1], 1, 1, 750)
            assert image.get_data_dtype() == np.dtype(">f4")
            stored = np.asanyarray(image.dataobj)[vertex, 0, 0]
        assert np.isfinite(betas).all()
        assert np.allclose(betas, stored / unit)


def test_a_surface_study_checks_its_files(layout):
    for name in SPACES:
        summary = check_tree(layout, ["subj01"], name, BETAS, ATLASES, annotations=["captions"])
        assert summary["subj01"]["sessions"] == 1


# ---- damages


def nan_in_one_trial(path):
    image = nibabel.load(path)
    data = np.array(image.dataobj)
    data[11, 0, 0, 5] = np.nan
    path.unlink()
    nibabel.MGHImage(data, image.affine).to_filename(path)


def other_vertices(path):
    path.unlink()
    nibabel.MGHImage(np.ones((9, 1, 1), np.float32), np.eye(4)).to_filename(path)


def truncate(path):
    rewrite(path, path.read_bytes()[:400])


def fraction_as_label(path):
    image = nibabel.load(path)
    labels = np.array(image.dataobj, dtype=np.float32)
    labels[5] = 0.5
    path.unlink()
    nibabel.MGHImage(labels, image.affine).to_filename(path)


SURFACES = "../../../../../nsddata/freesurfer/subj01/surf"
LABELS = "../../../../../nsddata/freesurfer/subj01/label"
DAMAGES = {
    "no hemisphere": ("nativesurface", "rh.betas_session01.hdf5", Path.unlink, "not found"),
    "truncated HDF5": ("nativesurface", "lh.betas_session01.hdf5", truncate, "truncated"),
    "ncsnr of other vertices": ("nativesurface", "lh.ncsnr.mgh", other_vertices, "grid (9,)"),
    "truncated betas": ("fsaverage", "lh.betas_session01.mgh", truncate, "truncated"),
    "betas of other vertices": ("fsaverage", "rh.betas_session01.mgh", other_vertices, "grid (9,)"),
    "no ncsnr": ("fsaverage", "rh.ncsnr.mgh", Path.unlink, "not found"),
    "no surface": ("nativesurface", f"{SURFACES}/lh.inflated", Path.unlink, "not found"),
    "truncated surface": ("nativesurface", f"{SURFACES}/rh.inflated", truncate, "truncated"),
    "fraction as native label": (
        *("nativesurface", f"{LABELS}/rh.prf-visualrois.mgz", fraction_as_label),
        "has the label 0.5, expected -1, 0, 1",
    ),
    "fraction as label brought to fsaverage": (
        *("fsaverage", f"{LABELS}/rh.prf-visualrois.mgz", fraction_as_label),
        "has the label 0.5, expected -1, 0, 1",
    ),
    "no labels": ("fsaverage", f"{LABELS}/lh.prf-visualrois.mgz", Path.unlink, "not found"),
}


@pytest.mark.parametrize(("name", "file", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_surface_file_is_told_before_long_work(
    surface_tree, tmp_path, name, file, damage, message
):
    tree = damaged_copy(surface_tree, tmp_path)
    path = (tree / FOLDER / name / BETAS / file).resolve()
    damage(path)
    with pytest.raises(InputError) as error:
        check_tree(NSDLayout(tree), ["subj01"], name, BETAS, ["prf-visualrois"], [])
    assert message in str(error.value)
    assert path.name in str(error.value)


def test_nan_in_a_single_trial_is_told_when_it_is_read(surface_tree, tmp_path):
    tree = damaged_copy(surface_tree, tmp_path)
    nan_in_one_trial(tree / FOLDER / "fsaverage" / BETAS / "lh.betas_session01.mgh")
    space = open_space(NSDLayout(tree), "subj01", "fsaverage", BETAS)
    with pytest.raises(InputError, match=r"lh\.betas_session01\.mgh: NaNs in betas of single"):
        space.read_session(1, np.array([11]))
