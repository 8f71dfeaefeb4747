"""Voxelwise quantities as NIfTI or GIFTI files, with BIDS-like names and JSON sidecars."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from pipeline.storage import atomic_path, write_json

# BIDS calls the hemispheres L and R; volumes have no such part in their names
BIDS_HEMISPHERES = {"lh": "L", "rh": "R"}


def map_names(subject: str, space: str, entities: str, surface: bool) -> list[str]:
    """File names of one map: a volume, or the left and the right hemisphere."""
    if not surface:
        return [f"{subject}_space-{space}_{entities}_statmap.nii.gz"]
    return [
        f"{subject}_hemi-{hemisphere}_space-{space}_{entities}_statmap.func.gii"
        for hemisphere in BIDS_HEMISPHERES.values()
    ]


def map_images(
    values: np.ndarray, voxel: np.ndarray, geometry: Mapping[str, np.ndarray]
) -> list[nibabel.filebasedimages.FileBasedImage]:
    """Voxel values in their place, NaN elsewhere, in the order of `map_names`.

    Parameters
    ----------
    values : (voxel,)
    voxel : (voxel,) C-order indices into the grid, or into the left then the right vertices
    geometry : `grid_shape` (X, Y, Z) with `affine` (voxel to world, mm, as the subject's
        functional files have it), or `grid_shape` (left vertices, right vertices)
    """
    grid = tuple(int(n) for n in geometry["grid_shape"])
    if "affine" in geometry:
        image = nibabel.Nifti1Image(_fill(values, voxel, np.prod(grid)).reshape(grid), None)
        image.set_sform(geometry["affine"], code=1)
        image.set_qform(None, code=0)
        return [image]
    everywhere = _fill(values, voxel, sum(grid))
    structures = ("CortexLeft", "CortexRight")
    parts = np.split(everywhere, [grid[0]])
    return [_gifti(part, name) for part, name in zip(parts, structures, strict=True)]


def _fill(values: np.ndarray, voxel: np.ndarray, size: int) -> np.ndarray:
    filled = np.full(int(size), np.nan, dtype=np.float32)
    filled[voxel] = values
    return filled


def _gifti(values: np.ndarray, structure: str) -> nibabel.GiftiImage:
    array = nibabel.gifti.GiftiDataArray(values, intent="NIFTI_INTENT_NONE", datatype=np.float32)
    meta = nibabel.gifti.GiftiMetaData(AnatomicalStructurePrimary=structure)
    return nibabel.GiftiImage(darrays=[array], meta=meta)


def write_map(
    path: Path, image: nibabel.filebasedimages.FileBasedImage, sidecar: Mapping[str, Any]
) -> None:
    """Write an image as `path` (.nii.gz or .func.gii), and its sidecar (.json) beside it."""
    content = image.to_bytes()
    with atomic_path(path) as temporary:
        # without a date inside: equal maps are equal files
        zipped = path.suffix == ".gz"
        temporary.write_bytes(
            gzip.compress(content, compresslevel=6, mtime=0) if zipped else content
        )
    write_json(sidecar_path(path), dict(sidecar))


def sidecar_path(path: Path) -> Path:
    """Where the account of a map is."""
    return path.with_name(path.name.split(".")[0] + ".json")


def read_map(path: Path) -> np.ndarray:
    """Values of a map, float32, in the shape of its grid or (vertex,)."""
    image = nibabel.load(path)
    if isinstance(image, nibabel.GiftiImage):
        return np.asarray(image.agg_data(), dtype=np.float32)
    return image.get_fdata(dtype=np.float32)


def bids_label(name: str) -> str:
    """A name as BIDS wants it, letters and digits only: `clip_rn50+bert` → `clipRn50PlusBert`."""
    words = re.findall(r"[A-Za-z0-9]+|\+|&", name.replace("_", " "))
    spoken = [{"+": "Plus", "&": "And"}.get(word, word) for word in words]
    return "".join([spoken[0], *(word[0].upper() + word[1:] for word in spoken[1:])])
