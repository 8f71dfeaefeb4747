"""Where a subject's voxels lie: other spaces for maps, and what maps are drawn on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    """A subject's anatomy. As it stands, that of a dataset which has nothing but responses.

    Of such a dataset there are maps in the space of the responses, and no pictures of brains.
    """

    def target(self, voxel: np.ndarray, geometry: Mapping[str, np.ndarray], name: str) -> Target:
        """Another space as it is reached from voxels (voxel,) of the space of the responses."""
        raise InputError(f"maps.spaces: this dataset cannot bring maps to {name}; leave it out")

    def reference(self, space: str) -> str | Mapping[str, str] | None:
        """What maps in a space lie on: a file of the dataset, or {hemisphere: file}."""
        return None

    def background(self) -> Path | None:
        """A volume on which slices in the space of the responses are drawn."""
        return None

    def surface(self, space: str, shapes: Sequence[str]) -> Surface | None:
        """A surface in the named shapes: inflated, pial, white."""
        return None

    def nearest_vertices(self, space: str) -> Sequence[np.ndarray]:
        """For left and right, which vertex of a surface is nearest to each of fsaverage."""
        raise InputError(f"this dataset does not tell how {space} is related to fsaverage")


def open_anatomy(folder: Path, subject: str, space: str) -> Anatomy:
    """The anatomy of a subject of the dataset in a folder.

    Parameters
    ----------
    space : of the responses
    """
    from pipeline.nsd.dataset.anatomy import NSDAnatomy

    return NSDAnatomy.open(folder, subject, space)
