"""Units of betas, and values of labels, in NSD's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.files import HINT

INTEGERS_PER_PERCENT = 300
# label of voxels outside the cortex, or in the other hemisphere
SMALLEST_LABEL = -1
# FreeSurfer's labels have 32 bits; a cast would change larger ones
LARGEST_LABEL = 2**31 - 1


def percent_signal_change(path: Path, stored: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Convert stored betas (trial, voxel) to percent signal change, float32.

    Integers are multiples of 1/300 percent, floating-point numbers are percent. A voxel that the
    session did not cover is NaN: one that is not `valid`, or whose trials are all 0 or NaN.

    Parameters
    ----------
    valid : (voxel,) bool

    Raises
    ------
    InputError
        Only some trials of a voxel are NaN, which NSD's files never have.
    """
    uncovered = ~valid | ~stored.any(axis=0)
    if np.issubdtype(stored.dtype, np.integer):
        result = stored.astype(np.float32) / np.float32(INTEGERS_PER_PERCENT)
    else:
        missing = np.isnan(stored)
        if (missing & ~missing.all(axis=0)).any():
            raise InputError(
                f"{path}: NaNs in betas of single trials, which NSD's files never have; "
                f"{HINT.lower()}"
            )
        result = stored.astype(np.float32)
    result[:, uncovered] = np.nan
    return result


def integer_labels(path: Path, stored: np.ndarray) -> np.ndarray:
    """Convert stored labels (voxel,) of any type to int64.

    Raises
    ------
    InputError
        A value is NaN, a fraction, below -1 or too large: a cast would change it.
    """
    labelled = np.isfinite(stored) & (stored == np.rint(stored)) & (stored >= SMALLEST_LABEL)
    labelled &= stored <= LARGEST_LABEL
    if not labelled.all():
        raise InputError(
            f"{path}: has the label {stored[~labelled][0]}, expected {SMALLEST_LABEL}, 0, 1, 2, …. "
            f"It was resampled or is not a file of labels. {HINT}"
        )
    return stored.astype(np.int64)
