"""Responses and predictions (image, voxel) in result files, read in parts by the ids of both."""

from __future__ import annotations

import h5py
import numpy as np

from pipeline.results.result_file import decoded
from pipeline.results.storage import positions

ROWS_AT_A_TIME = 128


class StoredMatrix:
    """Some images of a matrix (image, voxel) in a result file, addressed by ids.

    Parameters
    ----------
    file : an open result with `image` (image,) and `voxel` (voxel,)
    name : name of the matrix
    nsd_id : (n,) requested images
    requested_by : name of the file or model that needs them, for messages

    Raises
    ------
    InputError
        The file lacks an image.
    """

    def __init__(self, file: h5py.File, name: str, nsd_id: np.ndarray, requested_by: str) -> None:
        self.matrix, self.path, self.requested_by = file[name], file.filename, requested_by
        self.rows = positions(file["image"][()], nsd_id, self.path, requested_by)
        self.voxel = file["voxel"][()]

    def of(self, voxels: np.ndarray) -> np.ndarray:
        """Read (image, voxel) of some voxels, in their order.

        Raises
        ------
        InputError
            The file lacks a voxel.
        """
        columns = positions(self.voxel, voxels, self.path, self.requested_by)
        return decoded(self.matrix, self._read(columns))

    def _read(self, columns: np.ndarray) -> np.ndarray:
        first, end = columns.min(), columns.max() + 1
        by_voxels = self.matrix.chunks[0] == len(self.matrix)
        if by_voxels and end - first <= 2 * len(columns):
            # read the voxels between them too: HDF5 is slow at reading scattered columns
            return self.matrix[:, first:end][self.rows][:, columns - first]
        if by_voxels:
            # HDF5 needs ascending columns
            order = np.argsort(columns)
            values = self.matrix[:, columns[order]][self.rows]
            return values[:, np.argsort(order)]
        values = np.empty((len(self.rows), len(columns)), self.matrix.dtype)
        order = np.argsort(self.rows)
        for start in range(0, len(order), ROWS_AT_A_TIME):
            part = order[start : start + ROWS_AT_A_TIME]
            values[part] = self.matrix[self.rows[part], first:end][:, columns - first]
        return values
