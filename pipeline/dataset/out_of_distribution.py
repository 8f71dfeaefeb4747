"""Images outside a study's own, with a subject's responses to them: NSD-synthetic of NSD."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.dataset.responses import AveragedResponses


@dataclass(frozen=True)
class AveragedTrials:
    """Responses averaged over the trials of each image, and the variance of single trials.

    Attributes
    ----------
    averaged : averages; images are numbered from 0 in the order of `OtherImages.images`
    trial_variance : (voxel,) float64, over all trials (ddof 1)
    """

    averaged: AveragedResponses
    trial_variance: np.ndarray


class OtherResponses(ABC):
    """A subject's responses to other images, z-scored over trials of their own session."""

    @property
    @abstractmethod
    def metadata(self) -> Mapping[str, Any]:
        """Numbers of trials that results record."""

    @abstractmethod
    def averaged(self, voxel: np.ndarray) -> AveragedTrials:
        """Average all trials of each image, in some voxels (voxel,), sorted."""


class OtherImages(ABC):
    """Images that are no part of a study, and of which a subject's responses were measured."""

    @property
    @abstractmethod
    def images(self) -> pd.DataFrame:
        """Table with `name`, `image_class` and `image_subclass`, a row for each image."""

    @property
    @abstractmethod
    def sources(self) -> Mapping[str, Path]:
        """{name: file} whose hashes results record."""

    @property
    @abstractmethod
    def simulated(self) -> bool:
        """Test whether images and responses are simulated."""

    @abstractmethod
    def pictures(self) -> Sequence[np.ndarray]:
        """Open the pictures (row, column, RGB) uint8, all of one size, as networks take them."""

    @abstractmethod
    def responses(self, settings: Mapping[str, Any]) -> OtherResponses:
        """Open the responses that the section `responses` of a configuration describes."""


def open_synthetic(folder: Path, subject: str) -> OtherImages:
    """Open NSD-synthetic for a subject; only NSD has it."""
    from pipeline.nsd.dataset.synthetic import NSDSynthetic

    return NSDSynthetic.open(folder, subject)
