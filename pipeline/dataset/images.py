"""The images of a dataset: who saw which, what they look like, what is said of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import InputError


class Images(ABC):
    """The images that subjects saw. An image is an integer, `nsd_id` in files, from 0.

    Attributes
    ----------
    simulated : whether nobody measured the responses to them: results of the study say so
    label_levels : {level, such as category: names of its labels}; empty if images have no labels
    size : rows and columns of every picture, where there are pictures
    """

    simulated: bool = False
    label_levels: Mapping[str, Sequence[str]] = {}
    size: tuple[int, int]

    @abstractmethod
    def seen(self, subject: str) -> np.ndarray:
        """The images (image,) that a subject saw, int64, sorted."""

    def shared(self) -> np.ndarray:
        """The images (image,) that every subject was to see, int64, sorted."""
        return np.array([], dtype=np.int64)

    def shared_by(self, subjects: Sequence[str]) -> np.ndarray:
        """The shared images that each of these subjects saw as often as planned, sorted."""
        return self.shared()

    def pictures(self, nsd_id: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        """Pictures of images in batches (image, row, column, RGB) uint8, in the order of `nsd_id`.

        Parameters
        ----------
        nsd_id : (image,) sorted
        """
        raise InputError("this dataset has no pictures: networks that see them cannot run")

    def texts(self, nsd_id: np.ndarray, kind: str) -> list[list[str]]:
        """What is said of each image, at least one text.

        Parameters
        ----------
        nsd_id : (image,)
        kind : `captions`, or another of `pipeline.dataset.stimulus_readers.TEXTS`
        """
        raise InputError(f"this dataset has no {kind}: networks that read them cannot run")

    def labels(self, nsd_id: np.ndarray) -> Mapping[str, pd.DataFrame]:
        """{level: (image, label) uint8, 1 where an image shows it}; columns are names of labels."""
        return {}


def open_images(folder: Path) -> Images:
    """The images of the dataset in a folder."""
    from pipeline.nsd.dataset.images import NSDImages

    return NSDImages.open(folder)
