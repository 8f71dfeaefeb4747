"""NSD's collections of ROIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.dataset.regions import Regions
from pipeline.nsd.composite_rois import COMPOSITES
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_colour_table, read_roi_labels
from pipeline.nsd.spaces import ResponseSpace, open_space


@dataclass(frozen=True)
class NSDRegions(Regions):
    """A subject's ROIs in the space of the responses."""

    space: ResponseSpace
    composites = COMPOSITES

    @classmethod
    def open(cls, folder: Path, subject: str, settings: Mapping[str, Any]) -> NSDRegions:
        """Open the ROIs of a subject in an NSD copy."""
        return cls(open_space(NSDLayout(folder), subject, settings["space"], settings["betas"]))

    def names(self, atlas: str) -> Mapping[int, str]:
        """Read the names of an atlas's labels from its colour table."""
        return read_colour_table(self.space.layout, self.space.subject, atlas)

    def labels(self, atlases: Sequence[str], voxel: np.ndarray) -> pd.DataFrame:
        """Tabulate the labels of voxels: a row (voxel, atlas, roi, hemisphere) for each."""
        return read_roi_labels(self.space, list(atlases), voxel)

    def values(self, atlas: str, voxel: np.ndarray) -> np.ndarray:
        """Read the label of each voxel as a number."""
        return self.space.read_labels(atlas)[voxel]
