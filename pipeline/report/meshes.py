"""Cortical surfaces small enough for pages: at most the vertices of fsaverage5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nilearn.datasets import load_fsaverage

from pipeline.configuration.settings import SHAPES
from pipeline.dataset.anatomy import Anatomy, Mesh
from pipeline.maps.files import read_map

# vertices of a hemisphere of fsaverage5: the first ones of FreeSurfer's fsaverage
MOST_VERTICES = 10_242
SIDES = ("left", "right")


@dataclass(frozen=True)
class SmallSurface:
    """Both hemispheres of a surface, thinned to fsaverage5.

    Attributes
    ----------
    vertex : for left and right, (vertex,) indices of the kept vertices of the full surface
    faces : for left and right, (face, 3)
    shapes : {"inflated": left and right (vertex, 3) mm, "pial": …}, hemispheres side by side
    sulcal_depth : for left and right, (vertex,), positive in sulci
    flat : for left and right, points (vertex, 3) mm and faces (face, 3) of the flattened
        hemisphere, which has cuts and no medial wall; None for a mesh other than fsaverage5
    note : whether and how the surface was thinned, for readers
    """

    vertex: tuple[np.ndarray, np.ndarray]
    faces: tuple[np.ndarray, np.ndarray]
    shapes: Mapping[str, tuple[np.ndarray, np.ndarray]]
    sulcal_depth: tuple[np.ndarray, np.ndarray]
    flat: tuple[Mesh, Mesh] | None
    note: str

    @property
    def shading(self) -> tuple[np.ndarray, np.ndarray]:
        """Left and right (vertex,) grey values from 0 on gyri to 1 in sulci."""
        left, right = (
            1 / (1 + np.exp(-4 * depth / (depth.std() or 1))) for depth in self.sulcal_depth
        )
        return left, right

    def kept(self, files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
        """Read left and right (vertex,) of a map's files (left, right), NaN for missing values."""
        left, right = (
            read_map(path)[vertex] for path, vertex in zip(files, self.vertex, strict=True)
        )
        return left, right


def small_surface(anatomy: Anatomy, space: str) -> SmallSurface | None:
    """Read a native surface or fsaverage with the vertices and triangles of fsaverage5.

    fsaverage5 has the first vertices of fsaverage, and a thinned native surface those that are
    nearest to them on the sphere. Where a dataset's fsaverage has fewer vertices (small simulated
    ones), the mesh stays as it is. None if the dataset has no surfaces.
    """
    surface = anatomy.surface(space, SHAPES)
    if surface is None:
        return None
    counts = [len(part) for part in surface.sulcal_depth]
    nearest = anatomy.nearest_vertices(space)
    flat = None
    if min(len(part) for part in nearest) >= MOST_VERTICES:
        vertex = [part[:MOST_VERTICES] for part in nearest]
        template = load_fsaverage("fsaverage5")
        faces = [template["pial"].parts[side].faces for side in SIDES]
        flattened = [template["flat"].parts[side] for side in SIDES]
        left_flat, right_flat = ((part.coordinates, part.faces) for part in flattened)
        flat = left_flat, right_flat
    else:
        vertex = [np.arange(n) for n in counts]
        faces = [mesh[1] for mesh in surface.meshes[SHAPES[0]]]
    note = "all vertices"
    if max(counts) > len(vertex[0]):
        note = (
            f"thinned to the {MOST_VERTICES:,} vertices per hemisphere of fsaverage5; "
            "the map files have all vertices"
        )
    shapes = {
        shape: _apart([mesh[0][kept] for mesh, kept in zip(meshes, vertex, strict=True)])
        for shape, meshes in surface.meshes.items()
    }
    left, right = (part[kept] for part, kept in zip(surface.sulcal_depth, vertex, strict=True))
    return SmallSurface(
        *((vertex[0], vertex[1]), (faces[0], faces[1]), shapes, (left, right), flat, note)
    )


def _apart(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Move hemispheres side by side: FreeSurfer inflates both around the same centre."""
    left, right = parts
    overlap = max(left[:, 0].max() - right[:, 0].min(), 0) / 2
    shift = np.array([overlap, 0, 0])
    return left - shift, right + shift
