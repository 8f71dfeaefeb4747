"""Pictures of maps on flattened and inflated hemispheres, over sulcal depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import matplotlib

matplotlib.use("Agg")

import contourpy
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, withStroke
from scipy.ndimage import distance_transform_edt

from pipeline.figures.colours import SIGNED_MAP, draw_pair_legend, pair_colours
from pipeline.report.meshes import SIDES, SmallSurface
from pipeline.report.projections import Projection, project
from pipeline.report.views import DARK, LIGHT, Outlines, Scale

# mm between hemispheres, and between views
GAP = 12.0
# flattened hemispheres are larger than others in a picture
FLAT_PIXELS = 950
# brightness of what is seen edge-on
EDGE = 0.55
NAME_SIZE, GREY = 7, "#555555"
# mm from the middle to the edge of the smallest region whose name is written
LEAST_NAMED = 2.0
# of inflated hemispheres: name, sides, and what points right, up and towards the viewer
SurfaceView = Literal["flat", "inflated"]
SURFACE_VIEWS: tuple[SurfaceView, ...] = get_args(SurfaceView)
X, Y, Z = np.eye(3)
VIEWS: tuple[tuple[str, tuple[int, ...], np.ndarray], ...] = (
    ("left, lateral", (0,), np.array([-Y, Z, -X])),
    ("left, medial", (0,), np.array([Y, Z, X])),
    ("ventral, posterior up", (0, 1), np.array([X, -Y, -Z])),
    ("right, medial", (1,), np.array([-Y, Z, -X])),
    ("right, lateral", (1,), np.array([Y, Z, X])),
)
# inches: page, and what remains of it beside a colour bar, a square of colours or a legend
WIDTH, BAR, SQUARE = 9.5, 0.75, 1.6
HALO: list[AbstractPathEffect] = [withStroke(linewidth=1.8, foreground="white")]


@dataclass(frozen=True)
class SurfaceMap:
    """A map on both hemispheres: its files (left, right), or those of the two maps of a pair.

    Attributes
    ----------
    scale : None for a map of labels
    labels : {value: (name, colour)} of a map of labels
    """

    title: str
    files: Sequence[Sequence[Path]]
    scale: Scale | None
    labels: Mapping[int, tuple[str, str]] | None = None

    def colours(self, surface: SmallSurface) -> tuple[np.ndarray, np.ndarray]:
        """Colour the vertices: for left and right, (vertex, 4).

        Red, green and blue are multiplied by opacity, so that colours of vertices without values
        do not leak into those of their neighbours.
        """
        layers = [surface.kept(paths) for paths in self.files]
        left, right = (self._coloured(parts) for parts in zip(*layers, strict=True))
        return left, right

    def _coloured(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        known = np.asarray(np.isfinite(parts).all(axis=0))
        values = np.nan_to_num(parts)
        if self.scale is None:
            colours = np.zeros((len(known), 3))
            for value, (_, colour) in (self.labels or {}).items():
                colours[values[0] == value] = to_rgb(colour)
            known &= np.isin(values[0], [*(self.labels or {})])
        elif self.scale.of_pairs:
            first, second = values / self.scale.limit
            colours = pair_colours(first, second, self.scale.ends)
            # elsewhere the anatomy is seen
            known &= values.max(axis=0) >= self.scale.least
        else:
            norm = plt.Normalize(-self.scale.limit, self.scale.limit)
            colours = plt.get_cmap(SIGNED_MAP)(norm(values[0]))[:, :3]
        return np.column_stack([colours * known[:, None], known])

    def draw_legend(self, axis: Axes) -> None:
        """Draw the colour scale, or the names of labels."""
        if self.scale is None:
            axis.set_axis_off()
            names = (self.labels or {}).values()
            handles = [Patch(facecolor=colour, label=name) for name, colour in names]
            axis.legend(handles=handles, loc="center left", frameon=False, fontsize=8)
        elif self.scale.names is not None:
            draw_pair_legend(axis, self.scale.names, self.scale.limit, self.scale.ends)
            axis.set_title(self.scale.label.replace(" (", "\n("), fontsize=8)
        else:
            norm = plt.Normalize(-self.scale.limit, self.scale.limit)
            colours = plt.cm.ScalarMappable(norm, SIGNED_MAP)
            plt.colorbar(colours, cax=axis, label=self.scale.label)


@dataclass(frozen=True)
class Panel:
    """One hemisphere in a picture, and the name of the view above it."""

    side: int
    projection: Projection
    name: str


def has_view(surface: SmallSurface, view: SurfaceView) -> bool:
    """Test whether a surface can be drawn so: only fsaverage5 has a flattened shape."""
    return view == "inflated" or surface.flat is not None


def surface_panels(surface: SmallSurface, view: SurfaceView) -> list[Panel]:
    """Place the hemispheres of a view beside each other."""
    return {"flat": flat_panels, "inflated": inflated_panels}[view](surface)


@dataclass(frozen=True)
class Region:
    """Part of a region in one panel.

    Attributes
    ----------
    lines : outlines, each (point, 2) mm
    depth : distance of its middle from its edge, mm
    places : (place, 2) mm for its name, the best first
    """

    name: str
    lines: Sequence[np.ndarray]
    depth: float
    places: np.ndarray


def flat_panels(surface: SmallSurface) -> list[Panel]:
    """Place the flattened hemispheres beside each other, visual cortex in the middle.

    Raises
    ------
    ValueError
        The surface has no flattened shape.
    """
    if surface.flat is None:
        raise ValueError("the surface has no flattened shape")
    panels = []
    for side, (points, faces) in enumerate(surface.flat):
        across = points[np.unique(faces), 0]
        inner = across.max() + GAP / 2 if side == 0 else across.min() - GAP / 2
        projection = project(points - [inner, 0, 0], faces, FLAT_PIXELS)
        panels.append(Panel(side, projection, SIDES[side]))
    return panels


def inflated_panels(surface: SmallSurface) -> list[Panel]:
    """Place views of the inflated hemispheres beside each other."""
    panels, place = [], 0.0
    for name, sides, directions in VIEWS:
        seen = {side: surface.shapes["inflated"][side] @ directions.T for side in sides}
        every = np.concatenate([*seen.values()])
        low, high = every.min(axis=0), every.max(axis=0)
        for side, points in seen.items():
            moved = points + np.array([place - low[0], -(low[1] + high[1]) / 2, 0])
            panels.append(Panel(side, project(moved, surface.faces[side]), name))
        place += high[0] - low[0] + GAP
    return panels


def find_regions(
    surface: SmallSurface, panels: Sequence[Panel], outlines: Sequence[Outlines]
) -> list[Region]:
    """Find the parts of regions that are seen in panels, for all pictures of these panels."""
    found = []
    for each in outlines:
        labels = surface.kept(each.path)
        for panel in panels:
            for value, name in each.names.items():
                region = _find_region(name, panel.projection, labels[panel.side] == value)
                if region is not None:
                    found.append(region)
    return found


def _find_region(name: str, view: Projection, member: np.ndarray) -> Region | None:
    """Find a region (vertex,) bool; None if nothing of it is seen."""
    if not member[view.vertex[view.inside]].any():
        return None
    share = view.interpolated(member)
    rows, columns = (np.flatnonzero((share > 0).any(axis=k)) for k in (1, 0))
    part = np.s_[max(rows[0] - 1, 0) : rows[-1] + 2, max(columns[0] - 1, 0) : columns[-1] + 2]
    share = share[part]
    if share.max() <= 0.5:
        return None
    x, y = view.centres
    x, y = x[part[1]], y[part[0]]
    lines = cast(list[np.ndarray], contourpy.contour_generator(x, y, share).lines(0.5))
    depth = distance_transform_edt(share > 0.5) / view.resolution
    # from the middle outwards
    best = np.argsort(-depth, axis=None)[: np.count_nonzero(depth > depth.max() / 2)]
    row, column = np.unravel_index(best, depth.shape)
    places = np.column_stack([x[column], y[row]])
    return Region(name, lines, float(depth.max()), places)


def cortex_picture(
    maps: Sequence[SurfaceMap],
    surface: SmallSurface,
    panels: Sequence[Panel],
    regions: Sequence[Region] = (),
    columns: int = 1,
    named: bool = False,
    note: str = "",
) -> Figure:
    """Draw maps with one colour scale, each on all panels.

    Parameters
    ----------
    panels : from `flat_panels` or `inflated_panels`
    regions : to be outlined, from `find_regions`
    columns : maps beside each other
    named : whether to write the names of regions
    note : written at the upper right
    """
    left, right, bottom, top = _extent(panels)
    legend = BAR if maps[0].scale is not None and not maps[0].scale.of_pairs else SQUARE
    rows = -(-len(maps) // columns)
    width = (WIDTH - legend) / columns
    height = width * (top - bottom) / (right - left) + 0.35
    figure = plt.figure(figsize=(WIDTH, max(height * rows, SQUARE)))
    grid = figure.add_gridspec(
        *(rows, columns + 1),
        width_ratios=(*[width] * columns, legend),
        left=0,
        right=1,
        bottom=0,
        top=1 - 0.3 / (height * rows),
        wspace=0.02,
        hspace=0.3 / height,
    )
    for number, one in enumerate(maps):
        axis = figure.add_subplot(grid[number // columns, number % columns])
        _draw(axis, one, surface, panels)
        _outline(axis, regions)
        if named:
            _write_names(axis, regions, width)
        axis.set_title(one.title, loc="left", fontsize=9)
        if number < columns:
            _name_views(axis, panels)
    figure.text(1, 1, note, fontsize=7, ha="right", va="top", color=GREY)
    place = grid[:, columns].get_position(figure)
    inches = place.height * figure.get_figheight()
    size = min(1.1, inches * 0.6) if legend == SQUARE else min(2.0, inches * 0.8)
    middle = (place.y0 + place.y1) / 2
    high = size / figure.get_figheight()
    wide = (size if legend == SQUARE else 0.12) / WIDTH
    maps[0].draw_legend(figure.add_axes((place.x0 + 0.015, middle - high / 2, wide, high)))
    return figure


def _extent(panels: Sequence[Panel]) -> tuple[float, float, float, float]:
    edges = np.array([panel.projection.extent for panel in panels])
    low, high = edges.min(axis=0), edges.max(axis=0)
    return float(low[0]), float(high[1]), float(low[2]), float(high[3])


def _draw(axis: Axes, one: SurfaceMap, surface: SmallSurface, panels: Sequence[Panel]) -> None:
    """Draw a map on all panels."""
    colours = one.colours(surface)
    for panel in panels:
        view = panel.projection
        # a mixture of the colours of two labels would be that of a third
        taken = view.nearest if one.scale is None else view.interpolated
        picture = painted(view, taken(colours[panel.side]), surface.shading[panel.side])
        axis.imshow(picture, origin="lower", extent=view.extent)
    left, right, bottom, top = _extent(panels)
    axis.set(xlim=(left, right), ylim=(bottom, top))
    axis.set_axis_off()


def _outline(axis: Axes, regions: Sequence[Region]) -> None:
    lines = LineCollection(
        [line for region in regions for line in region.lines], colors="black", linewidths=0.8
    )
    lines.set_path_effects(HALO)
    axis.add_collection(lines, autolim=False)


def _name_views(axis: Axes, panels: Sequence[Panel]) -> None:
    bottom = _extent(panels)[2]
    for name in dict.fromkeys(panel.name for panel in panels):
        edges = [panel.projection.extent for panel in panels if panel.name == name]
        middle = (min(edge[0] for edge in edges) + max(edge[1] for edge in edges)) / 2
        axis.text(middle, bottom, name, fontsize=7, ha="center", va="top", color=GREY)


def painted(view: Projection, layer: np.ndarray, shading: np.ndarray) -> np.ndarray:
    """Paint colours over sulcal depth.

    Parameters
    ----------
    layer : (row, column, 4) red, green and blue multiplied by opacity, and opacity
    shading : (vertex,) from 0 on gyri to 1 in sulci

    Returns
    -------
    (row, column, 4) uint8, transparent outside the mesh
    """
    grey = 1 - LIGHT - (DARK - LIGHT) * view.interpolated(shading)[..., None]
    light = EDGE + (1 - EDGE) * view.light[..., None]
    seen = (layer[..., :3] + (1 - layer[..., 3:]) * grey) * light
    return np.rint(255 * np.dstack([np.clip(seen, 0, 1), view.inside])).astype(np.uint8)


def _write_names(axis: Axes, regions: Sequence[Region], width: float) -> None:
    """Write names in their regions, the largest first, where they hide no other name.

    Parameters
    ----------
    width : of the axis, inches
    """
    left, right = axis.get_xlim()
    point = (right - left) / width / 72
    taken: list[np.ndarray] = []
    for region in sorted(regions, key=lambda region: -region.depth):
        if region.depth < LEAST_NAMED:
            continue
        half = np.array([0.35 * len(region.name) + 0.2, 0.7]) * NAME_SIZE * point
        for place in region.places[:: max(len(region.places) // 50, 1)]:
            if all((np.abs(place - other[0]) > half + other[1]).any() for other in taken):
                taken.append(np.array([place, half]))
                x, y = place.tolist()
                text = axis.text(x, y, region.name, fontsize=NAME_SIZE, ha="center", va="center")
                text.set_path_effects(HALO)
                break
