"""Regions of interest of a subject in a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LABEL_COLUMNS = ("voxel", "atlas", "roi", "hemisphere")


class Regions:
    """A subject's regions, in collections (atlases). As it stands, those of a dataset without any.

    Attributes
    ----------
    composites : {region: {atlas: labels}} of regions that are made of several labels
    """

    composites: Mapping[str, Mapping[str, tuple[str, ...]]] = {}

    def names(self, atlas: str) -> Mapping[int, str]:
        """{value: name} of all labels that an atlas can have, in its order."""
        return {}

    def labels(self, atlases: Sequence[str], voxel: np.ndarray) -> pd.DataFrame:
        """A row (voxel, atlas, roi, hemisphere) for each label that one of the voxels has."""
        return pd.DataFrame(columns=[*LABEL_COLUMNS])

    def values(self, atlas: str, voxel: np.ndarray) -> np.ndarray:
        """The label of each voxel (voxel,) as a number; not above 0 where it has none."""
        return np.zeros(len(voxel), dtype=np.int64)


def open_regions(folder: Path, subject: str, settings: Mapping[str, Any]) -> Regions:
    """The regions of a subject of the dataset in a folder.

    Parameters
    ----------
    settings : section `responses` of the configuration, in whose space voxels are labelled
    """
    from pipeline.nsd.dataset.regions import NSDRegions

    return NSDRegions.open(folder, subject, settings)
