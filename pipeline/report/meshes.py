"""Cortical surfaces small enough for pages: at most the vertices of fsaverage5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nilearn.datasets import load_fsaverage
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

from pipeline.configuration.settings import SHAPES
from pipeline.dataset.anatomy import Anatomy
from pipeline.maps.files import read_map

# vertices of a hemisphere of fsaverage5: the first ones of FreeSurfer's fsaverage
MOST_VERTICES = 10_242


@dataclass(frozen=True)
class SmallSurface:
    """Both hemispheres of a surface, complete or thinned to fsaverage5.

    Attributes
    ----------
    vertex : for left and right, (vertex,) indices of the kept vertices of the full surface
    faces : for left and right, (face, 3)
    shapes : {"inflated": left and right (vertex, 3) mm, "pial": …}, hemispheres side by side
    sulcal_depth : for left and right, (vertex,), positive in sulci
    note : whether and how the surface was thinned, for readers
    """

    vertex: tuple[np.ndarray, np.ndarray]
    faces: tuple[np.ndarray, np.ndarray]
    shapes: Mapping[str, tuple[np.ndarray, np.ndarray]]
    sulcal_depth: tuple[np.ndarray, np.ndarray]
    note: str

    def image(self, parts: tuple[np.ndarray, np.ndarray], shape: str = "inflated") -> SurfaceImage:
        """Convert values of the kept vertices to nilearn's type; missing values become 0."""
        left, right = (np.nan_to_num(part).astype(np.float32) for part in parts)
        return SurfaceImage(self.mesh(shape), {"left": left, "right": right})

    def mesh(self, shape: str = "inflated") -> PolyMesh:
        """Convert a shape to nilearn's type."""
        left, right = (
            InMemoryMesh(coordinates.astype(np.float32), faces)
            for coordinates, faces in zip(self.shapes[shape], self.faces, strict=True)
        )
        return PolyMesh(left=left, right=right)

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
    """Read a native surface or fsaverage, thinned if it is larger than fsaverage5.

    fsaverage5 has the first vertices of fsaverage. A thinned native surface has the native vertices
    that are nearest to them on the sphere, and the triangles of fsaverage5. None if the dataset has
    no surfaces.
    """
    surface = anatomy.surface(space, SHAPES)
    if surface is None:
        return None
    counts = [len(part) for part in surface.sulcal_depth]
    if max(counts) <= MOST_VERTICES:
        vertex = [np.arange(n) for n in counts]
        faces = [mesh[1] for mesh in surface.meshes[SHAPES[0]]]
        note = "all vertices"
    else:
        vertex = [nearest[:MOST_VERTICES] for nearest in anatomy.nearest_vertices(space)]
        template = load_fsaverage("fsaverage5")["pial"]
        faces = [template.parts[side].faces for side in ("left", "right")]
        note = (
            f"thinned to the {MOST_VERTICES:,} vertices per hemisphere of fsaverage5; "
            "the map files have all vertices"
        )
    shapes = {
        shape: _apart([mesh[0][kept] for mesh, kept in zip(meshes, vertex, strict=True)])
        for shape, meshes in surface.meshes.items()
    }
    left, right = (part[kept] for part, kept in zip(surface.sulcal_depth, vertex, strict=True))
    return SmallSurface((vertex[0], vertex[1]), (faces[0], faces[1]), shapes, (left, right), note)


def _apart(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Move hemispheres side by side: FreeSurfer inflates both around the same centre."""
    left, right = parts
    overlap = max(left[:, 0].max() - right[:, 0].min(), 0) / 2
    shift = np.array([overlap, 0, 0])
    return left - shift, right + shift
