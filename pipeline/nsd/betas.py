"""Reading betas of wanted voxels from a session's file, whatever its format.

Every function returns (trial, voxel) in the type of the file; what the numbers mean is told by the
response space that asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation

from pipeline.errors import InputError
from pipeline.nsd.files import MEND, open_hdf5, open_image, require_grid
from pipeline.nsd.frame import Frame
from pipeline.nsd.layout import TRIALS_PER_SESSION

DATASET = "betas"
TRIALS_PER_SLAB = 25


def check_betas(
    path: Path, shape: tuple[int, ...], dtype: type[np.generic], frame: Frame | None = None
) -> None:
    """Check a file of betas by its header alone.

    Parameters
    ----------
    shape : (X, Y, Z), or (vertex,)
    dtype : of the numbers in the file
    frame : where the voxels of a volume are; HDF5 files do not tell

    Raises
    ------
    InputError
        Missing or truncated file, another grid, place, type, or a number of trials other than 750.
    """
    if path.suffix == ".hdf5":
        with open_hdf5(path, DATASET) as data:
            found, trials, stored = data.shape[:0:-1], data.shape[0], data.dtype
        require_grid(path, found, shape)
    else:
        with open_image(path) as image:
            if frame is None:
                require_grid(path, image.shape[: len(shape)], shape)
            else:
                frame.turn(path, image, image.shape[3:])
            stored = image.get_data_dtype()
            trials = image.shape[3] if len(image.shape) == 4 else 1
    if trials != TRIALS_PER_SESSION:
        raise InputError(f"{path}: {trials} trials, expected {TRIALS_PER_SESSION}. {MEND}")
    if stored.newbyteorder("=") != dtype:
        raise InputError(f"{path}: betas are {stored}, expected {np.dtype(dtype)}. {MEND}")


def read_hdf5(path: Path, where: Sequence[np.ndarray]) -> np.ndarray:
    """Betas of voxels in an HDF5 file, of which one chunk holds all trials of a voxel.

    Parameters
    ----------
    where : for each axis of the file after the first (trial), the voxels' indices: (z, y, x) of a
        volume, (vertex,) of a surface
    """
    with open_hdf5(path, DATASET) as data:
        order = np.lexsort(where[::-1])
        ordered = [index[order] for index in where]
        values = np.empty((data.shape[0], len(order)), dtype=data.dtype)
        # runs of neighbours along the file's last axis are read at once
        new_run = np.diff(ordered[-1]) != 1
        for index in ordered[:-1]:
            new_run |= np.diff(index) != 0
        runs = np.split(np.arange(len(order)), np.flatnonzero(new_run) + 1)
        for columns in runs if len(order) else []:
            first, last = columns[0], columns[-1]
            row = tuple(index[first] for index in ordered[:-1])
            run = slice(ordered[-1][first], ordered[-1][last] + 1)
            values[:, order[columns]] = data[(slice(None), *row, run)]
        return values


def read_series(path: Path, voxel: np.ndarray, frame: Frame | None = None) -> np.ndarray:
    """Betas of voxels in a NIfTI or .mgh file, which is stored trial by trial: a few at a time.

    Parameters
    ----------
    voxel : C-order indices into the first three axes, in the order of the frame
    frame : to which a volume's axes are brought, if it is one
    """
    with open_image(path) as image:
        turn = None if frame is None else frame.turn(path, image, image.shape[3:])
        n_trials = image.shape[3]
        values = np.empty((n_trials, len(voxel)), dtype=image.get_data_dtype().newbyteorder("="))
        for start in range(0, n_trials, TRIALS_PER_SLAB):
            slab = np.asanyarray(image.dataobj[..., start : start + TRIALS_PER_SLAB])
            slab = slab if turn is None else apply_orientation(slab, turn)
            values[start : start + slab.shape[-1]] = slab.reshape(-1, slab.shape[-1])[voxel].T
        return values
