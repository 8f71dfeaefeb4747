"""Blocks of test images that are resampled together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.results.storage import positions
from pipeline.results.tables import read_table


def image_blocks(split: Path, nsd_id: np.ndarray, resample: str) -> np.ndarray | None:
    """Return labels of images that are resampled together; None if each is resampled alone.

    Parameters
    ----------
    split : a subject's split
    nsd_id : (image,) the test images
    resample : "images", or "clusters" of similar images in the split's feature space
    """
    if resample == "images":
        return None
    table = read_table(split)
    rows = positions(table["nsd_id"].to_numpy(), nsd_id, split, "the predictions")
    return table["block"].to_numpy()[rows]
