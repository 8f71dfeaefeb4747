"""Opening NSD's files; errors describe missing, truncated and damaged files."""

from __future__ import annotations

import difflib
import gzip
import math
import os
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import SpatialImage

from pipeline.errors import InputError
from pipeline.reading import reading

HINT = "Fetch it again from NSD."
ORIGINAL = "Fetch the original from NSD."
# suffix of a file while it is downloaded
UNFINISHED = ".part"
DAMAGED = "truncated or damaged"
# first bytes of FreeSurfer's morphometry files
MORPHOMETRY = b"\xff\xff\xff"


def require(path: Path, hint: str | None = None) -> Path:
    """Return the path of a file that exists and is not empty; raise InputError otherwise.

    Parameters
    ----------
    hint : what to do, for a file that is not NSD's
    """
    if not path.is_file():
        if path.with_name(path.name + UNFINISHED).exists():
            raise InputError(f"{path}: download unfinished. Continue it: snakemake fetch")
        hint = hint or "Fetch it from NSD, or correct `nsd:`."
        raise InputError(f"{path}: not found.{_similar_files(path)} {hint}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty. {hint or HINT}")
    return path


def _similar_files(path: Path) -> str:
    """Name the files of the folder for which a missing one may have been meant."""
    there = sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []
    # another session, subject or hemisphere was not meant
    others = [name for name in there if _kind(name) != _kind(path.name)]
    similar = difflib.get_close_matches(path.name, others, n=3, cutoff=0.9)
    return f" Its folder has {' and '.join(similar)}." if similar else ""


def _kind(name: str) -> str:
    return re.sub(r"\d|^[lr]h\.", "", name)


@contextmanager
def open_hdf5(path: Path, dataset: str) -> Iterator[h5py.Dataset]:
    """Open one dataset of an HDF5 file.

    Raises
    ------
    InputError
        The file is missing, truncated or lacks the dataset, or reading it fails later.
    """
    require(path)
    with reading(path, DAMAGED, HINT), h5py.File(path, "r") as file:
        found = file.get(dataset)
        if not isinstance(found, h5py.Dataset) or found.shape is None:
            raise InputError(f"{path}: has no dataset '{dataset}'. {HINT}")
        yield found


@contextmanager
def open_image(path: Path, hint: str | None = None) -> Iterator[SpatialImage]:
    """Open a NIfTI or FreeSurfer (.mgh, .mgz) image; its data are read inside the `with` block.

    Parameters
    ----------
    hint : as in `require`
    """
    require(path, hint)
    hint = hint or HINT
    with reading(path, DAMAGED, hint):
        # keep the file open: each opening of a compressed file reads it again from its beginning
        image = nibabel.load(path, keep_file_open=True)
        if not isinstance(image, SpatialImage) or not isinstance(image.dataobj, ArrayProxy):
            raise InputError(f"{path}: not an image. {hint}")
        dtype = image.get_data_dtype()
        if dtype.kind not in "iuf":
            raise InputError(f"{path}: holds {dtype}, expected numbers. {hint}")
        if not np.isfinite(image.affine).all():
            raise InputError(f"{path}: an affine that is not finite. {hint}")
        # readers allocate what the header declares before they read it
        # .mgh shapes are int32, which would overflow
        n_values = math.prod(int(n) for n in image.shape)
        require_complete(path, image.dataobj.offset + n_values * dtype.itemsize, hint)
        yield image


def require_complete(path: Path, n_bytes: int, hint: str = HINT) -> None:
    """Raise if an image's file is too short.

    A compressed file is only read if the size in its last bytes is another one.

    Parameters
    ----------
    n_bytes : uncompressed size of header and data
    """
    if path.suffix not in (".gz", ".mgz"):
        found = path.stat().st_size
        if found < n_bytes:
            raise InputError(f"{path}: truncated, {found} of {n_bytes} bytes. {hint}")
        return
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        # gzip files end with their uncompressed size, modulo 2³²
        if int.from_bytes(file.read(), "little") == n_bytes % 2**32:
            return
    with reading(path, DAMAGED, hint), gzip.open(path) as content:
        found = 0
        while block := content.read(1 << 24):
            found += len(block)
    if found < n_bytes:
        raise InputError(f"{path}: truncated, {found} of {n_bytes} bytes. {hint}")


def read_vertices(path: Path, n_vertices: int | None = None, hint: str | None = None) -> np.ndarray:
    """Read values of a surface's vertices (vertex, …) from .mgh or .mgz, where they are volumes."""
    with open_image(path, hint) as image:
        expected = None if n_vertices is None else (n_vertices,)
        require_grid(path, image.shape[:1], expected, hint=hint)
        values = np.asanyarray(image.dataobj)
        return values.reshape(len(values), *values.shape[3:])


def read_mesh(path: Path, n_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Read coordinates (vertex, 3) in mm and triangles (face, 3) of a FreeSurfer surface."""
    require(path)
    with reading(path, DAMAGED, HINT):
        coordinates, faces = nibabel.freesurfer.read_geometry(path)
        require_grid(path, coordinates.shape[:1], (n_vertices,))
        if not np.isfinite(coordinates).all() or faces.min() < 0 or faces.max() >= n_vertices:
            raise InputError(
                f"{path}: a coordinate is not finite, or a triangle has unknown vertices. {HINT}"
            )
    return coordinates, faces


def read_morphometry(path: Path, n_vertices: int | None = None) -> np.ndarray:
    """Read a FreeSurfer morphometry file (sulc, curv, thickness, …): (vertex,)."""
    require(path)
    with reading(path, DAMAGED, HINT):
        with open(path, "rb") as file:
            # nibabel reads files of other kinds as an old format, and does not notice truncation
            if file.read(len(MORPHOMETRY)) != MORPHOMETRY:
                raise ValueError("not a morphometry file")
            (declared,) = struct.unpack(">i", file.read(4))
        values = nibabel.freesurfer.read_morph_data(path)
        if len(values) != declared:
            raise ValueError(f"{len(values)} of {declared} values")
    require_grid(path, values.shape, None if n_vertices is None else (n_vertices,))
    return values


def require_grid(
    path: Path,
    found: tuple[int, ...],
    expected: tuple[int, ...] | None,
    of: Path | None = None,
    hint: str | None = None,
) -> None:
    """Raise if a file's grid is not the expected one, that of the file `of`."""
    if expected is None or tuple(found) == tuple(expected):
        return
    found, expected = (tuple(int(n) for n in shape) for shape in (found, expected))
    order = " (axes in another order)" if sorted(found) == sorted(expected) else ""
    whose = f" of {of}" if of else ""
    raise InputError(
        f"{path}: grid {found}{order}, expected {expected}{whose}. The file belongs to "
        f"another subject or space, or was converted. {hint or ORIGINAL}"
    )


def require_sides(paths: Sequence[Path], x: Sequence[np.ndarray]) -> None:
    """Raise unless the content of a left file lies left of that of the right file.

    Parameters
    ----------
    paths : left, right
    x : (point,) coordinates of each, larger to the right; without points nothing is checked
    """
    left, right = x
    if len(left) and len(right) and not left.mean() < right.mean():
        raise InputError(
            f"{paths[0]} and {paths[1].name}: the left hemisphere lies right of the other. The "
            "hemispheres were exchanged; fetch both again from NSD."
        )
