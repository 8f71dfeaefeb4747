"""A subject's responses in a dataset of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.dataset.repeats import average_repeats
from pipeline.dataset.responses import AveragedResponses, Responses
from pipeline.errors import InputError
from pipeline.matrices.files import SHOWN, ResponseMatrix, read_ceiling, read_mask, read_shown

# results count presentations in one byte
MOST_REPEATS = 255
VOXELS_AT_A_TIME = 2000


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
        images, counts = np.unique(shown, return_counts=True)
        if counts.max() > MOST_REPEATS:
            raise InputError(
                f"{folder / subject / SHOWN}: image {images[counts.argmax()]} is shown "
                f"{counts.max()} times; at most {MOST_REPEATS} are counted. Average some of its "
                "rows before."
            )
        return cls(
            nsd_id=images,
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
        rows = self._rows(voxel)
        # sums of squares about a far mean would cancel
        mean = np.nanmean(rows, axis=0, dtype=np.float64).astype(np.float32)
        mean = np.nan_to_num(mean)
        averaged = average_repeats([(self.shown, rows - mean)], self.nsd_id, len(voxel))
        return replace(averaged, responses=averaged.responses + mean)

    def ncsnr(self) -> np.ndarray | None:
        """Compute ncsnr from the noise ceiling of single presentations c: √(c / (1 - c)).

        Without ceilings it is estimated from repeated images: σ²_noise about the means of images,
        σ²_signal = variance of all presentations - σ²_noise.
        """
        if self.ceiling is not None:
            return np.sqrt(self.ceiling / (1 - self.ceiling))
        if len(self.nsd_id) == len(self.shown):
            return None
        return np.concatenate([self._estimated(block) for block in self._blocks()])

    def incomplete(self) -> int:
        """Count the voxels that lack a response to some image.

        Raises
        ------
        InputError
            All do, or a response is infinite.
        """
        number = sum(
            int((self.averaged(block).n_valid_repeats == 0).any(axis=0).sum())
            for block in self._blocks()
        )
        if number == len(self.voxel):
            raise InputError(
                f"{self.matrix.path}: every voxel is NaN in all presentations of some image, so "
                "that none could be fitted. Leave these rows out, here and in images.npy."
            )
        return number

    def _estimated(self, voxel: np.ndarray) -> np.ndarray:
        noise = self.averaged(voxel).noise_variance
        total = np.nanvar(self._rows(voxel), axis=0, ddof=1, dtype=np.float64)
        return np.sqrt(np.maximum(total - noise, 0) / noise)

    def _blocks(self) -> list[np.ndarray]:
        return np.array_split(self.voxel, -(-len(self.voxel) // VOXELS_AT_A_TIME))

    def _rows(self, voxel: np.ndarray) -> np.ndarray:
        first, last = np.searchsorted(self.voxel, voxel[[0, -1]])
        return self.matrix.columns(slice(first, last + 1))
