"""Numbers of images and voxels of a dataset of matrices, by the headers of its files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.matrices.files import ResponseMatrix, read_images, read_mask, read_shown


@dataclass(frozen=True)
class Counts:
    """Numbers of a subject's images, shared images and voxels, and of the voxels of the grid."""

    images: int
    test_images: int
    voxels: int
    grid: int


@cache
def count(folder: Path, subject: str) -> Counts:
    """Count a subject's images and voxels."""
    images, table = np.unique(read_shown(folder, subject)), read_images(folder)
    n_voxels = ResponseMatrix(folder, subject).shape[1]
    _, geometry = read_mask(folder, subject, n_voxels)
    return Counts(
        images=len(images),
        test_images=int(table.loc[images, "shared"].sum()),
        voxels=n_voxels,
        grid=math.prod(geometry["grid_shape"].tolist()),
    )
