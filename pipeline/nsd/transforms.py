"""NSD's transforms from a functional volume to the native surface, fsaverage and MNI.

A file `A-to-B` has B's grid, and contains the 1-based coordinate in A of each point of B. Affines
do not relate spaces to one another: functional and anatomical volumes share no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.files import HINT, open_image, read_vertices, require_grid, require_sides
from pipeline.nsd.frame import Frame
from pipeline.nsd.layout import DEPTHS, FSAVERAGE, HEMISPHERES, TRANSFORM_NAMES, NSDLayout

COORDINATES = 3
# larger coordinates mark points without data: 9999, or 9999 after an affine transform
NO_DATA = 1000


def surface_points(
    layout: NSDLayout, subject: str, space: str, hemisphere: str
) -> list[np.ndarray]:
    """Read the coordinates of the native surface in the volume `space`: (vertex, 3) per depth.

    Raises
    ------
    InputError
        A file is missing or damaged, or the depths have different numbers of vertices.
    """
    source = TRANSFORM_NAMES[space]
    paths = [layout.surface_transform(subject, hemisphere, source, depth) for depth in DEPTHS]
    points = [_points(path) for path in paths]
    for path, depth in zip(paths, points, strict=True):
        require_grid(path, depth.shape[:1], points[0].shape[:1])
    return points


def native_surface_to_fsaverage(
    layout: NSDLayout, subject: str, hemisphere: str, values: np.ndarray
) -> np.ndarray:
    """Give every fsaverage vertex the value of its nearest native vertex.

    Parameters
    ----------
    values : (native vertex, …)

    Returns
    -------
    (fsaverage vertex, …) of the same type
    """
    return values[nearest_native_vertices(layout, subject, hemisphere, len(values))]


def nearest_native_vertices(
    layout: NSDLayout, subject: str, hemisphere: str, n_vertices: int
) -> np.ndarray:
    """Find the nearest native vertex, 0-based, of every fsaverage vertex."""
    path = layout.surface_transform(subject, hemisphere, "white", FSAVERAGE)
    vertex = _nearest_vertices(path)
    if vertex.min() < 1 or vertex.max() > n_vertices:
        raise InputError(
            f"{path}: names vertices {vertex.min()} to {vertex.max()}, but the native surface has "
            f"{n_vertices}. It belongs to another subject; {HINT.lower()}"
        )
    return vertex - 1


def mni_points(layout: NSDLayout, subject: str, space: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the coordinates of the MNI template's voxels, in RAS order, in the volume `space`.

    Returns
    -------
    (X, Y, Z, 3) 1-based coordinates, and the affine (4, 4) from MNI voxels to millimetres
    """
    path = layout.volume_transform(subject, TRANSFORM_NAMES[space], "MNI")
    frame, template = _mni_frames(layout)
    # stored from right to left, although the header says left to right
    return frame.read(path, (COORDINATES,))[::-1], template.affine


def transform_checks(
    layout: NSDLayout, subject: str, space: str, map_spaces: Sequence[str]
) -> Iterator[Callable[[], Any]]:
    """Yield checks of all files that bring maps from the space of the responses to others."""
    source = TRANSFORM_NAMES.get(space)
    if source and {"nativesurface", FSAVERAGE}.intersection(map_spaces):
        yield partial(_check_surface_points, layout, subject, space)
    if FSAVERAGE in map_spaces and space != FSAVERAGE:
        for hemisphere in HEMISPHERES:
            yield partial(_check_nearest_vertices, layout, subject, space, hemisphere)
    if source and "MNI152" in map_spaces:
        yield partial(_check_mni, layout, layout.volume_transform(subject, source, "MNI"))


def _check_surface_points(layout: NSDLayout, subject: str, space: str) -> None:
    """Raise unless the left hemisphere's vertices lie left of the right one's."""
    paths = [vertices_of(layout, subject, space, "nativesurface", side) for side in HEMISPHERES]
    points = [surface_points(layout, subject, space, side)[0][:, 0] for side in HEMISPHERES]
    require_sides(paths, [x[x < NO_DATA] for x in points])


def _check_nearest_vertices(layout: NSDLayout, subject: str, space: str, hemisphere: str) -> None:
    native = vertices_of(layout, subject, space, "nativesurface", hemisphere)
    nearest_native_vertices(layout, subject, hemisphere, len(read_vertices(native)))


def vertices_of(layout: NSDLayout, subject: str, space: str, surface: str, hemisphere: str) -> Path:
    """Choose a file with an entry for every vertex of a surface.

    Parameters
    ----------
    space : space of the responses
    surface : nativesurface, or fsaverage if the space is another one
    """
    if surface == FSAVERAGE:
        return layout.surface_transform(subject, hemisphere, "white", FSAVERAGE)
    if space in TRANSFORM_NAMES:
        return layout.surface_transform(subject, hemisphere, TRANSFORM_NAMES[space], DEPTHS[0])
    return layout.surface_roi(subject, "nsdgeneral", hemisphere)


def _check_mni(layout: NSDLayout, path: Path) -> None:
    frame, _ = _mni_frames(layout)
    with open_image(path) as image:
        frame.turn(path, image, (COORDINATES,))


def _mni_frames(layout: NSDLayout) -> tuple[Frame, Frame]:
    """Return the frame in the header of a transform to MNI, and the template's own.

    The header is the default of `nsd_savenifti`: millimetres from the volume's centre.
    """
    template = Frame.of(layout.mni_template)
    edges = nibabel.affines.voxel_sizes(template.affine)
    centre = (np.array(template.shape) - 1) / 2 * edges
    affine = nibabel.affines.from_matvec(np.diag(edges), -centre)
    return Frame(template.shape, affine, layout.mni_template), template


def _nearest_vertices(path: Path) -> np.ndarray:
    """Read the native vertices, 1-based, of a transform to fsaverage: (vertex,) int64."""
    vertex = read_vertices(path).reshape(-1)
    if not np.isfinite(vertex).all():
        raise InputError(f"{path}: NaN or infinite, expected numbers of native vertices. {HINT}")
    return vertex.astype(np.int64)


def _points(path: Path) -> np.ndarray:
    points = read_vertices(path)
    if points.ndim != 2 or points.shape[1] != COORDINATES:
        raise InputError(f"{path}: not one coordinate (x, y, z) per vertex. {HINT}")
    return points
