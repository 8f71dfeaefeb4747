"""The presented images: crops of 425 × 425 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.files import HINT, open_hdf5
from pipeline.nsd.layout import IMAGE_SIZE, NSDLayout


def check_stimuli(layout: NSDLayout, nsd_id: np.ndarray) -> None:
    """Check shape, type and completeness, and that every requested image is there."""
    path = layout.stimuli
    with open_hdf5(path, "imgBrick") as images:
        expected = (IMAGE_SIZE, IMAGE_SIZE, 3)
        if images.ndim != 4 or images.shape[1:] != expected or images.dtype != np.uint8:
            raise InputError(
                f"{path}: imgBrick is {images.dtype} {images.shape}, expected uint8 "
                f"(images, 425, 425, 3). {HINT}"
            )
        if len(nsd_id) and max(nsd_id) >= len(images):
            raise InputError(
                f"{path}: has {len(images)} images, but image {max(nsd_id)} is needed. {HINT}"
            )
        require_whole(path, images)


def require_whole(path: Path, images: h5py.Dataset) -> None:
    """Raise if pictures are missing at the end of a file, or were never written."""
    offset = images.id.get_offset()
    # contiguous data: a short file would fail later, or read as black images
    if offset is not None and path.stat().st_size < offset + images.nbytes:
        raise InputError(f"{path}: truncated, {path.stat().st_size} bytes. {HINT}")
    # chunks that were never written would read as black images
    if images.compression is None and images.id.get_storage_size() < images.nbytes:
        raise InputError(f"{path}: imgBrick is incomplete. {HINT}")


def read_images(layout: NSDLayout, nsd_id: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yield images in batches, in the order of `nsd_id` (sorted, 0-based).

    Yields
    ------
    (image, 425, 425, 3) uint8, row, column, RGB
    """
    check_stimuli(layout, nsd_id)
    for start in range(0, len(nsd_id), batch_size):
        requested = np.asarray(nsd_id[start : start + batch_size])
        with open_hdf5(layout.stimuli, "imgBrick") as images:
            batch = np.empty((len(requested), *images.shape[1:]), dtype=np.uint8)
            for row, index in enumerate(requested):
                images.read_direct(batch, np.s_[index], np.s_[row])
        yield batch
