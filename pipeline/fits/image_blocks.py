"""Which test images are resampled together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.results.storage import positions
from pipeline.results.tables import read_table


def image_blocks(split: Path, nsd_id: np.ndarray, resample: str) -> np.ndarray | None:
    """Labels of images that are drawn, and flip signs, together; None if each is by itself.

    Parameters
    ----------
    split : a subject's split
    nsd_id : (image,) the test images
    resample : `images`, or `clusters` of images that are alike in the split's space
    """
    if resample == "images":
        return None
    table = read_table(split)
    rows = positions(table["nsd_id"].to_numpy(), nsd_id, split, "the predictions")
    return table["block"].to_numpy()[rows]
