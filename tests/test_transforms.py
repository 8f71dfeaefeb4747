"""From volumes to surfaces and MNI: NSD's interpolation, its bounds, and its own surface betas."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from conftest import damaged_copy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from whole_volumes import labels_to_native_surface, volume_to_mni, volume_to_native_surface

from pipeline.nsd.layout import HEMISPHERES, NSDLayout
from pipeline.nsd.sampling import sample, winner_take_all
from pipeline.nsd.spaces import open_space
from pipeline.nsd.transforms import native_surface_to_fsaverage

SPACE, BETAS = "func1mm", "betas_fithrf_GLMdenoise_RR"
SHAPE = (7, 9, 8)
inside = st.tuples(*(st.floats(1, n) for n in SHAPE))


def coordinates(shape=SHAPE) -> np.ndarray:
    """1-based coordinates (X, Y, Z, 3) of the voxels' centres."""
    return np.stack(np.meshgrid(*(np.arange(1, n + 1) for n in shape), indexing="ij"), axis=-1)


# ---- interpolation


@given(
    st.lists(inside, min_size=1, max_size=20), st.lists(st.floats(-1, 1), min_size=4, max_size=4)
)
def test_cubic_and_linear_reproduce_a_plane_away_from_the_edge(points, slopes):
    points = np.clip(points, 2, np.array(SHAPE) - 1)
    volume = coordinates() @ slopes[:3] + slopes[3]
    for interpolation in ("cubic", "linear"):
        expected = points @ slopes[:3] + slopes[3]
        assert np.allclose(sample(volume, points, interpolation), expected)


def test_cubic_is_keys_convolution_and_reproduces_a_parabola():
    points = np.random.default_rng(0).uniform(2, np.array(SHAPE) - 1, (50, 3))
    volume = (coordinates() ** 2).sum(axis=-1)
    assert np.allclose(sample(volume, points), (points**2).sum(axis=1))


def test_cubic_is_the_catmull_rom_of_pillow():
    """Pillow's bicubic has the same kernel, a = -1/2, in two dimensions."""
    picture = np.random.default_rng(1).normal(size=(12, 15)).astype(np.float32)
    factor = 4
    large = np.asarray(
        Image.fromarray(picture).resize((15 * factor, 12 * factor), Image.Resampling.BICUBIC)
    )
    rows, columns = np.meshgrid(*(np.arange(n * factor) for n in picture.shape), indexing="ij")
    centre = (np.stack([rows, columns], axis=-1).reshape(-1, 2) + 0.5) / factor + 0.5
    volume = np.repeat(picture[:, :, None], 3, axis=2)
    points = np.column_stack([centre, np.full(len(centre), 2.0)])
    ours = sample(volume, points).reshape(large.shape)
    # Pillow leaves out what lies beyond the edge, NSD repeats the edge
    away = (slice(2 * factor, -2 * factor),) * 2
    assert np.allclose(ours[away], large[away], atol=1e-5)


def test_a_voxels_centre_has_the_voxels_value():
    volume = np.random.default_rng(2).normal(size=SHAPE)
    points = coordinates().reshape(-1, 3)
    for interpolation in ("cubic", "linear", "nearest"):
        assert np.allclose(sample(volume, points, interpolation), volume.ravel())


def test_the_first_and_last_plane_are_inside_and_beyond_them_is_nan():
    volume = np.ones(SHAPE)
    points = [[1, 1, 1], SHAPE, [0.99, 2, 2], [7.01, 2, 2], [9999] * 3, [5555.44] * 3, [-3, 2, 2]]
    for interpolation in ("cubic", "linear", "nearest"):
        values = sample(volume, np.array(points, dtype=float), interpolation)
        assert np.isfinite(values).tolist() == [True, True, *[False] * 5]
    values = winner_take_all(volume.astype(int), np.array(points, dtype=float))
    assert np.isfinite(values).tolist() == [True, True, *[False] * 5]


def test_nearest_takes_halves_away_from_zero():
    volume = np.arange(7.0)[:, None, None] * np.ones(SHAPE)
    points = np.array([[2.5, 1, 1], [3.5, 1, 1], [2.49, 1, 1]])
    assert sample(volume, points, "nearest").tolist() == [2, 3, 1]


def test_nan_spreads_as_far_as_the_kernel_reaches_and_no_further():
    volume = np.ones(SHAPE)
    volume[3, 4, 4] = np.nan  # 1-based (4, 5, 5)
    near = np.array([[2.5, 5, 5], [5.5, 5, 5], [4, 5, 5]])
    far = np.array([[1.9, 5, 5], [6.1, 5, 5], [4, 2.5, 5]])
    assert np.isnan(sample(volume, near)).all()
    assert np.allclose(sample(volume, far), 1)


def test_many_maps_are_sampled_as_each_alone():
    generator = np.random.default_rng(3)
    volumes, points = generator.normal(size=(*SHAPE, 3)), generator.uniform(1, 7, (20, 3))
    together = sample(volumes, points)
    assert together.shape == (20, 3)
    for column in range(3):
        assert np.allclose(together[:, column], sample(volumes[..., column], points))


@given(arrays(np.int64, (3, 4, 5), elements=st.integers(-1, 4)), st.tuples(*[st.floats(1, 3)] * 3))
def test_winner_take_all_gives_the_label_with_most_linear_weight(labels, point):
    points = np.array([point])
    shares = {
        label: sample((labels == label).astype(float), points, "linear")[0]
        for label in np.unique(labels)
    }
    winner = winner_take_all(labels, points)[0]
    assert shares[winner] == pytest.approx(max(shares.values()))


def test_winner_take_all_prefers_the_smallest_label_on_ties():
    labels = np.zeros((2, 2, 2), int)
    labels[0], labels[1] = 3, -1
    assert winner_take_all(labels, np.array([[1.5, 1, 1]]))[0] == -1


def test_an_unknown_interpolation_is_refused():
    with pytest.raises(ValueError, match="not an interpolation"):
        sample(np.ones(SHAPE), np.ones((1, 3)), "spline")


# ---- NSD's transform files


def test_nsds_own_surface_betas_are_the_millimetre_betas_mapped(layout):
    """Catmull-Rom at three depths, averaged, then the nearest vertex of fsaverage."""
    volume = open_space(layout, "subj01", SPACE, BETAS)
    betas = volume.read_session(1, np.arange(np.prod(volume.shape)))[:40]
    volumes = np.moveaxis(betas.reshape(-1, *volume.shape), 0, -1)
    for name in ("nativesurface", "fsaverage"):
        surface = open_space(layout, "subj01", name, BETAS)
        mapped = []
        for hemisphere in HEMISPHERES:
            native = volume_to_native_surface(layout, "subj01", SPACE, hemisphere, volumes)
            if name == "fsaverage":
                native = native_surface_to_fsaverage(layout, "subj01", hemisphere, native)
            mapped.append(native)
        ours = np.concatenate(mapped).T
        theirs = surface.read_session(1, np.arange(sum(surface.shape)))[:40]
        assert np.isfinite(theirs).mean() > 0.6
        assert np.array_equal(np.isnan(ours), np.isnan(theirs))
        # native betas are stored as 300ths
        tolerance = 0.51 / 300 if name == "nativesurface" else 1e-4
        assert np.nanmax(np.abs(ours - theirs)) < tolerance


def test_labels_of_the_volume_agree_with_those_of_the_surface(layout):
    volume = open_space(layout, "subj01", SPACE, BETAS)
    surface = open_space(layout, "subj01", "nativesurface", BETAS)
    labels = volume.read_labels("prf-visualrois").reshape(volume.shape)
    mapped = np.concatenate(
        [
            labels_to_native_surface(layout, "subj01", SPACE, hemisphere, labels)
            for hemisphere in HEMISPHERES
        ]
    )
    known = surface.read_labels("prf-visualrois")
    assert np.count_nonzero(known > 0) > 20
    assert np.mean(mapped[known > 0] == known[known > 0]) > 0.7


def test_mni_maps_are_ras_and_left_stays_left(layout):
    space = open_space(layout, "subj01", SPACE, BETAS)
    x = coordinates(space.shape)[..., 0]
    centred = (x - x.mean()).astype(float)
    mapped = volume_to_mni(layout, "subj01", SPACE, centred)
    assert nibabel.aff2axcodes(mapped.affine) == ("R", "A", "S")
    values = mapped.get_fdata()
    voxel = np.argwhere(np.isfinite(values))
    world = nibabel.affines.apply_affine(mapped.affine, voxel)
    # NSD's volumes run from left to right, MNI's x too
    assert np.corrcoef(world[:, 0], values[tuple(voxel.T)])[0, 1] > 0.99
    assert 0.3 < np.isfinite(values).mean() < 1
    zooms, header = mapped.header.get_zooms(), mapped.header
    assert (*map(float, zooms), header.get_xyzt_units()[0]) == (8, 8, 8, "mm")
    assert (int(header["sform_code"]), int(header["qform_code"])) == (4, 4)
    np.testing.assert_allclose(header.get_qform(), header.get_sform())
    # of a template in FSL's order, so that its last voxel on the left comes first
    template = nibabel.load(layout.mni_template)
    corner = template.affine @ [template.shape[0] - 1, 0, 0, 1]
    assert np.allclose(mapped.affine[:3, 3], corner[:3])


def test_labels_in_mni_are_labels(layout):
    space = open_space(layout, "subj01", SPACE, BETAS)
    labels = space.read_labels("nsdgeneral").reshape(space.shape)
    mapped = volume_to_mni(layout, "subj01", SPACE, labels, "labels").get_fdata()
    assert set(np.unique(mapped[np.isfinite(mapped)])) == {-1, 0, 1}


def test_the_millimetre_frame_of_the_standard_template_is_nsds(tmp_path, layout):
    """FSL's 1 mm template gives NSD's own affine: diag(1), origin (-91, -126, -72)."""
    tree = damaged_copy(layout.root, tmp_path)
    small = NSDLayout(tree)
    template = np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1.0]])
    # NSD's transforms have the header of `nsd_savenifti`, which knows nothing of the template
    centred = np.array([[1, 0, 0, -90.5], [0, 1, 0, -108.5], [0, 0, 1, -90.5], [0, 0, 0, 1.0]])
    shape = (182, 218, 182)
    for path, data, affine in (
        (small.mni_template, np.zeros(shape, np.uint8), template),
        (
            small.volume_transform("subj01", "func1pt0", "MNI"),
            np.full((*shape, 3), 9999, np.float32),
            centred,
        ),
    ):
        path.unlink()
        nibabel.save(nibabel.Nifti1Image(data, affine), path)
    space = open_space(small, "subj01", SPACE, BETAS)
    mapped = volume_to_mni(small, "subj01", SPACE, np.ones(space.shape), "nearest")
    assert np.allclose(mapped.affine[:3], [[1, 0, 0, -91], [0, 1, 0, -126], [0, 0, 1, -72]])
