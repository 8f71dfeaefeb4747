"""A subject's regions in a dataset of matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.dataset.regions import LABEL_COLUMNS, Regions
from pipeline.matrices.files import ResponseMatrix, read_mask, read_region_names, read_regions


@dataclass(frozen=True)
class MatrixRegions(Regions):
    """Regions of a table, numbered alike in all subjects.

    Attributes
    ----------
    table : columns voxel, atlas, roi, hemisphere
    known : {atlas: names} of all subjects
    """

    table: pd.DataFrame
    known: Mapping[str, Sequence[str]]

    @classmethod
    def open(cls, folder: Path, subject: str) -> MatrixRegions:
        """Open the regions of a subject."""
        n_voxels = ResponseMatrix(folder, subject).shape[1]
        table, (voxel, _) = (
            read_regions(folder, subject, n_voxels),
            read_mask(folder, subject, n_voxels),
        )
        table["voxel"] = voxel[table["column"].to_numpy(np.int64)]
        return cls(table, read_region_names(folder))

    def names(self, atlas: str) -> Mapping[int, str]:
        """Return {number from 1: name} of the regions of an atlas."""
        return dict(enumerate(self.known.get(atlas, []), start=1))

    def labels(self, atlases: Sequence[str], voxel: np.ndarray) -> pd.DataFrame:
        """Tabulate the labels of voxels."""
        rows = self.table["atlas"].isin(atlases) & self.table["voxel"].isin(voxel)
        return self.table.loc[rows, [*LABEL_COLUMNS]].reset_index(drop=True)

    def values(self, atlas: str, voxel: np.ndarray) -> np.ndarray:
        """Return the number of each voxel's label in an atlas; 0 where it has none."""
        rows = self.table[self.table["atlas"] == atlas].drop_duplicates("voxel")
        number = {name: value for value, name in self.names(atlas).items()}
        of_voxel = rows.set_index("voxel")["roi"].map(number)
        return of_voxel.reindex(voxel, fill_value=0).to_numpy(np.int64)
