"""Writing files in exactly the form of NSD's own programs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np

from pipeline.simulation.settings import MNI_EDGE

# edge of voxels (mm) and time between volumes (s) of each space
VOXEL_SIZE = {"func1pt8mm": 1.8, "func1mm": 1.0, "MNI152": MNI_EDGE}
REPETITION_TIME = {"func1pt8mm": 4 / 3, "func1mm": 1.0}


def write_nifti(path: Path, data: np.ndarray, space: str, repetition_time: float = 1.0) -> None:
    """Write a volume (X, Y, Z) or series (X, Y, Z, T) with the header of `nsd_savenifti`.

    nibabel would write other values of slope, pixdim[0] and sform_code than NSD's MATLAB code.
    """
    edge = VOXEL_SIZE[space]
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
    folder: Path, session: int, betas: np.ndarray, formats: Sequence[str], space: str
) -> None:
    """Write a session's int16 betas (trial, X, Y, Z) as HDF5, NIfTI or both."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"betas_session{session:02d}"
    if "hdf5" in formats:
        reversed_axes = np.ascontiguousarray(betas.transpose(0, 3, 2, 1))
        with h5py.File(stem.with_suffix(".hdf5"), "w") as file:
            file.create_dataset(
                "betas", data=reversed_axes, dtype="<i2", chunks=(len(betas), 1, 1, 1)
            )
    if "nifti" in formats:
        series = betas.transpose(1, 2, 3, 0)
        write_nifti(stem.with_suffix(".nii.gz"), series, space, REPETITION_TIME[space])


def write_surface_betas(path: Path, betas: np.ndarray) -> None:
    """Write a session's int16 betas (vertex, trial) of one hemisphere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "betas", data=np.ascontiguousarray(betas.T), dtype="<i2", chunks=(betas.shape[1], 1)
        )


def write_stimuli(path: Path, images: Iterable[np.ndarray], n_images: int) -> None:
    """Write imgBrick: contiguous uint8 (image, 425, 425, 3)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        brick = file.create_dataset("imgBrick", (n_images, 425, 425, 3), dtype="u1")
        for row, image in enumerate(images):
            brick[row] = image


def write_colour_table(path: Path, labels: Sequence[str]) -> None:
    """Write a colour table: `0 Unknown`, then the labels from 1."""
    lines = [f"{number} {name}" for number, name in enumerate(["Unknown", *labels])]
    write_text(path, "\n".join(lines) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, and its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_compact_json(path: Path, value: Any) -> None:
    """Write JSON without spaces."""
    write_text(path, json.dumps(value, separators=(",", ":")))
