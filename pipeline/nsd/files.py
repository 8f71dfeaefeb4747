"""Opening NSD's files, with damages told in words."""

from __future__ import annotations

import gzip
import math
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import nibabel
import numpy as np

from pipeline.errors import InputError
from pipeline.reading import reading

MEND = "Fetch it again from NSD."
# what a file is called while it is downloaded
UNFINISHED = ".part"
DAMAGED = "truncated or damaged"
# the first bytes of FreeSurfer's values of vertices
VALUES = b"\xff\xff\xff"


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
    with reading(path, DAMAGED, MEND), h5py.File(path, "r") as file:
        found = file.get(dataset)
        if not isinstance(found, h5py.Dataset) or found.shape is None:
            raise InputError(f"{path}: has no dataset '{dataset}'. {MEND}")
        yield found


@contextmanager
def open_image(path: Path) -> Iterator[nibabel.spatialimages.SpatialImage]:
    """A NIfTI or FreeSurfer (.mgh, .mgz) image; data are read inside the block."""
    require(path)
    with reading(path, DAMAGED, MEND):
        # one handle for all slices: a compressed file opened anew is read again from its beginning
        image = nibabel.load(path, keep_file_open=True)
        dtype = image.get_data_dtype()
        if dtype.kind not in "iuf":
            raise InputError(f"{path}: holds {dtype}, expected numbers. {MEND}")
        if not np.isfinite(image.affine).all():
            raise InputError(f"{path}: an affine that is not finite. {MEND}")
        # readers allocate what the header declares before they read it
        values = math.prod(int(n) for n in image.shape)
        require_whole(path, image.dataobj.offset + values * dtype.itemsize)
        yield image


def require_whole(path: Path, n_bytes: int) -> None:
    """Raise if an image's file ends too early, without reading it where its end tells.

    Parameters
    ----------
    n_bytes : of header and data, uncompressed
    """
    if path.suffix not in (".gz", ".mgz"):
        found = path.stat().st_size
        if found < n_bytes:
            raise InputError(f"{path}: truncated, {found} of {n_bytes} bytes. {MEND}")
        return
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        # gzip ends with the size of what it holds, modulo 2³²
        if int.from_bytes(file.read(), "little") == n_bytes % 2**32:
            return
    with reading(path, DAMAGED, MEND), gzip.open(path) as whole:
        found = 0
        while block := whole.read(1 << 24):
            found += len(block)
    if found < n_bytes:
        raise InputError(f"{path}: truncated, {found} of {n_bytes} bytes. {MEND}")


def read_vertices(path: Path, n_vertices: int | None = None) -> np.ndarray:
    """Values of a surface's vertices (vertex, …) from .mgh or .mgz, which keeps them as volumes."""
    with open_image(path) as image:
        require_grid(path, image.shape[:1], None if n_vertices is None else (n_vertices,))
        values = np.asanyarray(image.dataobj)
        return values.reshape(len(values), *values.shape[3:])


def read_mesh(path: Path, n_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (vertex, 3) in mm and triangles (face, 3) of a FreeSurfer surface."""
    require(path)
    with reading(path, DAMAGED, MEND):
        coordinates, faces = nibabel.freesurfer.read_geometry(path)
        require_grid(path, coordinates.shape[:1], (n_vertices,))
        if not np.isfinite(coordinates).all() or faces.min() < 0 or faces.max() >= n_vertices:
            raise InputError(
                f"{path}: a coordinate is not finite, or a triangle is of no vertices. {MEND}"
            )
    return coordinates, faces


def read_morphometry(path: Path, n_vertices: int | None = None) -> np.ndarray:
    """(vertex,) values of a FreeSurfer morphometry file (sulc, curv, thickness, …)."""
    require(path)
    with reading(path, DAMAGED, MEND):
        with open(path, "rb") as file:
            # the reader takes files of other kinds for old ones, and does not miss what is cut off
            if file.read(len(VALUES)) != VALUES:
                raise ValueError("not the first bytes of its kind")
            (declared,) = struct.unpack(">i", file.read(4))
        values = nibabel.freesurfer.read_morph_data(path)
        if len(values) != declared:
            raise ValueError(f"{len(values)} of {declared} values")
    require_grid(path, values.shape, None if n_vertices is None else (n_vertices,))
    return values


def require_grid(
    path: Path, found: tuple[int, ...], expected: tuple[int, ...] | None, of: Path | None = None
) -> None:
    """Raise if a file's grid is not the subject's, or not that of the file `of`."""
    if expected is None or tuple(found) == tuple(expected):
        return
    found, expected = (tuple(int(n) for n in shape) for shape in (found, expected))
    hint = " (axes in another order)" if sorted(found) == sorted(expected) else ""
    whose = f" of {of}" if of else ""
    raise InputError(
        f"{path}: grid {found}{hint}, expected {expected}{whose}. The file belongs to "
        "another subject or space, or was converted; fetch the original from NSD."
    )


def require_sides(paths: Sequence[Path], x: Sequence[np.ndarray]) -> None:
    """Raise unless what a left file holds lies left of what the right one holds.

    Parameters
    ----------
    paths : left, right
    x : (place,) of each, growing to the right; where one has no place nothing is known
    """
    left, right = x
    if len(left) and len(right) and not left.mean() < right.mean():
        raise InputError(
            f"{paths[0]} and {paths[1].name}: what should be left lies right of the other. The "
            "hemispheres were exchanged; fetch both again from NSD."
        )
