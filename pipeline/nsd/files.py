"""Opening NSD's files, with damages told in words."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from pipeline.errors import InputError

MEND = "Fetch it again from NSD."
# what a file is called while it is downloaded
UNFINISHED = ".part"
UNREADABLE = (OSError, EOFError, ValueError, ImageFileError, HeaderDataError, zlib.error)


def require(path: Path) -> Path:
    """The path, if the file exists and is not empty."""
    if not path.is_file():
        if path.with_name(path.name + UNFINISHED).exists():
            raise InputError(f"{path}: download unfinished. Go on with it: snakemake fetch")
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
def open_image(path: Path) -> Iterator[nibabel.spatialimages.SpatialImage]:
    """A NIfTI or FreeSurfer (.mgh, .mgz) image; data are read inside the block."""
    require(path)
    try:
        # one handle for all slices: a compressed file opened anew is read again from its beginning
        yield nibabel.load(path, keep_file_open=True)
    except UNREADABLE as error:
        raise InputError(f"{path}: truncated or damaged ({error}). {MEND}") from error


def require_whole(path: Path, n_bytes: int) -> None:
    """Raise if an image's file ends too early, without reading it where its end tells.

    Parameters
    ----------
    n_bytes : of header and data, uncompressed
    """
    if path.suffix != ".gz":
        found = path.stat().st_size
        if found < n_bytes:
            raise InputError(f"{path}: truncated, {found} of {n_bytes} bytes. {MEND}")
        return
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        # gzip ends with the size of what it holds, modulo 2³²
        if int.from_bytes(file.read(), "little") == n_bytes % 2**32:
            return
    try:
        with gzip.open(path) as whole:
            while whole.read(1 << 24):
                pass
    except UNREADABLE as error:
        raise InputError(f"{path}: truncated or damaged ({error}). {MEND}") from error


def read_volume(path: Path, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """A whole volume (X, Y, Z), checked against the grid it must have."""
    with open_image(path) as image:
        require_grid(path, image.shape, shape)
        return np.asanyarray(image.dataobj)


def read_vertices(path: Path, n_vertices: int | None = None) -> np.ndarray:
    """Values of a surface's vertices (vertex, …) from .mgh or .mgz, which keeps them as volumes."""
    with open_image(path) as image:
        require_grid(path, image.shape[:1], None if n_vertices is None else (n_vertices,))
        values = np.asanyarray(image.dataobj)
        return values.reshape(len(values), *values.shape[3:])


def read_mesh(path: Path, n_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (vertex, 3) in mm and triangles (face, 3) of a FreeSurfer surface."""
    coordinates, faces = _freesurfer(nibabel.freesurfer.read_geometry, path)
    require_grid(path, coordinates.shape[:1], (n_vertices,))
    return coordinates, faces


def read_morphometry(path: Path, n_vertices: int | None = None) -> np.ndarray:
    """(vertex,) values of a FreeSurfer morphometry file (sulc, curv, thickness, …)."""
    values = _freesurfer(nibabel.freesurfer.read_morph_data, path)
    require_grid(path, values.shape, None if n_vertices is None else (n_vertices,))
    return values


def _freesurfer(read: Callable[[Path], Any], path: Path) -> Any:
    require(path)
    try:
        return read(path)
    except (*UNREADABLE, IndexError) as error:
        raise InputError(f"{path}: truncated or damaged ({error}). {MEND}") from error


def require_grid(path: Path, found: tuple[int, ...], expected: tuple[int, ...] | None) -> None:
    """Raise if a file's grid is not the subject's."""
    if expected is None or tuple(found) == tuple(expected):
        return
    found, expected = (tuple(int(n) for n in shape) for shape in (found, expected))
    hint = " (axes in another order)" if sorted(found) == sorted(expected) else ""
    raise InputError(
        f"{path}: grid {found}{hint}, expected {expected}. The file belongs to "
        "another subject or space, or was converted; fetch the original from NSD."
    )
