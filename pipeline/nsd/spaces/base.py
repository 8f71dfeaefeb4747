"""Interface of the spaces in which NSD provides responses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.nsd.layout import TRIALS_OF, TRIALS_PER_SESSION, NSDLayout, Session

# what to do with a file of the user's
CORRECT = "Correct `responses.mask.file`, or the file."


@dataclass(frozen=True)
class ResponseSpace(ABC):
    """One subject's responses in one space and beta version.

    A *voxel* is a C-order index into a volume (X, Y, Z), or into the vertices of the left and then
    the right hemisphere. The rest of the pipeline uses only this interface.

    Attributes
    ----------
    name : func1pt8mm, func1mm, nativesurface or fsaverage
    betas : NSD's folder of a beta version
    shape : (X, Y, Z), or the numbers of vertices (left, right)
    """

    layout: NSDLayout
    subject: str
    name: str
    betas: str
    shape: tuple[int, ...]

    @property
    @abstractmethod
    def n_voxels(self) -> int:
        """Number of voxels, in the mask or not."""

    @abstractmethod
    def read_session(self, session: Session, voxel: np.ndarray) -> np.ndarray:
        """Read betas (trial, voxel) float32 in percent signal change.

        A voxel that a session did not cover is NaN in all of its trials. Only the requested voxels
        of one session are in memory.

        Parameters
        ----------
        session : 1-based number, or name of another experiment
        voxel : (voxel,) sorted

        Raises
        ------
        InputError
            A file is missing or damaged, or has another grid, type or number of trials, or NaN in
            some trials only.
        """

    def n_trials(self, session: Session) -> int:
        """Return the number of trials of a session."""
        return TRIALS_PER_SESSION if isinstance(session, int) else TRIALS_OF[session]

    @abstractmethod
    def check_session(self, session: Session) -> None:
        """Check a session's files by their headers alone; raises as `read_session` does."""

    @abstractmethod
    def read_ncsnr(self) -> np.ndarray:
        """Read the released ncsnr (all voxels,), NaN where there is none."""

    @abstractmethod
    def read_labels(self, atlas: str, hemisphere: str | None = None) -> np.ndarray:
        """Read labels (all voxels,) int64: -1 not (this hemisphere's) cortex, 0 none, 1…N."""

    @abstractmethod
    def own_files(self, name: str) -> list[Path]:
        """List the files of the user's that a path stands for, with its placeholders."""

    @abstractmethod
    def read_own(self, name: str) -> np.ndarray:
        """Read values (all voxels,) of the user's files on this grid, see `own_files`."""

    @abstractmethod
    def checks(self, atlases: list[str]) -> Iterator[Callable[[], Any]]:
        """Yield checks of all files except those of sessions and colour tables."""

    @property
    @abstractmethod
    def geometry(self) -> dict[str, np.ndarray]:
        """Arrays that locate the voxels of a result: `grid_shape`, and a volume's `affine`."""
