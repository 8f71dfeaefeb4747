"""Maps in other spaces: what is planted comes out at its place, and left is left."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.image import resample_to_img
from scipy import stats
from whole_volumes import volume_to_mni, volume_to_native_surface

from encoding.inference.group import group_map
from pipeline.maps.files import map_images
from pipeline.nsd.layout import HEMISPHERES
from pipeline.nsd.map_spaces import open_target
from pipeline.nsd.sampling import KnownVoxels, sample
from pipeline.nsd.spaces import open_space
from pipeline.nsd.transforms import (
    mni_points,
    native_surface_to_fsaverage,
)

BETAS = "betas_fithrf_GLMdenoise_RR"
SHAPE = (7, 9, 8)
EVERYTHING = np.arange(np.prod(SHAPE))
inside = st.lists(st.tuples(*(st.floats(1, n) for n in SHAPE)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def volume(layout):
    return open_space(layout, "subj01", "func1mm", BETAS)


@pytest.fixture(scope="module")
def cortex(volume) -> np.ndarray:
    """The thin sheet of voxels that a study models."""
    return np.flatnonzero(volume.read_labels("nsdgeneral") >= 0)


def target(layout, volume, voxel, name):
    return open_target(layout, "subj01", volume.name, voxel, volume.geometry, name)


# ---- sampling of maps that only some voxels have


@given(inside, st.integers(0, 5))
def test_where_all_voxels_are_known_the_sampling_is_nsds(points, seed):
    values = np.random.default_rng(seed).normal(size=SHAPE)
    known = KnownVoxels(SHAPE, EVERYTHING, [np.array(points)])
    found = known.values(values.reshape(-1, 1))[:, 0]
    np.testing.assert_allclose(found, sample(values, np.array(points)), rtol=1e-5, atol=1e-6)


@given(inside, st.floats(-3, 3))
def test_a_constant_stays_constant_however_thin_the_sheet_of_known_voxels(points, value):
    sheet = EVERYTHING[EVERYTHING % SHAPE[2] == 4]
    points = np.array(points)
    found = KnownVoxels(SHAPE, sheet, [points]).values(np.full((len(sheet), 1), value))[:, 0]
    reached = np.abs(points[:, 2] - 5) < 0.49
    assert np.isfinite(found[reached]).all()
    np.testing.assert_allclose(found[np.isfinite(found)], value, rtol=1e-5, atol=1e-6)
    assert np.isnan(found[np.abs(points[:, 2] - 5) > 0.51]).all()


def test_every_map_keeps_its_own_unknown_voxels():
    values = np.random.default_rng(0).normal(size=(len(EVERYTHING), 3))
    values[100:200, 1] = np.nan
    points = np.argwhere(np.ones(SHAPE)) + 1.0
    found = KnownVoxels(SHAPE, EVERYTHING, [points]).values(values)
    np.testing.assert_allclose(found, values.astype(np.float32), rtol=1e-5)


def test_points_outside_the_volume_have_no_value():
    points = np.array([[9999.0] * 3, [5555.4] * 3, [0.9, 2, 2], [2, 2, 2]])
    known = KnownVoxels(SHAPE, EVERYTHING, [points])
    ones = np.ones((len(EVERYTHING), 1))
    assert np.isfinite(known.values(ones)[:, 0]).tolist() == [False, False, False, True]
    assert np.isfinite(known.labels(ones[:, 0])).tolist() == [False, False, False, True]


# ---- NSD's spaces


def test_maps_of_the_whole_volume_come_out_as_nsd_maps_them(layout, volume):
    everything = np.arange(volume.n_voxels)
    values = np.random.default_rng(1).normal(size=volume.shape)
    flat = values.reshape(-1, 1)
    native = [
        volume_to_native_surface(layout, "subj01", "func1mm", side, values) for side in HEMISPHERES
    ]
    ours = target(layout, volume, everything, "nativesurface").values(flat)[:, 0]
    np.testing.assert_allclose(ours, np.concatenate(native), rtol=1e-4, atol=1e-5)
    average = [
        native_surface_to_fsaverage(layout, "subj01", side, part)
        for side, part in zip(HEMISPHERES, native, strict=True)
    ]
    ours = target(layout, volume, everything, "fsaverage").values(flat)[:, 0]
    np.testing.assert_allclose(ours, np.concatenate(average), rtol=1e-4, atol=1e-5)
    mni = target(layout, volume, everything, "MNI152")
    (image,) = map_images(mni.values(flat)[:, 0], mni.place, mni.geometry)
    theirs = volume_to_mni(layout, "subj01", "func1mm", values)
    np.testing.assert_allclose(image.affine, theirs.affine)
    np.testing.assert_allclose(image.get_fdata(), theirs.get_fdata(), rtol=1e-4, atol=1e-5)


def test_a_patch_in_v1_is_at_v1_on_both_surfaces(layout, volume, cortex):
    """V1v is planted in the volume; NSD's labels of the surface say where it must come out."""
    planted = volume.read_labels("prf-visualrois")[cortex] == 1
    for name in ("nativesurface", "fsaverage"):
        surface = open_space(layout, "subj01", name, BETAS)
        labels = surface.read_labels("prf-visualrois")
        found = target(layout, volume, cortex, name).values(planted[:, None].astype(float))[:, 0]
        assert np.count_nonzero(labels == 1) > 5
        assert np.nanmean(found[labels == 1]) > 0.6
        assert np.nanmean(found[labels != 1]) < 0.05


def test_most_of_the_cortex_has_a_value_although_it_is_thin(layout, volume, cortex):
    values = np.ones((len(cortex), 1))
    surface = open_space(layout, "subj01", "nativesurface", BETAS)
    is_cortex = surface.read_labels("nsdgeneral") > 0
    found = target(layout, volume, cortex, "nativesurface").values(values)[:, 0]
    assert np.isfinite(found[is_cortex]).mean() > 0.9


@pytest.mark.parametrize("name", ["nativesurface", "fsaverage"])
def test_left_voxels_come_out_on_the_left_hemisphere(layout, volume, cortex, name):
    x = np.unravel_index(cortex, volume.shape)[0]
    centre = (volume.shape[0] - 1) / 2
    reached = target(layout, volume, cortex, name)
    found = reached.values((x - centre)[:, None])[:, 0]
    left, right = np.split(found, [reached.geometry["grid_shape"][0]])
    assert np.nanmean(left) < 0 < np.nanmean(right)
    assert np.nanmean(left < 1) > 0.95
    assert np.nanmean(right > -1) > 0.95


def test_left_is_left_in_mni(layout, volume, cortex):
    x = np.unravel_index(cortex, volume.shape)[0].astype(float)
    mni = target(layout, volume, cortex, "MNI152")
    assert nibabel.aff2axcodes(mni.geometry["affine"]) == ("R", "A", "S")
    found = mni.values(x[:, None])[:, 0]
    voxel = np.column_stack(np.unravel_index(mni.place, mni.geometry["grid_shape"]))
    world = nibabel.affines.apply_affine(mni.geometry["affine"], voxel)
    known = np.isfinite(found)
    assert np.corrcoef(world[known, 0], found[known])[0, 1] > 0.98


def test_labels_stay_labels_and_sets_outweigh(layout, volume, cortex):
    labels = volume.read_labels("prf-visualrois")[cortex].astype(float)
    labels[labels <= 0] = np.nan
    for name in ("nativesurface", "fsaverage", "MNI152"):
        reached = target(layout, volume, cortex, name)
        found = reached.labels(labels)
        assert set(found[np.isfinite(found)]) <= set(labels[np.isfinite(labels)])
        assert np.isfinite(found).any()
        everything = reached.inside(np.ones((len(cortex), 1), dtype=bool))[:, 0]
        nothing = reached.inside(np.zeros((len(cortex), 1), dtype=bool))[:, 0]
        known = np.isfinite(reached.values(np.ones((len(cortex), 1)))[:, 0])
        assert everything[known].all()
        assert not nothing.any()


def test_maps_from_the_native_surface_go_to_fsaverage_by_the_nearest_vertex(layout):
    surface = open_space(layout, "subj01", "nativesurface", BETAS)
    voxel = np.arange(3, surface.n_voxels, 2)
    values = np.random.default_rng(2).normal(size=len(voxel))
    reached = target(layout, surface, voxel, "fsaverage")
    found = reached.values(values[:, None])[:, 0]
    whole = np.full(surface.n_voxels, np.nan)
    whole[voxel] = values
    parts = np.split(whole, [surface.shape[0]])
    expected = [
        native_surface_to_fsaverage(layout, "subj01", side, part)
        for side, part in zip(HEMISPHERES, parts, strict=True)
    ]
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-6)


# ---- affines, in nilearn


def test_a_map_lies_on_nsds_own_volume(layout, volume, cortex):
    """Resampled onto NSD's mean image by affines alone, a map does not change; nor back again."""
    values = np.random.default_rng(3).normal(size=len(cortex))
    (image,) = map_images(values, cortex, volume.geometry)
    theirs = nibabel.load(layout.mean_image("subj01", "func1mm"))
    filled = nibabel.Nifti1Image(np.nan_to_num(image.get_fdata()), image.affine)
    moved = resample_to_img(filled, theirs, interpolation="nearest", copy_header=True)
    np.testing.assert_array_equal(moved.get_fdata(), filled.get_fdata())
    back = resample_to_img(moved, image, interpolation="nearest", copy_header=True)
    np.testing.assert_array_equal(back.get_fdata(), filled.get_fdata())


def test_the_mni_map_lies_on_nsds_template(layout, volume, cortex):
    mni = target(layout, volume, cortex, "MNI152")
    (image,) = map_images(np.arange(1.0, len(mni.place) + 1), mni.place, mni.geometry)
    filled = nibabel.Nifti1Image(np.nan_to_num(image.get_fdata()), image.affine)
    template = nibabel.load(layout.mni_template)
    # the template runs from right to left: only affines can tell
    assert np.sign(template.affine[0, 0]) != np.sign(image.affine[0, 0])
    moved = resample_to_img(filled, template, interpolation="nearest", copy_header=True)
    back = resample_to_img(moved, image, interpolation="nearest", copy_header=True)
    np.testing.assert_array_equal(back.get_fdata(), filled.get_fdata())
    points, affine = mni_points(layout, "subj01", "func1mm")
    assert points.shape[:3] == image.shape
    np.testing.assert_allclose(affine, image.affine)


# ---- group


def test_group_maps_are_scipys_t_tests_of_those_who_have_a_value():
    values = np.random.default_rng(4).normal(0.3, 1, (6, 40))
    values[1:4, 7] = np.nan
    values[:5, 8] = np.nan
    values[:, 9] = np.nan
    found = group_map(values)
    expected = stats.ttest_1samp(values, 0, nan_policy="omit")
    usable = found.n_subjects >= 2
    np.testing.assert_allclose(found.t[usable], np.asarray(expected.statistic)[usable])
    np.testing.assert_allclose(found.p_t[usable], np.asarray(expected.pvalue)[usable])
    np.testing.assert_allclose(found.mean[usable], np.nanmean(values[:, usable], axis=0))
    assert found.n_subjects[[7, 8, 9]].tolist() == [3, 1, 0]
    assert np.isnan(found.t[[8, 9]]).all()
    assert np.isnan(found.mean[[8, 9]]).all()
