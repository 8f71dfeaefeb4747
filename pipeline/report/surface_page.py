"""Interactive page of many maps on one surface: a mesh, and 16-bit values that it colours."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from pipeline.figures.colours import colour_tables, corners, whole_rgb
from pipeline.report.cortex import SurfaceMap
from pipeline.report.meshes import SmallSurface
from pipeline.report.templates import render
from pipeline.report.views import Outlines

SIDES = ("left", "right")
STEPS, NO_VALUE = 32_767, -32_768
# stored values are clipped at twice the limit of the colour scale
RANGE = 2.0


def surface_page(
    title: str,
    maps: Sequence[SurfaceMap],
    surface: SmallSurface,
    outlines: Sequence[Outlines],
    banners: Sequence[str],
) -> str:
    """Write the page, which needs no other file; Plotly is from nilearn."""
    labelled = {one.atlas: _outlines(one, surface) for one in outlines}
    data = {
        "faces": _sides([part.astype(np.uint16) for part in surface.faces]),
        "depth": _sides([np.rint(255 * part).astype(np.uint8) for part in surface.shading]),
        "shapes": {
            name: _sides([part.astype(np.float32) for part in parts])
            for name, parts in surface.shapes.items()
        },
        "outlines": labelled,
        "maps": [_map(one, surface) for one in maps],
        "colours": colour_tables(),
    }
    plotly = files("nilearn.plotting.data.js").joinpath("plotly-gl3d-latest.min.js").read_text()
    return render(
        "surface.html.j2",
        title=title,
        maps=maps,
        shapes=list(surface.shapes),
        outlines=list(labelled),
        banners=banners,
        note=f"{title}; {surface.note}.",
        plotly=plotly,
        data=json.dumps(data, separators=(",", ":")),
    )


def _map(one: SurfaceMap, surface: SmallSurface) -> Mapping[str, object]:
    layers = [surface.kept(paths) for paths in one.files]
    description: dict[str, object] = {}
    if one.labels is not None:
        known = [[np.nan_to_num(part).astype(np.int16) for part in parts] for parts in layers]
        stored = [[np.where(part == 0, NO_VALUE, part) for part in parts] for parts in known]
        labels = {value: {"name": n, "colour": c} for value, (n, c) in one.labels.items()}
        description = {"labels": labels}
    elif one.scale is not None:
        limit = one.scale.limit
        stored = [[quantised(part, limit) for part in parts] for parts in layers]
        description = {"limit": limit, "label": one.scale.label, "names": one.scale.names}
        if one.scale.of_pairs:
            description["corners"] = [whole_rgb(colour) for colour in corners(one.scale.ends)]
    encoded = [_sides([part.astype(np.int16) for part in parts]) for parts in stored]
    return {"title": one.title, "layers": encoded, **description}


def quantised(values: np.ndarray, limit: float) -> np.ndarray:
    """Convert values to 16-bit steps from -2 to 2 limits; -32768 for missing values."""
    steps = np.rint(np.clip(values / (RANGE * limit), -1, 1) * STEPS)
    return np.where(np.isfinite(values), np.nan_to_num(steps), NO_VALUE).astype(np.int16)


def _outlines(one: Outlines, surface: SmallSurface) -> Mapping[str, object]:
    labels = [np.nan_to_num(part).astype(np.uint16) for part in surface.kept(one.path)]
    colours = one.colours
    regions = {value: {"name": n, "colour": colours[value]} for value, n in one.names.items()}
    return {"labels": _sides(labels), "regions": regions}


def _sides(parts: Sequence[np.ndarray]) -> dict[str, str]:
    return {
        side: base64.b64encode(np.ascontiguousarray(part).tobytes()).decode()
        for side, part in zip(SIDES, parts, strict=True)
    }
