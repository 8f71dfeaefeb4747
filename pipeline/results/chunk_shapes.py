"""Chunk shapes of matrices in HDF5."""

from __future__ import annotations

import math

VOXELS_PER_CHUNK = 128
CHUNK_BYTES = 1 << 20
# images and voxels
TILE = 256, 1024


def chunks_of_voxels(shape: tuple[int, int]) -> tuple[int, int]:
    """Return chunks of a matrix (image, voxel) that is read by voxels, all images at once."""
    return shape[0], min(VOXELS_PER_CHUNK, shape[1])


def chunks_of_rows(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return chunks of about `CHUNK_BYTES` of an array that is read along its first axis."""
    rows = CHUNK_BYTES // (itemsize * math.prod(shape[1:]))
    return min(max(1, rows), shape[0]), *shape[1:]


def tiles(shape: tuple[int, int]) -> tuple[int, int]:
    """Return chunks of a matrix (image, voxel) of which some images and voxels are read."""
    return min(TILE[0], shape[0]), min(TILE[1], shape[1])
