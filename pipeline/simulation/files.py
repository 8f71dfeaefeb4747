"""Writing files in exactly the form of NSD's own programs."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np

# edge of NSD's voxels (mm) and time between volumes (s) of each space
VOXEL_SIZE = {"func1pt8mm": 1.8, "func1mm": 1.0}
REPETITION_TIME = {"func1pt8mm": 4 / 3, "func1mm": 1.0}
# the betas of forty sessions are 60 MB
VOXELS_AT_A_TIME = 1024


def write_nifti(path: Path, data: np.ndarray, edge: float, repetition_time: float = 1.0) -> None:
    """Write a volume (X, Y, Z) or series (X, Y, Z, T) with the header of `nsd_savenifti`.

    nibabel would write other values of slope, pixdim[0] and sform_code than NSD's MATLAB code.

    Parameters
    ----------
    edge : of a voxel, mm
    """
    header = nibabel.Nifti1Header()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header["pixdim"] = [0, edge, edge, edge, repetition_time, 1, 1, 1]
    header["qform_code"], header["sform_code"] = 0, 1
    origin = [-(n - 1) / 2 * edge for n in data.shape[:3]]
    for axis, name in enumerate(("srow_x", "srow_y", "srow_z")):
        header[name] = [*(edge * (axis == other) for other in range(3)), origin[axis]]
    header["scl_slope"], header["scl_inter"] = 0, 0
    header["vox_offset"], header["magic"], header["aux_file"] = 352, b"n+1", b"none"
    header["xyzt_units"] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    # level 1: simulated noise does not compress; no date in the file
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as file:
        file.write(header.binaryblock + b"\0" * 4 + data.tobytes(order="F"))


def write_betas(
    path: Path,
    n_trials: int,
    grid: tuple[int, ...],
    voxel: np.ndarray,
    betas: Callable[[slice], np.ndarray],
) -> None:
    """Write a session's betas as HDF5, a chunk for each voxel; an interrupted file has no name.

    Parameters
    ----------
    voxel : (voxel,) C-order indices into the grid; chunks of other voxels are not written
    betas : returns the int16 betas (voxel, trial) of a slice of `voxel`
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_suffix(".writing")
    with h5py.File(writing, "w") as file:
        data = file.create_dataset(
            "betas", (n_trials, *grid[::-1]), dtype="<i2", chunks=(n_trials, 1, 1, 1)
        )
        chunks = _chunks(grid, voxel)
        for block in voxel_slices(len(voxel)):
            values = np.ascontiguousarray(betas(block), dtype="<i2")
            for chunk, trials in zip(chunks[block], values, strict=True):
                data.id.write_direct_chunk(chunk, trials)
    writing.rename(path)


def write_beta_series(
    path: Path,
    n_trials: int,
    grid: tuple[int, ...],
    voxel: np.ndarray,
    betas: Callable[[slice], np.ndarray],
    space: str,
    edge: float,
) -> None:
    """Write a session's betas as NIfTI; other parameters as of `write_betas`."""
    series = np.zeros((math.prod(grid), n_trials), np.int16)
    series[voxel] = betas(slice(0, len(voxel)))
    write_nifti(path, series.reshape(*grid, n_trials), edge, REPETITION_TIME[space])


def read_betas(path: Path, grid: tuple[int, ...], voxel: np.ndarray) -> np.ndarray:
    """Read int16 betas (voxel, trial) of some voxels, HDF5 or NIfTI."""
    if path.suffix == ".hdf5":
        with h5py.File(path) as file:
            data = file["betas"]
            chunks = [data.id.read_direct_chunk(chunk)[1] for chunk in _chunks(grid, voxel)]
        return np.frombuffer(b"".join(chunks), "<i2").reshape(len(voxel), -1)
    series = np.asanyarray(nibabel.nifti1.load(path).dataobj)
    return series.reshape(-1, series.shape[-1])[voxel]


def voxel_slices(n_voxels: int) -> list[slice]:
    """Divide voxels into slices whose betas of all sessions fit in memory."""
    starts = range(0, n_voxels, VOXELS_AT_A_TIME)
    return [slice(start, min(start + VOXELS_AT_A_TIME, n_voxels)) for start in starts]


def _chunks(grid: tuple[int, ...], voxel: np.ndarray) -> list[tuple[int, ...]]:
    """Return the offset of each voxel's chunk in a file of betas, whose axes are reversed."""
    x, y, z = (index.tolist() for index in np.unravel_index(voxel, grid))
    return list(zip(itertools.repeat(0), z, y, x))


def write_surface_betas(path: Path, betas: np.ndarray) -> None:
    """Write a session's int16 betas (vertex, trial) of one hemisphere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "betas", data=np.ascontiguousarray(betas.T), dtype="<i2", chunks=(betas.shape[1], 1)
        )


def write_stimuli(
    path: Path,
    images: Iterable[tuple[int, np.ndarray]],
    n_images: int,
    size: tuple[int, int] = (425, 425),
) -> None:
    """Write imgBrick: contiguous uint8 (image, row, column, 3); images without a row take no disk.

    Parameters
    ----------
    images : rows of the file, and their pictures
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        brick = file.create_dataset("imgBrick", (n_images, *size, 3), dtype="u1")
        for row, image in images:
            brick[row] = image


def write_colour_table(path: Path, labels: Sequence[str]) -> None:
    """Write a colour table: `0 Unknown`, then the labels from 1; each line ends with a tab."""
    lines = [f"{number} {name}\t\n" for number, name in enumerate(["Unknown", *labels])]
    write_text(path, "".join(lines))


def write_text(path: Path, text: str) -> None:
    """Write a text file, and its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_compact_json(path: Path, value: Any) -> None:
    """Write JSON without spaces."""
    write_text(path, json.dumps(value, separators=(",", ":")))
