"""Flattened and inflated hemispheres: geometry, sides, colours, outlines."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from nilearn.datasets import load_fsaverage, load_fsaverage_data

from pipeline.dataset.anatomy import Anatomy, Surface
from pipeline.figures.colours import ENDS
from pipeline.maps.files import map_images, map_names, write_map
from pipeline.report.cortex import (
    SurfaceMap,
    cortex_picture,
    find_regions,
    flat_panels,
    has_view,
    inflated_panels,
)
from pipeline.report.meshes import MOST_VERTICES, SIDES, small_surface
from pipeline.report.projections import project
from pipeline.report.views import Outlines, Scale

SHAPES = {"pial": "pial", "inflated": "inflated", "white": "white_matter"}


class Template(Anatomy):
    """fsaverage5 as a dataset's fsaverage, after which vertices may follow that are not in it."""

    def __init__(self, n_vertices: int) -> None:
        self.mesh = load_fsaverage("fsaverage5")
        self.n_vertices = n_vertices

    def _vertices(self, values):
        return np.resize(values, (self.n_vertices, *values.shape[1:]))

    def surface(self, space, shapes):
        """Read the meshes of nilearn."""
        depth = load_fsaverage_data(mesh="fsaverage5", data_type="sulcal").data.parts
        meshes = {
            shape: [
                (self._vertices(part.coordinates), part.faces)
                for part in (self.mesh[SHAPES[shape]].parts[side] for side in SIDES)
            ]
            for shape in shapes
        }
        return Surface(meshes, [self._vertices(depth[side]) for side in SIDES])

    def nearest_vertices(self, space):
        """Every vertex is its own."""
        return [np.arange(self.n_vertices)] * 2


@pytest.fixture(scope="module")
def white():
    """Left and right (vertex, 3) white surfaces, mm."""
    return [load_fsaverage("fsaverage5")["white_matter"].parts[side].coordinates for side in SIDES]


@pytest.fixture(scope="module")
def surface():
    return small_surface(Template(MOST_VERTICES + 5), "fsaverage")


@pytest.fixture(scope="module")
def panels(surface):
    return {"flat": flat_panels(surface), "inflated": inflated_panels(surface)}


def _centre(panel, member):
    """Middle of the pixels (x, y) of a panel that show vertices."""
    rows, columns = np.nonzero(panel.projection.interpolated(member) > 0.5)
    x, y = panel.projection.centres
    return x[columns].mean(), y[rows].mean()


def _near(white, side, place, distance=14):
    sign = -1 if side == 0 else 1
    return np.linalg.norm(white[side] - np.array(place) * [sign, 1, 1], axis=1) < distance


def test_a_pixel_has_the_value_of_a_linear_function_at_its_place():
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(0, 20, (40, 2)), rng.uniform(0, 1e-3, 40)])
    from scipy.spatial import Delaunay

    triangles = Delaunay(points[:, :2]).simplices
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    clockwise = (b - a)[:, 0] * (c - a)[:, 1] < (b - a)[:, 1] * (c - a)[:, 0]
    triangles[clockwise] = triangles[clockwise, ::-1]
    view = project(points, triangles, pixels=100)
    x, y = np.meshgrid(*view.centres)
    found = view.interpolated(3 * points[:, 0] - 2 * points[:, 1] + 1)
    np.testing.assert_allclose(found[view.inside], (3 * x - 2 * y + 1)[view.inside], atol=1e-4)
    # the convex hull, without gaps
    assert view.inside.sum() / view.resolution**2 == pytest.approx(
        _hull_area(points[:, :2]), rel=0.02
    )


def _hull_area(points):
    from scipy.spatial import ConvexHull

    return ConvexHull(points).volume


def test_what_is_nearer_hides_what_is_behind_and_backs_are_not_drawn():
    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0]], dtype=float)
    points = np.vstack([corners + np.array([0, 0, height]) for height in (0, 5, 9)])
    faces = np.array([[3, 4, 5], [0, 1, 2], [6, 8, 7]])
    view = project(points, faces, pixels=20)
    assert set(np.unique(view.vertex[view.inside])) == {3, 4, 5}


def test_flat_maps_have_cuts_and_no_vertex_of_the_medial_wall(surface):
    for points, faces in surface.flat:
        used = np.unique(faces)
        assert 9_400 < len(used) < 9_600 < MOST_VERTICES
        # vertices that no triangle has keep a place in the folded brain
        assert not points[used, 2].any()
        assert points[np.setdiff1d(np.arange(MOST_VERTICES), used), 2].any()
        edges = np.linalg.norm(points[faces] - points[np.roll(faces, 1, axis=1)], axis=-1)
        assert np.percentile(edges, 99.9) < 15
        a, b, c = (points[faces[:, k], :2] for k in range(3))
        assert ((b - a)[:, 0] * (c - a)[:, 1] > (b - a)[:, 1] * (c - a)[:, 0]).all()


def test_left_is_left_and_visual_cortex_is_in_the_middle_of_flat_maps(panels, white):
    left, right = panels["flat"]
    assert left.projection.extent[1] <= 0 <= right.projection.extent[0]
    for panel in (left, right):
        occipital, frontal, parietal, temporal = (
            _centre(panel, _near(white, panel.side, place))
            for place in ((10, -95, 0), (35, 45, 10), (25, -60, 55), (55, -20, -25))
        )
        assert abs(occipital[0]) < 60 < 200 < abs(frontal[0])
        assert temporal[1] < parietal[1]


def test_inflated_views_show_what_they_are_named_after(panels, white):
    face, angular = (30, -50, -12), (48, -65, 30)
    for panel in panels["inflated"]:
        area = {
            name: (panel.projection.interpolated(_near(white, panel.side, place)) > 0.5).sum()
            for name, place in (("fusiform", face), ("angular", angular))
        }
        if "ventral" in panel.name:
            assert area["fusiform"] > 5 * area["angular"]
        elif "lateral" in panel.name:
            assert area["angular"] > 5 * area["fusiform"]
        else:
            assert area["angular"] == 0
    below = [panel for panel in panels["inflated"] if "ventral" in panel.name]
    left, right = (_centre(panel, _near(white, panel.side, face)) for panel in below)
    assert left[0] < right[0]
    # the page's back is on top
    pole = _centre(below[0], _near(white, 0, (10, -100, -5)))
    assert pole[1] > left[1]
    lateral = next(panel for panel in panels["inflated"] if panel.name == "left, lateral")
    occipital, frontal = (
        _centre(lateral, _near(white, 0, place)) for place in ((30, -92, 0), (45, 35, 10))
    )
    assert frontal[0] < occipital[0]


def test_a_mesh_of_its_own_has_no_flat_shape():
    assert not has_view(small_surface(Template(2562), "fsaverage"), "flat")


@pytest.fixture
def fusiform(tmp_path, white):
    """Two maps and labels of the fusiform gyri: 0.4 and 0 on the left, 0 and 0.4 on the right."""
    member = [_near(white, side, (40, -55, -20)) for side in (0, 1)]
    padding = np.zeros(5, bool)
    vertex = np.flatnonzero(np.concatenate([member[0], padding, member[1], padding]))
    is_left = vertex < MOST_VERTICES
    geometry = {"grid_shape": np.array([MOST_VERTICES + 5] * 2)}
    files = {}
    for name, values, labels in (
        ("first", np.where(is_left, 0.4, 0.0), None),
        ("second", np.where(is_left, 0.0, 0.4), None),
        ("region", np.ones(len(vertex)), {1: "FFA-1"}),
    ):
        names = map_names("subj01", "fsaverage", name, labels=labels is not None)
        files[name] = [tmp_path / each for each in names]
        images = map_images(values, vertex, geometry, labels)
        for path, image in zip(files[name], images, strict=True):
            write_map(path, image, {}, labels)
    return member, files


def test_pairs_have_the_corner_colours_and_nothing_elsewhere(surface, fusiform):
    member, files = fusiform
    pair = SurfaceMap("a, b", [files["first"], files["second"]], Scale(0.4, "", ("a", "b")))
    for side, corner in enumerate(ENDS):
        colours = pair.colours(surface)[side]
        np.testing.assert_allclose(
            colours[member[side]], [[*to_rgb(corner), 1]] * len(colours[member[side]])
        )
        assert not colours[~member[side]].any()


def test_a_picture_has_outlines_with_names_and_both_sides(surface, panels, fusiform):
    _, files = fusiform
    labels = {1: ("bert", "#E69F00")}
    names = {1: "FFA-1"}
    region = Outlines("floc-faces", files["region"], names, names)
    figure = cortex_picture(
        [SurfaceMap("best", [files["region"]], None, labels)],
        surface,
        panels["flat"],
        find_regions(surface, panels["flat"], [region]),
        named=True,
        note="simulated data",
    )
    assert [text.get_text() for text in figure.texts] == ["simulated data"]
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.texts] == ["FFA-1", "FFA-1", "left", "right"]
    left, right = sorted(text.get_position()[0] for text in axis.texts[:2])
    assert left < 0 < right
    (lines,) = axis.collections
    # a piece of the region, or two, in each hemisphere
    assert len(axis.images) == 2 <= len(lines.get_paths())
    for image in axis.images:
        opaque = image.get_array()[image.get_array()[..., 3] > 0]
        assert (opaque[:, :3] == np.rint(255 * np.array(to_rgb("#E69F00")))).all(axis=1).any()
    assert figure.axes[1].get_legend().get_texts()[0].get_text() == "bert"
    plt.close(figure)


def test_small_pictures_have_outlines_without_names(surface, panels, fusiform):
    _, files = fusiform
    names = {1: "FFA-1"}
    region = Outlines("floc-faces", files["region"], names, names)
    maps = [SurfaceMap(name, [files[name]], Scale(0.4, "r")) for name in ("first", "second")]
    regions = find_regions(surface, panels["flat"], [region])
    figure = cortex_picture(maps, surface, panels["flat"], regions, columns=2)
    first, second = figure.axes[:2]
    assert first.get_position().y0 == pytest.approx(second.get_position().y0)
    assert "FFA-1" not in {text.get_text() for text in (*first.texts, *second.texts)}
    assert len(first.collections) == len(second.collections) == 1
    plt.close(figure)
