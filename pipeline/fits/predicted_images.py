"""Measured and predicted responses to a subject's test images, read in blocks of voxels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.results.storage import open_result
from pipeline.results.stored_matrix import StoredMatrix

VOXELS_PER_BLOCK = 1024


@dataclass(frozen=True)
class PredictedImages:
    """Open files of a subject's responses, and of predictions by several models.

    Attributes
    ----------
    nsd_id : (image,) the test images
    voxel : (voxel,) modelled voxels
    measured : measured responses
    predicted : {model: predicted responses}
    """

    nsd_id: np.ndarray
    voxel: np.ndarray
    measured: StoredMatrix
    predicted: Mapping[str, StoredMatrix]

    def blocks(
        self, part: slice, title: str
    ) -> Iterator[tuple[slice, np.ndarray, dict[str, np.ndarray]]]:
        """Read some voxels, a block at a time.

        Parameters
        ----------
        part : range of the modelled voxels
        title : title of the progress bar

        Yields
        ------
        range of the block among the modelled voxels; measured responses (image, voxel); and
        {model: predictions (image, voxel)}
        """
        starts = range(part.start, part.stop, VOXELS_PER_BLOCK)
        for start in tqdm(starts, desc=title, unit="block", mininterval=1):
            here = slice(start, min(start + VOXELS_PER_BLOCK, part.stop))
            # C order: in another memory layout sums would be rounded differently
            predicted = {
                name: np.ascontiguousarray(stored.of(self.voxel[here]))
                for name, stored in self.predicted.items()
            }
            yield here, self.measured.of(self.voxel[here]), predicted


@contextmanager
def open_predicted_images(
    responses: Path, predictions: Mapping[str, Path]
) -> Iterator[PredictedImages]:
    """Open a subject's responses and the predictions of models, {model: its file}.

    Raises
    ------
    InputError
        A file is missing, damaged, or lacks an image.
    """
    first = str(next(iter(predictions.values())))
    with ExitStack() as opened:
        files = {name: opened.enter_context(open_result(p)) for name, p in predictions.items()}
        any_model = next(iter(files.values()))
        nsd_id, voxel = any_model["image"][()], any_model["voxel"][()]
        measured = opened.enter_context(open_result(responses))
        yield PredictedImages(
            nsd_id,
            voxel,
            StoredMatrix(measured, "responses", nsd_id, first),
            {n: StoredMatrix(f, "predictions", nsd_id, first) for n, f in files.items()},
        )
