"""The images of a dataset: which subjects saw them, their pictures, texts and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.dataset.kinds import is_matrices
from pipeline.errors import InputError


class Images(ABC):
    """The images that subjects saw. An image is an integer from 0, `nsd_id` in files.

    Attributes
    ----------
    simulated : whether the responses to them are simulated; results of the study report it
    label_levels : {level, such as category: names of its labels}; empty if images have no labels
    size : rows and columns of every picture, if there are pictures
    """

    simulated: bool = False
    label_levels: Mapping[str, Sequence[str]] = {}
    size: tuple[int, int]

    @abstractmethod
    def seen(self, subject: str) -> np.ndarray:
        """List the images (image,) that a subject saw, int64, sorted."""

    def shared(self) -> np.ndarray:
        """List the images (image,) that every subject was planned to see, int64, sorted."""
        return np.array([], dtype=np.int64)

    def shared_by(self, subjects: Sequence[str], n_sessions: int | None = None) -> np.ndarray:
        """List the shared images that each of these subjects saw as often as planned, sorted.

        Parameters
        ----------
        n_sessions : number of sessions, the first ones, that count; by default all
        """
        return self.shared()

    def pictures(self, nsd_id: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        """Yield pictures in batches (image, row, column, RGB) uint8, in the order of `nsd_id`.

        Parameters
        ----------
        nsd_id : (image,) sorted
        """
        raise InputError("this dataset has no pictures: networks of images cannot run")

    def texts(self, nsd_id: np.ndarray, kind: str) -> list[list[str]]:
        """Read the texts of each image, at least one.

        Parameters
        ----------
        nsd_id : (image,)
        kind : `captions`, or another of `pipeline.dataset.stimulus_readers.TEXTS`
        """
        raise InputError(f"this dataset has no {kind}: networks of these texts cannot run")

    def ids(self, kind: str) -> np.ndarray:
        """List the numbers (image,) int64 of all images in another numbering, in their order.

        Parameters
        ----------
        kind : one of `pipeline.dataset.stimulus_readers.NUMBERINGS`
        """
        raise InputError(f"this dataset has no list of {kind}: features of a file cannot be used")

    def labels(self, nsd_id: np.ndarray) -> Mapping[str, pd.DataFrame]:
        """Read {level: (image, label) uint8, 1 if an image has the label}, named columns."""
        return {}


def open_images(folder: Path) -> Images:
    """Open the images of the dataset in a folder."""
    if is_matrices(folder):
        from pipeline.matrices.images import MatrixImages

        return MatrixImages.open(folder)
    from pipeline.nsd.dataset.images import NSDImages

    return NSDImages.open(folder)
