"""The voxels of a subject in parts, each the work of a job of its own."""

from __future__ import annotations

from pipeline.errors import InputError


def voxels_of(chunk: str, n_voxels: int) -> slice:
    """Voxels of a part.

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
