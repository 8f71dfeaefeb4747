"""The functional volumes of 1.8 and 1 mm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.nsd.betas import check_betas, read_hdf5, read_series
from pipeline.nsd.files import require_sides
from pipeline.nsd.frame import Frame
from pipeline.nsd.layout import HEMISPHERES, NSDLayout, Session
from pipeline.nsd.spaces.base import CORRECT, ResponseSpace
from pipeline.nsd.spaces.values import integer_labels, percent_signal_change


@dataclass(frozen=True)
class VolumeSpace(ResponseSpace):
    """A functional volume.

    Attributes
    ----------
    affine : (4, 4) from voxels to the space's own millimetres
    """

    affine: np.ndarray

    @classmethod
    def open(cls, layout: NSDLayout, subject: str, name: str, betas: str) -> VolumeSpace:
        """Open the space, with the grid and positions of the nsdgeneral ROI."""
        frame = Frame.of(layout.roi(subject, name, "nsdgeneral"))
        return cls(layout, subject, name, betas, frame.shape, frame.affine)

    @property
    def frame(self) -> Frame:
        """Order of axes in which voxels are counted, and their positions."""
        reference = self.layout.roi(self.subject, self.name, "nsdgeneral")
        return Frame(self.shape, self.affine, reference)

    @property
    def n_voxels(self) -> int:
        """Number of voxels of the volume."""
        return math.prod(self.shape)

    def read_session(self, session: Session, voxel: np.ndarray) -> np.ndarray:
        """Read betas (trial, voxel) in percent signal change."""
        self.check_session(session)
        path = self.layout.betas(self.subject, self.name, self.betas, session)
        if path.suffix == ".hdf5":
            # the file's axes are those of the volume in reverse
            stored = read_hdf5(path, np.unravel_index(voxel, self.shape)[::-1])
        else:
            stored = read_series(path, voxel, self.frame)
        valid = self.frame.read(self._valid(session)).ravel()[voxel] > 0
        return percent_signal_change(path, stored, valid)

    def check_session(self, session: Session) -> None:
        """Check a session's files by their headers."""
        path = self.layout.betas(self.subject, self.name, self.betas, session)
        check_betas(path, self.shape, np.int16, self.n_trials(session), self.frame)
        self.frame.check(self._valid(session))

    def read_ncsnr(self) -> np.ndarray:
        """Read the released ncsnr of all voxels."""
        path = self.layout.ncsnr(self.subject, self.name, self.betas)
        return self.frame.read(path).ravel()

    def read_labels(self, atlas: str, hemisphere: str | None = None) -> np.ndarray:
        """Read labels of all voxels, of one hemisphere or both."""
        path = self.layout.roi(self.subject, self.name, atlas, hemisphere)
        return integer_labels(path, self.frame.read(path).ravel())

    def own_files(self, name: str) -> list[Path]:
        """Return the path of a volume of the user's, in a list."""
        return [Path(name.replace("{subject}", self.subject))]

    def read_own(self, name: str) -> np.ndarray:
        """Read a NIfTI volume of the user's, whose voxels must lie where the space's do."""
        (path,) = self.own_files(name)
        return replace(self.frame, hint=CORRECT).read(path).ravel()

    def checks(self, atlases: list[str]) -> Iterator[Callable[[], Any]]:
        """Yield checks of ncsnr, mean image and labels."""
        files = [
            self.layout.ncsnr(self.subject, self.name, self.betas),
            self.layout.mean_image(self.subject, self.name),
        ]
        for path in files:
            yield partial(self.frame.check, path)
        yield partial(self.read_labels, "nsdgeneral")
        for atlas in atlases:
            # label maps use one file with both hemispheres
            yield partial(self.read_labels, atlas)
            yield partial(self._check_hemispheres, atlas)

    def _check_hemispheres(self, atlas: str) -> None:
        x = [
            np.unravel_index(np.flatnonzero(self.read_labels(atlas, side) > 0), self.shape)[0]
            for side in HEMISPHERES
        ]
        paths = [self.layout.roi(self.subject, self.name, atlas, side) for side in HEMISPHERES]
        require_sides(paths, x)

    @property
    def geometry(self) -> dict[str, np.ndarray]:
        """Shape of the volume as `grid_shape`, and its `affine`."""
        return {"grid_shape": np.array(self.shape), "affine": self.affine}

    def _valid(self, session: Session) -> Path:
        return self.layout.valid_session(self.subject, self.name, session)
