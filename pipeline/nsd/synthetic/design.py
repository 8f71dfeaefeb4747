"""The design of NSD-synthetic: the image of each trial, the same for every subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io

from pipeline.errors import InputError
from pipeline.nsd.design import integers
from pipeline.nsd.files import HINT, require
from pipeline.nsd.layout import SYNTHETIC, SYNTHETIC_IMAGES, TRIALS_OF, NSDLayout
from pipeline.reading import reading

N_RUNS = 8
TRIALS_PER_RUN = TRIALS_OF[SYNTHETIC] // N_RUNS
# {column of the released table: name in this project}
COLUMNS = {
    "Image": "name",
    "Image class": "image_class",
    "Image subclass": "image_subclass",
}


@dataclass(frozen=True)
class SyntheticDesign:
    """Trials of the session, in the order of the betas.

    Attributes
    ----------
    image : (trial,) int64, 0-based image: 0 to 219 are shared, 220 to 283 the subject's own
    run : (trial,) int64, 1-based; odd runs have the fixation task, even ones the memory task
    """

    image: np.ndarray
    run: np.ndarray

    @property
    def n_repeats(self) -> np.ndarray:
        """Count the trials of each image: (image,)."""
        return np.bincount(self.image, minlength=SYNTHETIC_IMAGES)

    @property
    def one_back(self) -> np.ndarray:
        """Tell which trials show the image of the trial before, in the same run: (trial,) bool."""
        again = (self.image[1:] == self.image[:-1]) & (self.run[1:] == self.run[:-1])
        return np.concatenate([[False], again])


def read_synthetic_design(layout: NSDLayout) -> SyntheticDesign:
    """Read the trials.

    Raises
    ------
    InputError
        The file is missing or damaged, or has not 93 trials in each of 8 runs, of 284 images.
    """
    path = require(layout.synthetic_design)
    with reading(path, "not a readable MATLAB v5 file", HINT):
        content = scipy.io.loadmat(path, variable_names=("masterordering", "stimpattern"))
    ordering = integers(path, content, "masterordering").ravel()
    if not np.array_equal(np.unique(ordering), np.arange(1, SYNTHETIC_IMAGES + 1)):
        raise InputError(
            f"{path}: masterordering has not each of {SYNTHETIC_IMAGES} images. {HINT}"
        )
    runs = _trials_of_runs(path, content)
    if len(ordering) != runs.sum():
        raise InputError(
            f"{path}: masterordering has {len(ordering)} trials, stimpattern {runs.sum()}. {HINT}"
        )
    return SyntheticDesign(ordering - 1, np.repeat(np.arange(N_RUNS) + 1, runs))


def _trials_of_runs(path: Path, content: Mapping[str, np.ndarray]) -> np.ndarray:
    pattern = integers(path, content, "stimpattern")
    counts = pattern.reshape(-1, pattern.shape[-1]).sum(axis=1)
    if not np.array_equal(counts, np.full(N_RUNS, TRIALS_PER_RUN)):
        raise InputError(
            f"{path}: stimpattern has {counts.tolist()} trials in its runs, expected "
            f"{TRIALS_PER_RUN} in each of {N_RUNS}. {HINT}"
        )
    return counts


def read_synthetic_images(layout: NSDLayout) -> pd.DataFrame:
    """Read the table of the images: `name`, `image_class`, `image_subclass`, a row for each image.

    Raises
    ------
    InputError
        The table is missing or damaged, or lacks columns or images.
    """
    path = require(layout.synthetic_images)
    with reading(path, "not a CSV table", HINT):
        table = pd.read_csv(path)
    # names may be padded
    table = table.rename(columns=str.strip)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}. {HINT}")
    table = table.rename(columns=COLUMNS)[[*COLUMNS.values()]]
    if len(table) != SYNTHETIC_IMAGES or table["name"].duplicated().any():
        raise InputError(
            f"{path}: names {table['name'].nunique()} images in {len(table)} rows, expected "
            f"{SYNTHETIC_IMAGES}. {HINT}"
        )
    if table.isna().any(axis=None):
        raise InputError(f"{path}: has empty cells. {HINT}")
    names = table.astype(str)
    return names.apply(lambda column: column.str.strip())
