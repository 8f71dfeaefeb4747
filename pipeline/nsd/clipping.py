"""Visible areas of COCO's segmentations (polygons, run-length masks) after a crop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely

# run-length masks as text: six bits per character, counted from this one
FIRST_CHARACTER, BITS, CONTINUES = 48, 5, 0x20

# row of results of an instance without area
NOTHING = np.array([0, 0, np.nan, np.nan, np.nan, np.nan])
# of a pixel, of which COCO writes hundredths: outlines that cross themselves within rounding errors
# of a coordinate cannot be made valid
DECIMALS = 6
# left, top, right, bottom in pixels of the uncropped picture
Rectangle = tuple[float, float, float, float]


def clip_polygons(
    segmentations: Sequence[Sequence[Sequence[float]]], crops: Sequence[Rectangle]
) -> np.ndarray:
    """Clip instances that are given as polygons.

    Parameters
    ----------
    segmentations : (instance,) of parts, each x1, y1, x2, y2, … in pixels; parts may overlap
    crops : (instance,) rectangles that are kept

    Returns
    -------
    (instance, 6) float64: area before and after the crop (square pixels), then left, top, right
    and bottom of the visible part, NaN where nothing is visible. Parts of less than three points
    have no area.
    """
    parts, owner = [], []
    for row, segmentation in enumerate(segmentations):
        for part in segmentation:
            if len(part) >= 6:
                parts.append(np.round(np.asarray(part, dtype=np.float64), DECIMALS).reshape(-1, 2))
                owner.append(row)
    if not parts:
        return np.tile(NOTHING, (len(segmentations), 1))
    points = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    polygons = shapely.polygons(shapely.linearrings(np.concatenate(parts), indices=points))
    # outlines drawn by hand cross themselves
    crossed = ~shapely.is_valid(polygons)
    polygons[crossed] = shapely.make_valid(polygons[crossed])
    complete = _unite(polygons, np.array(owner), len(segmentations))
    visible = shapely.intersection(complete, shapely.box(*np.transpose(crops)))
    areas = [shapely.area(complete), shapely.area(visible)]
    return np.column_stack([*areas, shapely.bounds(visible)])


def _unite(polygons: np.ndarray, owner: np.ndarray, n_instances: int) -> np.ndarray:
    """Unite the parts of each instance in one geometry, empty without parts."""
    united = np.full(n_instances, shapely.Polygon(), dtype=object)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    for group in np.split(np.arange(len(owner)), starts[1:]):
        alone = len(group) == 1
        parts = polygons[group]
        united[owner[group[0]]] = parts[0] if alone else shapely.union_all(parts)
    return united


def clip_mask(segmentation: Mapping[str, Any], crop: Rectangle) -> np.ndarray:
    """Clip an instance that is given as a run-length mask.

    Parameters
    ----------
    segmentation : `size` (height, width) and `counts`, the lengths of runs of 0 and 1 in turn down
        the columns, as numbers or as COCO's text
    crop : rectangle that is kept; pixels on its edge count by the part inside

    Returns
    -------
    (6,) like a row of `clip_polygons`

    Raises
    ------
    ValueError
        The runs do not add up to the size.
    """
    height, width = segmentation["size"]
    counts = segmentation["counts"]
    runs = np.asarray(_read_runs(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    if runs.sum() != height * width or (runs < 0).any():
        raise ValueError(f"a mask of {runs.sum()} pixels for a size of {height} × {width}")
    mask = np.repeat(np.arange(len(runs)) % 2, runs).reshape(width, height).T
    left, top, right, bottom = crop
    columns, rows = _coverage(width, left, right), _coverage(height, top, bottom)
    seen = (mask > 0) & (rows[:, None] > 0) & (columns > 0)
    area = float(rows @ mask @ columns)
    if not seen.any():
        return np.concatenate([[mask.sum()], NOTHING[1:]])
    x, y = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    bounds = max(x[0], left), max(y[0], top), min(x[-1] + 1, right), min(y[-1] + 1, bottom)
    return np.array([mask.sum(), area, *bounds])


def _coverage(n_pixels: int, start: float, end: float) -> np.ndarray:
    """Compute the part of each pixel [i, i + 1] that lies in [start, end]: (pixel,)."""
    edges = np.arange(n_pixels + 1)
    return np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, 1)


def _read_runs(text: str) -> list[int]:
    """Decode run lengths from COCO's text, in which each from the fourth on is a difference."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - FIRST_CHARACTER
        value |= (bits & (CONTINUES - 1)) << shift
        shift += BITS
        if bits & CONTINUES:
            continue
        if bits & (CONTINUES >> 1):
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs
