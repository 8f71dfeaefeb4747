"""One session's betas, in percent signal change, for the voxels that are wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.files import MEND, open_hdf5, open_nifti, read_volume, require, require_grid
from pipeline.nsd.layout import TRIALS_PER_SESSION, NSDLayout
from pipeline.nsd.rois import Grid

PERCENT_SIGNAL_CHANGE = 300
TRIALS_PER_SLAB = 25


def check_session(
    layout: NSDLayout, subject: str, session: int, grid: Grid, space: str, betas: str
) -> None:
    """Check a session's files by their headers alone."""
    path = layout.betas(subject, space, betas, session)
    if path.suffix == ".hdf5":
        with open_hdf5(path, "betas") as data:
            _require_betas(path, data.shape[1:][::-1], data.shape[0], data.dtype, grid)
    else:
        with open_nifti(path) as image:
            trials = image.shape[3] if image.ndim == 4 else 0
            _require_betas(path, image.shape[:3], trials, image.get_data_dtype(), grid)
    with open_nifti(layout.valid_session(subject, space, session)) as image:
        require_grid(layout.valid_session(subject, space, session), image.shape, grid.shape)


def read_session(
    layout: NSDLayout,
    subject: str,
    session: int,
    voxel: np.ndarray,
    grid: Grid,
    space: str,
    betas: str,
) -> np.ndarray:
    """Betas (trial, voxel) float32 in percent signal change.

    Voxels that the session did not cover (0 in its valid mask, or all trials exactly 0) are NaN.
    Memory is bounded by the wanted voxels of one session.

    Parameters
    ----------
    session : 1-based
    voxel : (voxel,) sorted C-order indices into (X, Y, Z)

    Raises
    ------
    InputError
        Missing or damaged file, another grid, a number of trials other than 750, NaN.
    """
    check_session(layout, subject, session, grid, space, betas)
    path = layout.betas(subject, space, betas, session)
    read = _read_hdf5 if path.suffix == ".hdf5" else _read_nifti
    values = read(path, voxel, grid)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: NaNs in betas. NSD writes none; {MEND.lower()}")
    valid_path = layout.valid_session(subject, space, session)
    valid = read_volume(valid_path, grid.shape).ravel()[voxel] > 0
    result = values.astype(np.float32) / np.float32(PERCENT_SIGNAL_CHANGE)
    result[:, ~valid | (values == 0).all(axis=0)] = np.nan
    return result


def _require_betas(
    path: Path, shape: tuple[int, ...], trials: int, dtype: np.dtype, grid: Grid
) -> None:
    require_grid(path, shape, grid.shape)
    if trials != TRIALS_PER_SESSION:
        raise InputError(f"{path}: {trials} trials, expected {TRIALS_PER_SESSION}. {MEND}")
    if dtype != np.int16 and not np.issubdtype(dtype, np.floating):
        raise InputError(f"{path}: betas are {dtype}, expected int16. {MEND}")


def _read_hdf5(path: Path, voxel: np.ndarray, grid: Grid) -> np.ndarray:
    """One chunk holds all trials of a voxel: read runs of neighbours along the file's last axis."""
    with open_hdf5(path, "betas") as data:
        # the file is (trial, Z, Y, X): neighbours in the file are neighbours in X
        x, y, z = np.unravel_index(voxel, grid.shape)
        order = np.lexsort((x, y, z))
        values = np.empty((data.shape[0], len(voxel)), dtype=data.dtype)
        along = np.ravel_multi_index((z[order], y[order], x[order]), data.shape[1:])
        new_row = np.diff(y[order]) != 0
        breaks = np.flatnonzero((np.diff(along) != 1) | new_row) + 1
        for columns in np.split(order, breaks):
            first, last = columns[0], columns[-1]
            block = data[:, z[first], y[first], x[first] : x[last] + 1]
            values[:, columns] = block
        return values


def _read_nifti(path: Path, voxel: np.ndarray, grid: Grid) -> np.ndarray:
    """NIfTI is stored trial by trial: read the volumes a few at a time."""
    with open_nifti(require(path)) as image:
        values = np.empty((image.shape[3], len(voxel)), dtype=image.get_data_dtype())
        for start in range(0, image.shape[3], TRIALS_PER_SLAB):
            slab = np.asanyarray(image.dataobj[..., start : start + TRIALS_PER_SLAB])
            values[start : start + slab.shape[-1]] = slab.reshape(-1, slab.shape[-1])[voxel].T
        return values
