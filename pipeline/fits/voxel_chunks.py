"""Parts of a subject's voxels: voxel chunks, one per job, and blocks that fit into memory."""

from __future__ import annotations

import numpy as np

from pipeline.errors import InputError

BLOCK_BYTES = 600e6


def voxels_of(chunk: str, n_voxels: int) -> slice:
    """Return the range of the voxels of a chunk.

    Parameters
    ----------
    chunk : e.g. "2of4"

    Raises
    ------
    InputError
        There are more parts than voxels.
    """
    number, n_chunks = map(int, chunk.split("of"))
    if n_chunks > n_voxels:
        raise InputError(
            f"scatter.voxel_chunks: {n_chunks} parts of {n_voxels} voxels; choose fewer."
        )
    return slice((number - 1) * n_voxels // n_chunks, number * n_voxels // n_chunks)


def voxel_blocks(voxel: np.ndarray, n_images: int) -> list[np.ndarray]:
    """Divide voxels into blocks of at most 600 MB of float32 responses.

    NSD's betas in HDF5 are chunked by voxel, so that no value is read twice. NIfTI and .mgh files
    are read once per block.
    """
    per_block = max(1, int(BLOCK_BYTES // (4 * n_images)))
    return np.array_split(voxel, max(1, -(-len(voxel) // per_block)))
