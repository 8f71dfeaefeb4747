"""What the numbers in files of betas mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.files import MEND

INTEGERS_PER_PERCENT = 300
# what is not cortex, or not of this hemisphere
SMALLEST_LABEL = -1
# of FreeSurfer, which numbers in 32 bits; a larger one would be cast to some other
LARGEST_LABEL = 2**31 - 1


def percent_signal_change(path: Path, stored: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Percent signal change (trial, voxel) float32 from what a file holds.

    Integers are 300 to the percent, floating-point numbers are percent. A voxel is NaN in all
    trials where the session did not cover it: `valid` says so, or all its trials are 0 or NaN.

    Parameters
    ----------
    valid : (voxel,) bool

    Raises
    ------
    InputError
        NaN in some trials of a voxel: NSD writes none.
    """
    missing = np.isnan(stored)
    uncovered = missing.all(axis=0)
    if (missing & ~uncovered).any():
        raise InputError(f"{path}: NaNs in betas of single trials. NSD writes none; {MEND.lower()}")
    unit = INTEGERS_PER_PERCENT if np.issubdtype(stored.dtype, np.integer) else 1
    result = stored.astype(np.float32) / np.float32(unit)
    result[:, ~valid | uncovered | (stored == 0).all(axis=0)] = np.nan
    return result


def integer_labels(path: Path, stored: np.ndarray) -> np.ndarray:
    """Labels (voxel,) int64 from what a file of labels holds, whatever its type.

    Raises
    ------
    InputError
        A value is NaN, a fraction or below -1: a cast would make some other label of it.
    """
    labelled = np.isfinite(stored) & (stored == np.rint(stored)) & (stored >= SMALLEST_LABEL)
    labelled &= stored <= LARGEST_LABEL
    if not labelled.all():
        raise InputError(
            f"{path}: has the label {stored[~labelled][0]}, expected {SMALLEST_LABEL}, 0, 1, 2, …. "
            f"It was resampled or is not a file of labels. {MEND}"
        )
    return stored.astype(np.int64)
