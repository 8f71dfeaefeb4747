"""Opening NSD's files, with damages told in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import nibabel
import numpy as np

from pipeline.errors import InputError

MEND = "Fetch it again from NSD."


def require(path: Path) -> Path:
    """The path, if the file exists and is not empty."""
    if not path.is_file():
        raise InputError(f"{path}: not found. Fetch it from NSD, or correct `nsd:`.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty. {MEND}")
    return path


@contextmanager
def open_hdf5(path: Path, dataset: str) -> Iterator[h5py.Dataset]:
    """One dataset of an HDF5 file.

    Raises
    ------
    InputError
        Missing, truncated or without the dataset; also when reading fails half way.
    """
    require(path)
    try:
        with h5py.File(path, "r") as file:
            if dataset not in file:
                raise InputError(f"{path}: has no dataset '{dataset}'. {MEND}")
            yield file[dataset]
    except OSError as error:
        raise InputError(f"{path}: truncated or damaged ({error}). {MEND}") from error


@contextmanager
def open_nifti(path: Path) -> Iterator[nibabel.Nifti1Image]:
    """A NIfTI image; data are read inside the block."""
    require(path)
    try:
        yield nibabel.load(path)
    except (OSError, EOFError, nibabel.filebasedimages.ImageFileError, ValueError) as error:
        raise InputError(f"{path}: truncated or damaged ({error}). {MEND}") from error


def read_volume(path: Path, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """A whole volume (X, Y, Z), checked against the grid it must have."""
    with open_nifti(path) as image:
        require_grid(path, image.shape, shape)
        return np.asanyarray(image.dataobj)


def require_grid(path: Path, found: tuple[int, ...], expected: tuple[int, ...] | None) -> None:
    """Raise if a file's grid is not the subject's."""
    if expected is None or tuple(found) == tuple(expected):
        return
    hint = " (axes in another order)" if sorted(found) == sorted(expected) else ""
    raise InputError(
        f"{path}: grid {tuple(found)}{hint}, expected {tuple(expected)}. The file belongs to "
        "another subject or space, or was converted; fetch the original from NSD."
    )
