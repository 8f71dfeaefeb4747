"""From a functional volume to the native surface, fsaverage and MNI by NSD's transform files.

A file `A-to-B` lies on B's grid and holds, for each place of B, its 1-based coordinate in A.
Affines play no part: the spaces of functional and anatomical volumes share no frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.files import DAMAGED, MEND, open_image, read_vertices, read_volume
from pipeline.nsd.layout import DEPTHS, FSAVERAGE, HEMISPHERES, TRANSFORM_NAMES, NSDLayout
from pipeline.nsd.sampling import sample, winner_take_all
from pipeline.reading import reading


def volume_to_native_surface(
    layout: NSDLayout, subject: str, space: str, hemisphere: str, volumes: np.ndarray
) -> np.ndarray:
    """Mean over three cortical depths, each sampled by Catmull-Rom, as NSD made its surface betas.

    NSD's own surface betas are of func1mm; func1pt8mm gives the same, but smoother.

    Parameters
    ----------
    space : func1pt8mm or func1mm, that of `volumes`
    volumes : (X, Y, Z) or (X, Y, Z, map); NaN where there are no data, which spreads

    Returns
    -------
    (vertex,) or (vertex, map) float64; NaN outside the volume
    """
    points = surface_points(layout, subject, space, hemisphere)
    return np.mean([sample(volumes, depth) for depth in points], axis=0)


def surface_points(
    layout: NSDLayout, subject: str, space: str, hemisphere: str
) -> list[np.ndarray]:
    """Where the native surface's vertices are in the volume `space`: (vertex, 3) of each depth."""
    source = TRANSFORM_NAMES[space]
    return [
        _points(layout.surface_transform(subject, hemisphere, source, depth)) for depth in DEPTHS
    ]


def labels_to_native_surface(
    layout: NSDLayout, subject: str, space: str, hemisphere: str, labels: np.ndarray
) -> np.ndarray:
    """Labels (X, Y, Z) at the middle cortical depth by winner-take-all: (vertex,), NaN outside."""
    path = layout.surface_transform(subject, hemisphere, TRANSFORM_NAMES[space], "layerB2")
    return winner_take_all(labels, _points(path))


def native_surface_to_fsaverage(
    layout: NSDLayout, subject: str, hemisphere: str, values: np.ndarray
) -> np.ndarray:
    """Every fsaverage vertex takes the value of its nearest native vertex.

    Parameters
    ----------
    values : (native vertex, …)

    Returns
    -------
    (fsaverage vertex, …) of the same type: some native vertices are used often, others never
    """
    return values[nearest_native_vertices(layout, subject, hemisphere, len(values))]


def nearest_native_vertices(
    layout: NSDLayout, subject: str, hemisphere: str, n_vertices: int
) -> np.ndarray:
    """For every fsaverage vertex the nearest, 0-based, of a subject's `n_vertices` native ones."""
    path = layout.surface_transform(subject, hemisphere, "white", FSAVERAGE)
    vertex = _nearest_vertices(path)
    if vertex.min() < 1 or vertex.max() > n_vertices:
        raise InputError(
            f"{path}: names vertices {vertex.min()} to {vertex.max()}, but the native surface has "
            f"{n_vertices}. It belongs to another subject; {MEND.lower()}"
        )
    return vertex - 1


def volume_to_mni(
    layout: NSDLayout, subject: str, space: str, volumes: np.ndarray, interpolation: str = "cubic"
) -> nibabel.Nifti1Image:
    """Volumes in MNI152 space.

    Parameters
    ----------
    space : func1pt8mm or func1mm, that of `volumes`
    volumes : (X, Y, Z) or (X, Y, Z, map); NaN where there are no data
    interpolation : "cubic", "linear", "nearest", or "labels" for winner-take-all

    Returns
    -------
    float32 image in RAS order, in the millimetres of NSD's MNI template; NaN outside
    """
    points, affine = mni_points(layout, subject, space)
    flat = points.reshape(-1, 3)
    if interpolation == "labels":
        values = winner_take_all(volumes, flat)
    else:
        values = sample(volumes, flat, interpolation)
    mapped = values.reshape(*points.shape[:3], *volumes.shape[3:]).astype(np.float32)
    return nibabel.Nifti1Image(mapped, affine)


def mni_points(layout: NSDLayout, subject: str, space: str) -> tuple[np.ndarray, np.ndarray]:
    """Where the voxels of the MNI template, in RAS order, are in the volume `space`.

    Returns
    -------
    (X, Y, Z, 3) 1-based coordinates, and the affine (4, 4) from MNI voxels to millimetres
    """
    path = layout.volume_transform(subject, TRANSFORM_NAMES[space], "MNI")
    _, affine = _mni_grid(layout, path)
    # the transform's first index runs from right to left, as the template of FSL does
    with reading(layout.mni_template, DAMAGED, MEND):
        ordered = nibabel.as_closest_canonical(nibabel.Nifti1Image(read_volume(path), affine))
    return np.asanyarray(ordered.dataobj), ordered.affine


def transform_checks(
    layout: NSDLayout, subject: str, space: str, map_spaces: Sequence[str]
) -> Iterator[Callable[[], Any]]:
    """Checks of all files that bring maps from the space of the responses to others."""
    source = TRANSFORM_NAMES.get(space)
    if source and {"nativesurface", FSAVERAGE}.intersection(map_spaces):
        for hemisphere, depth in itertools.product(HEMISPHERES, DEPTHS):
            yield partial(_points, layout.surface_transform(subject, hemisphere, source, depth))
    if FSAVERAGE in map_spaces and space != FSAVERAGE:
        for hemisphere in HEMISPHERES:
            path = layout.surface_transform(subject, hemisphere, "white", FSAVERAGE)
            yield partial(_nearest_vertices, path)
    if source and "MNI152" in map_spaces:
        yield partial(_mni_grid, layout, layout.volume_transform(subject, source, "MNI"))


def _mni_grid(layout: NSDLayout, path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of the template, which must be those of a transform to it."""
    with open_image(path) as image:
        if image.ndim != 4 or image.shape[3] != 3:
            raise InputError(f"{path}: shape {image.shape}, expected (X, Y, Z, 3). {MEND}")
        grid = image.shape[:3]
    # the transform's first index runs from right to left, as the template of FSL does
    with open_image(layout.mni_template) as template:
        if template.shape[:3] != grid or template.affine[0, 0] >= 0:
            raise InputError(
                f"{layout.mni_template}: not the grid (right to left, {grid}) of {path}. {MEND}"
            )
        return grid, template.affine


def _nearest_vertices(path: Path) -> np.ndarray:
    """(fsaverage vertex,) int64 1-based native vertices."""
    vertex = read_vertices(path).reshape(-1)
    if not np.isfinite(vertex).all():
        raise InputError(f"{path}: NaN or infinite, expected a native vertex each. {MEND}")
    return vertex.astype(np.int64)


def _points(path: Path) -> np.ndarray:
    points = read_vertices(path)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"{path}: not one coordinate (x, y, z) per vertex. {MEND}")
    return points
