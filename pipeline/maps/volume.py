"""Voxelwise quantities as NIfTI volumes with BIDS-like names and JSON sidecars."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from pipeline.storage import atomic_path, write_json


def to_volume(values: np.ndarray, voxel: np.ndarray, grid_shape: tuple[int, ...]) -> np.ndarray:
    """Voxel values in their grid.

    Parameters
    ----------
    values : (voxel,)
    voxel : (voxel,) C-order indices into (X, Y, Z)
    grid_shape : (X, Y, Z)

    Returns
    -------
    (X, Y, Z) float32, NaN outside the voxels
    """
    volume = np.full(int(np.prod(grid_shape)), np.nan, dtype=np.float32)
    volume[voxel] = values
    return volume.reshape(tuple(int(n) for n in grid_shape))


def write_map(
    path: Path,
    volume: np.ndarray,
    affine: np.ndarray,
    sidecar: Mapping[str, Any],
) -> None:
    """Write a volume (X, Y, Z) float32 as `path` (.nii.gz), and its sidecar (.json) beside it.

    Parameters
    ----------
    affine : (4, 4) voxel to world, mm, as the subject's functional files have it
    """
    image = nibabel.Nifti1Image(volume, affine)
    image.set_sform(affine, code=1)
    image.set_qform(None, code=0)
    content = io.BytesIO()
    image.to_stream(content)
    with atomic_path(path) as temporary:
        # without a date inside: equal maps are equal files
        temporary.write_bytes(gzip.compress(content.getvalue(), compresslevel=6, mtime=0))
    write_json(path.with_name(path.name.replace(".nii.gz", ".json")), dict(sidecar))


def bids_label(name: str) -> str:
    """A name as BIDS wants it, letters and digits only: `clip_rn50+bert` → `clipRn50PlusBert`."""
    words = re.findall(r"[A-Za-z0-9]+|\+|&", name.replace("_", " "))
    spoken = [{"+": "Plus", "&": "And"}.get(word, word) for word in words]
    return "".join([spoken[0], *(word[0].upper() + word[1:] for word in spoken[1:])])
