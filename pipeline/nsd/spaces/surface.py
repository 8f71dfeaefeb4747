"""The subject's own cortical surface, and fsaverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.nsd.betas import check_betas, read_hdf5, read_series
from pipeline.nsd.files import (
    open_image,
    read_mesh,
    read_morphometry,
    read_vertices,
    require_grid,
)
from pipeline.nsd.layout import FSAVERAGE, HEMISPHERES, NSDLayout, Session
from pipeline.nsd.spaces.base import CORRECT, ResponseSpace
from pipeline.nsd.spaces.values import SMALLEST_LABEL, integer_labels, percent_signal_change
from pipeline.nsd.transforms import native_surface_to_fsaverage


@dataclass(frozen=True)
class SurfaceSpace(ResponseSpace):
    """The vertices of both hemispheres of the native surface or fsaverage.

    Native betas are integers (HDF5), those of fsaverage floating-point percent (.mgh).
    """

    @classmethod
    def open(cls, layout: NSDLayout, subject: str, name: str, betas: str) -> SurfaceSpace:
        """Open the space, with the numbers of vertices of the nsdgeneral ROI."""
        owner = FSAVERAGE if name == FSAVERAGE else subject
        paths = [layout.surface_roi(owner, "nsdgeneral", hemisphere) for hemisphere in HEMISPHERES]
        shape = tuple(len(read_vertices(path)) for path in paths)
        return cls(layout, subject, name, betas, shape)

    @property
    def owner(self) -> str:
        """Subject, or fsaverage, whose FreeSurfer folder has the surface."""
        return FSAVERAGE if self.name == FSAVERAGE else self.subject

    @property
    def n_voxels(self) -> int:
        """Number of vertices of both hemispheres."""
        return sum(self.shape)

    def read_session(self, session: Session, voxel: np.ndarray) -> np.ndarray:
        """Read betas (trial, voxel) in percent signal change."""
        self.check_session(session)
        return np.hstack(
            [
                self._read_hemisphere(session, hemisphere, vertex)
                for hemisphere, vertex in zip(HEMISPHERES, self.vertices(voxel), strict=True)
            ]
        )

    def _read_hemisphere(self, session: Session, hemisphere: str, vertex: np.ndarray) -> np.ndarray:
        path = self._betas(session, hemisphere)
        stored = read_hdf5(path, [vertex]) if path.suffix == ".hdf5" else read_series(path, vertex)
        return percent_signal_change(path, stored, np.ones(len(vertex), bool))

    def vertices(self, voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Split sorted voxels into vertices of the left and of the right hemisphere."""
        n_left = self.shape[0]
        return voxel[voxel < n_left], voxel[voxel >= n_left] - n_left

    def check_session(self, session: Session) -> None:
        """Check a session's files by their headers."""
        dtype = np.float32 if self.name == FSAVERAGE else np.int16
        for hemisphere, n_vertices in self._hemispheres():
            check_betas(
                self._betas(session, hemisphere), (n_vertices,), dtype, self.n_trials(session)
            )

    def read_ncsnr(self) -> np.ndarray:
        """Read the released ncsnr of both hemispheres."""
        return np.concatenate(
            [read_vertices(self._ncsnr(hemisphere), n) for hemisphere, n in self._hemispheres()]
        )

    def read_labels(self, atlas: str, hemisphere: str | None = None) -> np.ndarray:
        """Read labels; -1 in the other hemisphere if one is named."""
        parts = [
            self._read_labels(atlas, own, n_vertices)
            if hemisphere in (None, own)
            else np.full(n_vertices, SMALLEST_LABEL)
            for own, n_vertices in self._hemispheres()
        ]
        return np.concatenate(parts)

    def _read_labels(self, atlas: str, hemisphere: str, n_vertices: int) -> np.ndarray:
        path = self.layout.surface_roi(self.owner, atlas, hemisphere)
        if self.name != FSAVERAGE or path.exists():
            return integer_labels(path, read_vertices(path, n_vertices))
        # ROIs drawn by hand in each subject exist on native surfaces only
        path = self.layout.surface_roi(self.subject, atlas, hemisphere)
        native = integer_labels(path, read_vertices(path))
        labels = native_surface_to_fsaverage(self.layout, self.subject, hemisphere, native)
        transform = self.layout.surface_transform(self.subject, hemisphere, "white", FSAVERAGE)
        require_grid(transform, labels.shape, (n_vertices,))
        return labels

    def own_files(self, name: str) -> list[Path]:
        """List the paths of both hemispheres' files of the user's."""
        of_subject = name.replace("{subject}", self.subject)
        return [Path(of_subject.replace("{hemisphere}", side)) for side in HEMISPHERES]

    def read_own(self, name: str) -> np.ndarray:
        """Read the .mgh or .mgz files of both hemispheres, a value for each vertex."""
        parts = []
        for path, n_vertices in zip(self.own_files(name), self.shape, strict=True):
            values = read_vertices(path, n_vertices, CORRECT)
            require_grid(path, values.shape, (n_vertices,), hint=CORRECT)
            parts.append(values)
        return np.concatenate(parts)

    def checks(self, atlases: list[str]) -> Iterator[Callable[[], Any]]:
        """Yield checks of ncsnr, labels, meshes and sulcal depth."""
        for hemisphere, n_vertices in self._hemispheres():
            yield partial(_check_vertices, self._ncsnr(hemisphere), n_vertices)
            for atlas in ("nsdgeneral", *atlases):
                yield partial(self._read_labels, atlas, hemisphere, n_vertices)
        yield partial(self.read_meshes, "inflated")
        yield self.read_sulcal_depth

    def read_meshes(self, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Read left and right: coordinates (vertex, 3) in mm and triangles (face, 3).

        Parameters
        ----------
        name : white, pial, inflated, …
        """
        return [
            read_mesh(self.layout.surface(self.owner, hemisphere, name), n_vertices)
            for hemisphere, n_vertices in self._hemispheres()
        ]

    def read_sulcal_depth(self) -> list[np.ndarray]:
        """Read left and right: (vertex,), positive in sulci."""
        return [
            read_morphometry(self.layout.surface(self.owner, hemisphere, "sulc"), n_vertices)
            for hemisphere, n_vertices in self._hemispheres()
        ]

    @property
    def geometry(self) -> dict[str, np.ndarray]:
        """Numbers of vertices (left, right) as `grid_shape`."""
        return {"grid_shape": np.array(self.shape)}

    def _hemispheres(self) -> Iterator[tuple[str, int]]:
        return zip(HEMISPHERES, self.shape, strict=True)

    def _betas(self, session: Session, hemisphere: str) -> Path:
        return self.layout.surface_betas(self.subject, self.name, self.betas, session, hemisphere)

    def _ncsnr(self, hemisphere: str) -> Path:
        return self.layout.surface_ncsnr(self.subject, self.name, self.betas, hemisphere)


def _check_vertices(path: Path, n_vertices: int) -> None:
    with open_image(path) as image:
        require_grid(path, image.shape[:1], (n_vertices,))
