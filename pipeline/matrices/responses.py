"""A subject's responses in a dataset of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.dataset.repeats import average_repeats
from pipeline.dataset.responses import AveragedResponses, Responses
from pipeline.errors import InputError
from pipeline.matrices.files import SHOWN, ResponseMatrix, read_ceiling, read_mask, read_shown


@dataclass(frozen=True)
class MatrixResponses(Responses):
    """Rows of responses, averaged over those of one image.

    Attributes
    ----------
    shown : (row,) image of each row
    ceiling : (voxel,) of single presentations; None if it is not known
    """

    nsd_id: np.ndarray
    voxel: np.ndarray
    geometry: Mapping[str, np.ndarray]
    matrix: ResponseMatrix
    shown: np.ndarray
    ceiling: np.ndarray | None
    # without the defaults of `Responses`, which a dataclass would use or refuse
    metadata: Mapping[str, Any] = field()
    sources: Mapping[str, Path] = field()

    @classmethod
    def open(cls, folder: Path, subject: str) -> MatrixResponses:
        """Open the responses of a subject.

        Raises
        ------
        InputError
            A file is missing or damaged, or does not fit the others.
        """
        matrix, shown = ResponseMatrix(folder, subject), read_shown(folder, subject)
        n_rows, n_voxels = matrix.shape
        if len(shown) != n_rows:
            raise InputError(
                f"{matrix.path}: has {n_rows} rows, but {SHOWN} names {len(shown)} images. Write "
                "one image for each row."
            )
        voxel, geometry = read_mask(folder, subject, n_voxels)
        return cls(
            nsd_id=np.unique(shown),
            voxel=voxel,
            geometry=geometry,
            matrix=matrix,
            shown=shown,
            ceiling=read_ceiling(folder, subject, n_voxels),
            metadata={"presentations": n_rows},
            sources={"responses": matrix.path},
        )

    def averaged(self, voxel: np.ndarray) -> AveragedResponses:
        """Average the rows of each image."""
        first, last = np.searchsorted(self.voxel, voxel[[0, -1]])
        rows = self.matrix.columns(slice(first, last + 1))
        return average_repeats([(self.shown, rows)], self.nsd_id, len(voxel))

    def ncsnr(self) -> np.ndarray | None:
        """Compute ncsnr from the noise ceiling of single presentations c: √(c / (1 - c))."""
        return None if self.ceiling is None else np.sqrt(self.ceiling / (1 - self.ceiling))
