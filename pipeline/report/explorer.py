"""Data of the voxel explorer: a subject's voxels, in files that its page loads when needed.

Pages that are opened from disk may not read files, but may load scripts. Each file therefore is a
script that hands an object to the page: `receive(name, {…})`. Numbers are 16-bit integers times a
step, in base64; the smallest integer means no value.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from PIL import Image

from pipeline.configuration.settings import FSAVERAGE
from pipeline.configuration.study import Configuration
from pipeline.dataset.anatomy import Anatomy
from pipeline.dataset.images import Images
from pipeline.figures.palette import space_colours
from pipeline.report.cortex import GAP
from pipeline.report.meshes import MOST_VERTICES, small_surface
from pipeline.results.integrity import atomic_path
from pipeline.results.metadata import write_text
from pipeline.results.result_file import array_names
from pipeline.results.storage import open_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.tables.columns import ROI_COLUMN
from pipeline.tables.tables import LEAST_RELIABILITY
from pipeline.tables.voxels import HEMISPHERES, column_names, read_components, read_voxels

STEPS, NO_VALUE = 32_767, -32_768
FINEST_STEP = 1e-4
CEILING = ("noise_ceiling", "noise_ceiling_error", "reliability")
SCORES = ("r", "r_lower", "r_upper", "r2", "q")
COMPONENT = ("variance", "variance_lower", "variance_upper", "q")
PLACE = ("x", "y", "z"), ("surface_hemisphere", "vertex")
# test images that are displayed for a voxel
HIGHEST, LOWEST = 8, 4
NO_IMAGE = 65_535
THUMBNAIL, PER_ROW, PER_SHEET, QUALITY = 80, 10, 100, 70
VOXELS_AT_A_TIME, IMAGES_AT_A_TIME = 2048, 64


@dataclass(frozen=True)
class Explored:
    """A subject's results, and what they are displayed on.

    Attributes
    ----------
    models, components : Parquet files of the subject's voxels
    responses : result file of the responses
    test_image : (image,) numbers of the test images
    limits : {quantity: end of the colour scale}
    """

    study: Configuration
    subject: str
    anatomy: Anatomy
    images: Images
    models: Path
    components: Path
    responses: Path
    test_image: np.ndarray
    limits: Mapping[str, float]

    @cached_property
    def voxels(self) -> pd.DataFrame:
        """A row per voxel: where it is, its regions and its ceiling."""
        known = column_names(self.models)
        place = [name for names in PLACE for name in names if name in known]
        atlases = [name for name in known if name.startswith(ROI_COLUMN.format(""))]
        columns = ["voxel", *place, *atlases, *CEILING]
        return read_voxels(self.models, columns, self.study.models[:1]).set_index("voxel")

    @property
    def voxel(self) -> np.ndarray:
        """Return (voxel,) C-order indices, in the order of all arrays."""
        return self.voxels.index.to_numpy()

    @cached_property
    def geometry(self) -> dict[str, np.ndarray]:
        """Grid and, for volumes, affine of the responses."""
        with open_result(self.responses) as file:
            return {
                name: file[name][()]
                for name in ("grid_shape", "affine")
                if name in array_names(file)
            }

    def scores(self, model: str, columns: Sequence[str]) -> pd.DataFrame:
        """Read a model's columns, a row per voxel."""
        frame = read_voxels(self.models, ["voxel", *columns], [model])
        return frame.set_index("voxel").reindex(self.voxel)


def packed(values: np.ndarray) -> dict[str, object]:
    """Store values as 16-bit integers times a step, at least 0.0001."""
    values = np.asarray(values, dtype=np.float64)
    step = max(FINEST_STEP, float(np.nanmax(np.abs(values), initial=0)) / STEPS)
    whole = np.where(np.isfinite(values), np.rint(np.nan_to_num(values) / step), NO_VALUE)
    return {"step": step, "data": encoded(whole, np.int16)}


def encoded(values: np.ndarray, dtype: type[np.generic]) -> str:
    """Store an array as base64 of its bytes."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def write_explorer(explored: Explored, directory: Path) -> None:
    """Write a subject's files to `directory`, whose name is the subject's."""
    study = explored.study

    def write(name: str, content: Mapping[str, object]) -> None:
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        name = f"{explored.subject}/{name}"
        write_text(directory.parent / f"{name}.js", f'receive("{name}",{text});\n')

    colours = space_colours(study.coloured_spaces)
    models = []
    for number, (model, spaces) in enumerate(study.fits().items()):
        scores = explored.scores(model, SCORES)
        write(f"model_{number}", {name: packed(scores[name]) for name in SCORES})
        single = model in study.models
        models.append({"name": model, "single": single, "colour": colours.get(model, "#777777")})
        models[-1]["spaces"] = spaces
    comparisons = []
    for number, (comparison, spaces) in enumerate(study.comparisons.items()):
        components = dict(_components(explored, comparison))
        write(f"comparison_{number}", components)
        entry = {"name": comparison, "spaces": spaces, "components": [*components]}
        comparisons.append({**entry, "colours": [colours[space] for space in spaces]})
    views = {"flat": _flat(explored), "slices": _slices(explored)}
    for name, view in views.items():
        if view is not None:
            write(name, view)
    write("images", {**_driving(explored), **_pictures(explored, directory)})
    write(
        "index",
        {
            "subject": explored.subject,
            "voxel": encoded(explored.voxel, np.int32),
            "place": _place(explored.voxels),
            "atlases": _atlases(explored.voxels),
            "ceiling": {name: packed(explored.voxels[name].to_numpy()) for name in CEILING},
            "best": encoded(_best(explored), np.uint8),
            "models": models,
            "comparisons": comparisons,
            "views": [name for name, view in views.items() if view is not None],
            "limits": explored.limits,
        },
    )


def _components(explored: Explored, comparison: str) -> Iterator[tuple[str, dict[str, object]]]:
    columns = ["voxel", "component", *COMPONENT]
    frame = read_components(explored.components, columns, comparison)
    for component, rows in frame.groupby("component", sort=False):
        rows = rows.set_index("voxel").reindex(explored.voxel)
        yield str(component), {name: packed(rows[name].to_numpy()) for name in COMPONENT}


def _best(explored: Explored) -> np.ndarray:
    """Find each voxel's best single model on training images, as maps of preferred models do.

    Returns
    -------
    (voxel,) number of the model from 1; 0 for unreliable voxels
    """
    models = explored.study.models
    scores = np.stack([explored.scores(model, ["cv_score"])["cv_score"] for model in models])
    known = np.isfinite(scores).all(axis=0)
    known &= explored.voxels["reliability"].to_numpy() >= LEAST_RELIABILITY
    return np.where(known, 1 + np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=0), 0)


def _place(voxels: pd.DataFrame) -> dict[str, object]:
    """Return where voxels are: three indices, or hemisphere (0 left, 1 right) and vertex."""
    if "x" in voxels:
        return {"indices": encoded(voxels[[*PLACE[0]]].to_numpy(), np.uint16)}
    right = (voxels["surface_hemisphere"] == HEMISPHERES[1]).to_numpy()
    vertex = encoded(voxels["vertex"].to_numpy(), np.int32)
    return {"right": encoded(right, np.uint8), "vertex": vertex}


def _atlases(voxels: pd.DataFrame) -> dict[str, dict[str, object]]:
    """{atlas: names of regions, and the number of each voxel's from 1, 0 for none}."""
    before, after = ROI_COLUMN.split("{}")
    found = {}
    for column in voxels:
        if str(column).startswith(before):
            codes, names = pd.factorize(voxels[column], sort=True)
            atlas = str(column).removeprefix(before).removesuffix(after)
            found[atlas] = {"names": names.tolist(), "codes": encoded(codes + 1, np.uint16)}
    return found


# ---- where voxels are displayed


def _flat(explored: Explored) -> dict[str, object] | None:
    """Return fsaverage5's flat hemispheres, and the voxel that each vertex displays."""
    if FSAVERAGE not in explored.study.map_spaces:
        return None
    surface = small_surface(explored.anatomy, FSAVERAGE)
    if surface is None or surface.flat is None:
        return None
    number = np.arange(1, len(explored.voxel) + 1)
    if explored.study.space == FSAVERAGE:
        place, shown, counts = explored.voxel, number, explored.geometry["grid_shape"]
    else:
        target = explored.anatomy.target(explored.voxel, explored.geometry, FSAVERAGE)
        place, shown = target.place, target.labels(number)
        counts = target.geometry["grid_shape"]
    everywhere = np.zeros(int(np.sum(counts)), dtype=np.int64)
    everywhere[place] = np.nan_to_num(shown).astype(np.int64)
    parts = np.split(everywhere, [int(counts[0])])
    (left, left_faces), (right, right_faces) = surface.flat
    # visual cortex is in the middle, as in the pictures
    left = left[:, :2] - [left[np.unique(left_faces), 0].max() + GAP / 2, 0]
    right = right[:, :2] - [right[np.unique(right_faces), 0].min() - GAP / 2, 0]
    faces = [left_faces, right_faces + len(left)]
    voxel = np.concatenate([part[:MOST_VERTICES] for part in parts]) - 1
    return {
        "points": encoded(np.concatenate([left, right]), np.float32),
        "faces": encoded(np.concatenate(faces), np.uint16),
        "shade": encoded(np.rint(255 * np.concatenate(surface.shading)), np.uint8),
        "voxel": encoded(voxel, np.int32),
    }


def _slices(explored: Explored) -> dict[str, object] | None:
    """Return the grid in the order left-right, back-front, bottom-top, and its mean image."""
    geometry = explored.geometry
    grid = tuple(int(n) for n in geometry["grid_shape"])
    if "affine" not in geometry or len(grid) != 3 or min(grid) < 2:
        return None
    numbers = np.full(int(np.prod(grid)), -1, dtype=np.int32)
    numbers[explored.voxel] = np.arange(len(explored.voxel))
    turned = _canonical(numbers.reshape(grid), geometry["affine"])
    where = np.full((len(explored.voxel), 3), 0, dtype=np.uint16)
    where[turned[turned >= 0]] = np.argwhere(turned >= 0)
    background = explored.anatomy.background()
    brightness: np.ndarray = np.zeros(grid)
    if background is not None:
        image = nibabel.Nifti1Image.from_filename(background)
        brightness = image.get_fdata(dtype=np.float32)
    top = np.percentile(brightness, 99.5) or 1.0
    grey = np.rint(255 * np.clip(brightness / top, 0, 1)).astype(np.uint8)
    return {
        "grid": turned.shape,
        "zooms": _turned_zooms(geometry["affine"]),
        "where": encoded(where, np.uint16),
        "background": encoded(_canonical(grey, geometry["affine"]), np.uint8),
    }


def _canonical(values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return nibabel.orientations.apply_orientation(values, nibabel.io_orientation(affine))


def _turned_zooms(affine: np.ndarray) -> list[float]:
    axes = nibabel.io_orientation(affine)[:, 0].astype(int)
    zooms = np.empty(3)
    zooms[axes] = nibabel.affines.voxel_sizes(affine)
    return [float(zoom) for zoom in zooms]


# ---- images


def _driving(explored: Explored) -> dict[str, object]:
    """Return the test images with the highest and lowest measured responses of each voxel."""
    test, n_shown = explored.test_image, HIGHEST + LOWEST
    images = np.full((len(explored.voxel), n_shown), NO_IMAGE, dtype=np.uint16)
    responses = np.full((len(explored.voxel), n_shown), np.nan, dtype=np.float32)
    with open_result(explored.responses) as file:
        stored = StoredMatrix(file, "responses", test, f"explorer of {explored.subject}")
        for start in range(0, len(explored.voxel), VOXELS_AT_A_TIME):
            block = stored.of(explored.voxel[start : start + VOXELS_AT_A_TIME])
            rows = slice(start, start + block.shape[1])
            images[rows], responses[rows] = extremes(block)
    return {
        "id": encoded(test, np.int32),
        "highest": HIGHEST,
        "shown": encoded(images, np.uint16),
        "responses": packed(responses),
    }


def extremes(responses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the images with the highest, then with the lowest responses of each voxel.

    Parameters
    ----------
    responses : (image, voxel), NaN where there is none

    Returns
    -------
    rows of images (voxel, HIGHEST + LOWEST), NO_IMAGE where there are too few, and their responses
    """
    order = np.argsort(-responses, axis=0, kind="stable")
    known = np.isfinite(responses).sum(axis=0)
    ranked = [*range(HIGHEST), *range(-1, -LOWEST - 1, -1)]
    ranks = np.array([np.full(len(known), r) if r >= 0 else known + r for r in ranked])
    enough = known >= len(ranked)
    rows = np.take_along_axis(order, np.clip(ranks, 0, len(order) - 1), axis=0)
    found = np.take_along_axis(responses, rows, axis=0)
    shown = np.where(enough, rows, NO_IMAGE).T.astype(np.uint16)
    return shown, np.where(enough, found, np.nan).T


def _pictures(explored: Explored, directory: Path) -> dict[str, Any]:
    """Write sheets of small pictures, if the study's networks read pictures, and give captions."""
    test, kinds = explored.test_image, explored.study.stimuli
    content: dict[str, Any] = {"sheets": [], "captions": []}
    if "captions" in kinds:
        content["captions"] = [texts[0] for texts in explored.images.texts(test, "captions")]
    if "image" in kinds:
        thumbnails: list[np.ndarray] = []
        for batch in explored.images.pictures(test, IMAGES_AT_A_TIME):
            thumbnails += [_thumbnail(picture) for picture in batch]
        for start in range(0, len(test), PER_SHEET):
            name = f"images_{start // PER_SHEET}.jpg"
            _write_sheet(thumbnails[start : start + PER_SHEET], directory / name)
            content["sheets"].append(name)
        content |= {"size": THUMBNAIL, "per_row": PER_ROW, "per_sheet": PER_SHEET}
    return content


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def _write_sheet(thumbnails: Sequence[np.ndarray], path: Path) -> None:
    """Write pictures in rows of `PER_ROW` as one JPEG."""
    n_rows = -(-len(thumbnails) // PER_ROW)
    sheet = np.full((n_rows * PER_ROW, THUMBNAIL, THUMBNAIL, 3), 255, np.uint8)
    sheet[: len(thumbnails)] = thumbnails
    rows = sheet.reshape(n_rows, PER_ROW, THUMBNAIL, THUMBNAIL, 3).transpose(0, 2, 1, 3, 4)
    content = io.BytesIO()
    whole = rows.reshape(n_rows * THUMBNAIL, PER_ROW * THUMBNAIL, 3)
    Image.fromarray(whole).save(content, format="jpeg", quality=QUALITY)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
