"""Split-half reliability of maps of unique variance, per region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.split_half import spearman_brown, split_half_correlation
from pipeline.results.storage import Result
from pipeline.tables.tables import region_cells, source, subject_of

# descriptions of the columns that only these tables have
COLUMNS = {
    "component": "feature space whose unique variance is compared between halves",
    "n_splits": "number of times that the test images were halved at random",
    "split_half_r": "correlation (-1 to 1) over the n_voxels voxels between the space's unique "
    "variance in one half of the test images and in the other, mean over n_splits halvings; n/a "
    "with fewer than three voxels",
    "split_half_reliability": "reliability (at most 1) of the unique-variance map from all test "
    "images, by the Spearman-Brown formula 2 r / (1 + r) with r = split_half_r",
}


def rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per region and feature space of a subject's comparison."""
    configuration, unique = result.configuration, result["unique"]
    for region, usable in region_cells(result, rois, np.isfinite(unique).all(axis=(0, 1, 2))):
        for number, space in enumerate(result["space"].tolist()):
            r = split_half_correlation(unique[:, :, number, usable])
            yield {
                "subject": subject_of(result),
                "comparison": configuration["comparison"],
                "component": space,
                **region,
                "n_splits": len(unique),
                "split_half_r": r,
                "split_half_reliability": spearman_brown(r),
                **source(result, configuration["spaces"]),
            }


TABLES = {"split_half": (rows, None)}
