"""NSD's transforms, mean images and surfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.configuration.settings import SURFACES
from pipeline.dataset.anatomy import Anatomy, Surface
from pipeline.maps.files import STRUCTURES
from pipeline.maps.spaces import Target
from pipeline.nsd.files import read_mesh, read_morphometry
from pipeline.nsd.layout import FSAVERAGE, HEMISPHERES, NSDLayout
from pipeline.nsd.map_spaces import open_target
from pipeline.nsd.transforms import nearest_native_vertices


@dataclass(frozen=True)
class NSDAnatomy(Anatomy):
    """A subject's anatomy, with NSD's transforms from the space of the responses."""

    layout: NSDLayout
    subject: str
    space: str

    @classmethod
    def open(cls, folder: Path, subject: str, space: str) -> NSDAnatomy:
        """Open the anatomy of a subject in an NSD copy."""
        return cls(NSDLayout(folder), subject, space)

    def target(self, voxel: np.ndarray, geometry: Mapping[str, np.ndarray], name: str) -> Target:
        """Open another space, into which maps are brought by NSD's transforms."""
        return open_target(self.layout, self.subject, self.space, voxel, geometry, name)

    def reference(self, space: str) -> str | Mapping[str, str]:
        """Return paths of NSD's files, relative to its root."""
        nsd = NSDLayout(Path())
        if space == "MNI152":
            return str(nsd.mni_template)
        if space not in SURFACES:
            return str(nsd.mean_image(self.subject, space))
        owner = self._owner(space)
        return {name: str(nsd.surface(owner, side, "white")) for side, name in STRUCTURES.items()}

    def background(self) -> Path:
        """Return the mean functional image."""
        return self.layout.mean_image(self.subject, self.space)

    def surface(self, space: str, shapes: Sequence[str]) -> Surface:
        """Read a FreeSurfer surface in the named shapes, with its sulcal depth."""
        owner = self._owner(space)
        depth = [read_morphometry(self.layout.surface(owner, side, "sulc")) for side in HEMISPHERES]
        meshes = {
            shape: [
                read_mesh(self.layout.surface(owner, side, shape), len(part))
                for side, part in zip(HEMISPHERES, depth, strict=True)
            ]
            for shape in shapes
        }
        return Surface(meshes, depth)

    def nearest_vertices(self, space: str) -> Sequence[np.ndarray]:
        """For each hemisphere, find the vertex nearest to each fsaverage vertex."""
        depth = self.surface(space, ()).sulcal_depth
        if space == FSAVERAGE:
            return [np.arange(len(part)) for part in depth]
        return [
            nearest_native_vertices(self.layout, self.subject, side, len(part))
            for side, part in zip(HEMISPHERES, depth, strict=True)
        ]

    def _owner(self, space: str) -> str:
        return FSAVERAGE if space == FSAVERAGE else self.subject
