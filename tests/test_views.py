"""Colours of maps, and what pictures of them show."""

from __future__ import annotations

import colorsys

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from pipeline.figures.colours import (
    ENDS,
    OUTLINE_COLOURS,
    SIGNED_MAP,
    colour_limit,
    colour_numbers,
    corners,
    outline_colours,
    pair_colour_map,
    pair_colours,
    pair_index,
)
from pipeline.maps.files import map_images, map_names, write_map
from pipeline.report.key_maps import best_of
from pipeline.report.views import Outlines, Scale, glass_picture, volume_picture

GRID = (20, 24, 12)
AFFINE = np.array([[3, 0, 0, -30], [0, 3, 0, -60], [0, 0, 3, -18], [0, 0, 0, 1.0]])
GEOMETRY = {"grid_shape": np.array(GRID), "affine": AFFINE}
share = st.floats(0, 1)


@pytest.mark.parametrize(
    ("first", "second", "corner"), [(0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 3)]
)
def test_neither_one_alone_and_both_have_the_corner_colours(first, second, corner):
    found = pair_colours(np.array([first]), np.array([second]))[0]
    np.testing.assert_allclose(found, to_rgb(corners()[corner]))


@given(share, share)
def test_values_beyond_the_limits_are_drawn_as_the_limits(a, b):
    beyond = pair_colours(np.array([a - 1]), np.array([b + 1]))
    np.testing.assert_allclose(beyond, pair_colours(np.array([0.0]), np.array([1.0])))


@given(share, share)
def test_the_index_of_a_pair_has_nearly_its_colour(a, b):
    index = pair_index(np.array([a]), np.array([b]), 1.0)
    found = np.array(pair_colour_map()(int(index[0])))[:3]
    # an eighth of each scale is one shade
    assert np.abs(found - pair_colours(np.array([a]), np.array([b]))[0]).max() < 0.25


def test_a_pair_is_clear_where_neither_is_and_where_one_is_unknown():
    scale = Scale(0.8, "unique variance", ("a", "b"))
    first = np.array([-0.3, 0.09, 0.11, 0.0, np.nan, 0.8])
    second = np.array([0.05, 0.09, 0.0, 0.11, 0.5, 0.8])
    shown = scale.displayed([first, second])
    assert scale.least == pytest.approx(0.1)
    assert (shown != 0).tolist() == [False, False, True, True, False, True]


def test_the_limit_is_a_round_number_above_nearly_all_values():
    values = np.linspace(-0.62, 0.62, 4001, dtype=np.float32)
    assert colour_limit(values) == 0.65
    assert colour_limit(np.array([np.nan])) == 0.05


def test_a_feature_space_has_one_colour_in_all_figures():
    spaces = ["clip", "bert", "alexnet"]
    assert colour_numbers(["alexnet", "bert"], spaces) == {"alexnet": 2, "bert": 1}
    # others take colours that no space has
    drawn = colour_numbers(["other brains", "bert", "clip+bert", "clip"], spaces)
    assert drawn == {"other brains": 3, "bert": 1, "clip+bert": 4, "clip": 0}


def test_no_outline_has_the_hue_of_a_scale_that_it_lies_on():
    """Blue, orange and red mean values; outlines differ from them by hue, or have none."""
    ends = [plt.get_cmap(SIGNED_MAP)(place)[:3] for place in (0.1, 0.25, 0.75, 0.9)]
    reserved = [colorsys.rgb_to_hsv(*colour)[0] for colour in (*ends, *map(to_rgb, ENDS))]
    for colour in OUTLINE_COLOURS:
        hue, saturation, _ = colorsys.rgb_to_hsv(*to_rgb(colour))
        apart = min(min(abs(hue - other), 1 - abs(hue - other)) for other in reserved)
        assert saturation == 0 or apart > 0.02, colour


def test_a_region_keeps_its_colour_where_others_are_missing():
    every = {1: "V1v", 2: "V1d", 3: "V2v"}
    whole = Outlines("prf-visualrois", (), every, every)
    part = Outlines("prf-visualrois", (), every, {3: "V2v"})
    assert part.colours == {3: whole.colours[3]}
    assert len(set(whole.colours.values())) == 3


def test_regions_too_many_for_colours_are_black_and_counted():
    names = {number: f"area {number}" for number in range(1, 181)}
    assert set(outline_colours(names).values()) == {"#000000"}
    figure = plt.figure()
    Outlines("HCP_MMP1", (), names, names).legend(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["180 regions"]
    plt.close(figure)


@pytest.fixture
def volumes(tmp_path):
    """A map with values at the lower left, its background, and V1 at the back on the left."""
    x, y, z = np.indices(GRID)
    voxel = np.flatnonzero((z > 1) & (z < 10))
    values = np.where((x < 8) & (z < 6), 0.5, np.nan).ravel()[voxel]
    labels = np.where((x < 8) & (y < 6), 1.0, np.nan).ravel()[voxel]
    made = {"background": tmp_path / "mean.nii.gz"}
    nibabel.save(nibabel.Nifti1Image(np.ones(GRID, np.float32), AFFINE), made["background"])
    names = {1: "V1v"}
    for name, of, reported in (
        ("r", values, None),
        ("all", np.ones(len(voxel)), None),
        ("v1", labels, names),
    ):
        made[name] = tmp_path / map_names("subj01", "func1mm", name, labels=reported is not None)[0]
        write_map(made[name], map_images(of, voxel, GEOMETRY, reported)[0], {}, reported)
    return made


def _slices(figure: plt.Figure) -> list[plt.Axes]:
    return [axis for axis in figure.axes if axis.get_title().startswith("z =")]


def test_slices_are_those_of_all_modelled_voxels_and_regions_have_lines(volumes):
    outlines = Outlines("v1", [volumes["v1"]], {1: "V1v"}, {1: "V1v"})
    shown = [volumes["background"], volumes["all"], Scale(1.0, "r"), outlines]
    figure = volume_picture({"model": [volumes["r"]]}, *shown)
    heights = [float(axis.get_title().split()[2].replace("−", "-")) for axis in _slices(figure)]
    assert len(heights) == 6
    # voxels 2 to 9, though the map has values in the lower half alone
    assert min(heights) < -6
    assert max(heights) > 3
    lines = [c for axis in _slices(figure) for c in axis.collections if len(c.get_edgecolor())]
    assert {to_rgb(c.get_edgecolor()[0][:3]) for c in lines} == {to_rgb(OUTLINE_COLOURS[0])}
    plt.close(figure)


def test_left_is_left_in_slices(volumes):
    shown = [volumes["background"], volumes["all"], Scale(1.0, "r")]
    figure = volume_picture({"model": [volumes["r"]]}, *shown)
    axis = _slices(figure)[0]
    letters = {text.get_text(): text.get_position()[0] for text in axis.texts}
    assert letters["L"] < letters["R"]
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    box = axis.get_window_extent()
    inside = picture[:, int(box.x0) : int(box.x1)]
    red = inside[..., 0] - inside[..., 2] > 60
    columns = np.flatnonzero(red.any(axis=0))
    assert len(columns) > 3
    assert columns.max() < inside.shape[1] / 2
    plt.close(figure)


def test_glass_brains_show_small_values_too(volumes):
    """Left to itself nilearn would hide four places in five."""
    values = np.linspace(0.01, 1, int(np.prod(GRID)))
    path = volumes["r"].with_name(map_names("subj01", "MNI152", "stat-r")[0])
    write_map(path, map_images(values, np.arange(len(values)), GEOMETRY)[0], {})
    figure = glass_picture({"model": path}, Scale(1.0, "r"))
    found = [np.ma.masked_invalid(i.get_array()) for axis in figure.axes for i in axis.images]
    least = min(float(np.abs(array[array != 0]).min()) for array in found if np.ma.count(array))
    assert least < 0.5
    plt.close(figure)


def test_the_best_model_is_that_of_the_highest_correlation_where_the_ceiling_allows_to_decide():
    correlations = [[0.5, 0.1, 0.3, np.nan], [0.2, 0.4, 0.6, 0.1]]
    ceiling = [0.8, 0.8, 0.05, 0.8]
    np.testing.assert_array_equal(
        best_of(np.array([*correlations, ceiling])), [1, 2, np.nan, np.nan]
    )
