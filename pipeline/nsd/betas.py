"""Reading the betas of some voxels from a session's file, in any of NSD's formats.

Values (trial, voxel) have the type of the file; `pipeline.nsd.spaces` converts their units.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation

from pipeline.errors import InputError
from pipeline.nsd.files import HINT, open_hdf5, open_image, require_grid
from pipeline.nsd.frame import Frame

DATASET = "betas"
TRIALS_PER_SLAB = 25


def check_betas(
    path: Path,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    n_trials: int,
    frame: Frame | None = None,
) -> None:
    """Check a file of betas by its header alone.

    Parameters
    ----------
    shape : (X, Y, Z), or (vertex,)
    dtype : type of the numbers in the file
    n_trials : number of trials of the session
    frame : positions of a volume's voxels; HDF5 files do not have them

    Raises
    ------
    InputError
        The file is missing or truncated, or has another grid, position, type or number of trials.
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
    if trials != n_trials:
        raise InputError(f"{path}: {trials} trials, expected {n_trials}. {HINT}")
    if stored.newbyteorder("=") != dtype:
        raise InputError(f"{path}: betas are {stored}, expected {np.dtype(dtype)}. {HINT}")


def read_hdf5(path: Path, where: Sequence[np.ndarray]) -> np.ndarray:
    """Read voxels from an HDF5 file, whose chunks hold all trials of one voxel each.

    Parameters
    ----------
    where : the voxels' indices along each axis of the file after the first (trial): (z, y, x) of a
        volume, (vertex,) of a surface
    """
    with open_hdf5(path, DATASET) as data:
        order = np.lexsort(where[::-1])
        ordered = [index[order] for index in where]
        # a chunk holds a voxel's trials: they are copied side by side, and turned on return
        values = np.empty((len(order), data.shape[0]), dtype=data.dtype)
        # runs of neighbours along the file's last axis are read at once
        new_run = np.diff(ordered[-1]) != 1
        for index in ordered[:-1]:
            new_run |= np.diff(index) != 0
        runs = np.split(np.arange(len(order)), np.flatnonzero(new_run) + 1)
        for columns in runs if len(order) else []:
            first, last = columns[0], columns[-1]
            row = tuple(index[first] for index in ordered[:-1])
            run = slice(ordered[-1][first], ordered[-1][last] + 1)
            values[order[columns]] = data[(slice(None), *row, run)].T
        return values.T


def read_series(path: Path, voxel: np.ndarray, frame: Frame | None = None) -> np.ndarray:
    """Read voxels from a NIfTI or .mgh file, which is stored trial by trial, in slabs of trials.

    Parameters
    ----------
    voxel : C-order indices into the first three axes, in the order of the frame
    frame : order of axes into which a volume is brought; None for a surface
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
