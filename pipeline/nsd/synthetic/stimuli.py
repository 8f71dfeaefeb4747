"""The pictures of NSD-synthetic, as values of a display and without the margins.

Two things differ from NSD's core. Values are linear in light: what appears as grey 127 is stored
as 63. Networks were trained on values of a display, of whose square light is proportional. And
frames are 714 × 1360 pixels: pictures of the core experiment filled the central square (8.4°).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.files import HINT, open_hdf5
from pipeline.nsd.layout import (
    SYNTHETIC_FRAME,
    SYNTHETIC_IMAGES,
    SYNTHETIC_SHARED,
    NSDLayout,
)
from pipeline.nsd.stimuli import require_whole

BRICK = "imgBrick"
# values of a display, 0 to 255, of values linear in light; cut off, as published
DISPLAYED = (np.sqrt(np.arange(256) / 255) * 255).astype(np.uint8)


def central_square(frames: np.ndarray) -> np.ndarray:
    """Cut the central square of frames (…, row, column, RGB)."""
    rows, columns = frames.shape[-3:-1]
    start = (columns - rows) // 2
    return frames[..., start : start + rows, :]


def displayed(frames: np.ndarray) -> np.ndarray:
    """Convert frames uint8 that are linear in light to values of a display: √(v / 255) · 255."""
    return DISPLAYED[frames]


class SyntheticPictures(Sequence[np.ndarray]):
    """Pictures (714, 714, RGB) uint8 of a subject's 284 images, read when they are asked for."""

    def __init__(self, layout: NSDLayout, subject: str) -> None:
        self._files = pictures_files(layout, subject)

    def __len__(self) -> int:
        return SYNTHETIC_IMAGES

    @overload
    def __getitem__(self, which: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, which: slice) -> list[np.ndarray]: ...

    def __getitem__(self, which: int | slice) -> np.ndarray | list[np.ndarray]:
        """Read the picture of an image, or of several."""
        if isinstance(which, slice):
            return list(self._read(range(*which.indices(SYNTHETIC_IMAGES))))
        return next(self._read([range(SYNTHETIC_IMAGES)[which]]))

    def _read(self, images: Sequence[int]) -> Iterator[np.ndarray]:
        shared, coloured = self._files
        for image in images:
            path, row = (
                (shared, image)
                if image < SYNTHETIC_SHARED
                else (coloured, image - SYNTHETIC_SHARED)
            )
            with open_hdf5(path, BRICK) as frames:
                yield displayed(central_square(frames[row]))


def pictures_files(layout: NSDLayout, subject: str) -> tuple[Path, Path]:
    """Return the files of pictures that all subjects saw, and of those coloured for one."""
    return layout.synthetic_stimuli(), layout.synthetic_stimuli(subject)


def check_synthetic_stimuli(layout: NSDLayout, subject: str) -> None:
    """Check shape, type and completeness of both files by their headers.

    Raises
    ------
    InputError
        A file is missing, damaged, incomplete, or of another shape or type.
    """
    numbers = (SYNTHETIC_SHARED, SYNTHETIC_IMAGES - SYNTHETIC_SHARED)
    for path, number in zip(pictures_files(layout, subject), numbers, strict=True):
        with open_hdf5(path, BRICK) as frames:
            if frames.shape != (number, *SYNTHETIC_FRAME) or frames.dtype != np.uint8:
                raise InputError(
                    f"{path}: {BRICK} is {frames.dtype} {frames.shape}, expected uint8 "
                    f"{(number, *SYNTHETIC_FRAME)}. {HINT}"
                )
            require_whole(path, frames)
