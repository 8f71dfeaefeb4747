"""Regions of interest of a subject in a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.dataset.kinds import is_matrices

LABEL_COLUMNS = ("voxel", "atlas", "roi", "hemisphere")


class Regions:
    """A subject's regions, in collections (atlases). This base class stands for none.

    Attributes
    ----------
    composites : {region: {atlas: labels}} of regions that combine several labels
    """

    composites: Mapping[str, Mapping[str, tuple[str, ...]]] = {}

    def names(self, atlas: str) -> Mapping[int, str]:
        """Read {value: name} of all labels that an atlas can have, in its order."""
        return {}

    def labels(self, atlases: Sequence[str], voxel: np.ndarray) -> pd.DataFrame:
        """Tabulate the labels of voxels: a row (voxel, atlas, roi, hemisphere) for each."""
        return pd.DataFrame(columns=[*LABEL_COLUMNS])

    def values(self, atlas: str, voxel: np.ndarray) -> np.ndarray:
        """Read the label of each voxel (voxel,) as a number; 0 or below where it has none."""
        return np.zeros(len(voxel), dtype=np.int64)


def open_regions(folder: Path, subject: str, settings: Mapping[str, Any]) -> Regions:
    """Open the regions of a subject of the dataset in a folder.

    Parameters
    ----------
    settings : section `responses` of the configuration, in whose space voxels are labelled
    """
    if is_matrices(folder):
        from pipeline.matrices.regions import MatrixRegions

        return MatrixRegions.open(folder, subject)
    from pipeline.nsd.dataset.regions import NSDRegions

    return NSDRegions.open(folder, subject, settings)
