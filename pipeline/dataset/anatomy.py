"""A subject's anatomy: other spaces for maps, and the volumes and surfaces they are drawn on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.dataset.kinds import is_matrices
from pipeline.errors import InputError
from pipeline.maps.spaces import Target

Mesh = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Surface:
    """Both hemispheres of a cortical surface.

    Attributes
    ----------
    meshes : {shape: left and right (points (vertex, 3) in mm, triangles (face, 3))}
    sulcal_depth : left and right (vertex,), positive in sulci
    """

    meshes: Mapping[str, Sequence[Mesh]]
    sulcal_depth: Sequence[np.ndarray]


class Anatomy:
    """A subject's anatomy. This base class stands for a dataset that has only responses.

    Such a dataset has maps in the space of the responses, and no pictures of brains.
    """

    def target(self, voxel: np.ndarray, geometry: Mapping[str, np.ndarray], name: str) -> Target:
        """Open another space, into which maps of the modelled voxels (voxel,) are brought."""
        raise InputError(f"maps.spaces: this dataset cannot bring maps to {name}; leave it out")

    def reference(self, space: str) -> str | Mapping[str, str] | None:
        """Name the file, or {hemisphere: file}, of the dataset on whose grid maps are."""
        return None

    def background(self) -> Path | None:
        """Return the volume on which slices in the space of the responses are drawn, if any."""
        return None

    def surface(self, space: str, shapes: Sequence[str]) -> Surface | None:
        """Read a surface in the named shapes (inflated, pial, white), if there is one."""
        return None

    def nearest_vertices(self, space: str) -> Sequence[np.ndarray]:
        """For each hemisphere, find the vertex of a surface nearest to each fsaverage vertex."""
        raise InputError(f"this dataset has no transform from {space} to fsaverage")


def open_anatomy(folder: Path, subject: str, space: str) -> Anatomy:
    """Open the anatomy of a subject of the dataset in a folder.

    Parameters
    ----------
    space : space of the responses
    """
    if is_matrices(folder):
        return Anatomy()
    from pipeline.nsd.dataset.anatomy import NSDAnatomy

    return NSDAnatomy.open(folder, subject, space)
