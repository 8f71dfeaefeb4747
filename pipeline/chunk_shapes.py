"""How matrices are divided in result files."""

from __future__ import annotations

VOXELS_PER_CHUNK = 128
CHUNK_BYTES = 1 << 20

Shape = tuple[int, int]


def chunks_of_voxels(shape: Shape) -> Shape:
    """Chunks of (image, voxel) that is written and read by voxels, all images at once."""
    return shape[0], min(VOXELS_PER_CHUNK, shape[1])


def chunks_of_images(shape: Shape) -> Shape:
    """Chunks, of about `CHUNK_BYTES`, of float32 (image, feature) written and read by images."""
    return min(max(1, CHUNK_BYTES // (4 * shape[1])), shape[0]), shape[1]
