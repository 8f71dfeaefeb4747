"""Differences of two models' R² per region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.fits.families import FAMILY
from pipeline.results.storage import Result
from pipeline.tables.tables import LEVEL, region_cells, source, statistic, subject_of

# descriptions of the columns that only these tables have
COLUMNS = {
    "first_model": "model from whose R² that of second_model is subtracted: its feature spaces, "
    "joined by +",
    "second_model": "model whose R² is subtracted from that of first_model: its feature spaces, "
    "joined by +",
    "mean_r2_difference": "mean over the n_voxels voxels of test R² of the first model minus that "
    "of the second, signed",
    "median_r2_difference": "median over the n_voxels voxels of test R² of the first model minus "
    "that of the second, signed",
    "n_first_better": "number of the n_voxels voxels in which the first model is better with q ≤ "
    f"{LEVEL} (two-sided sign flips of paired squared errors; false discovery rate over the "
    f"{FAMILY})",
    "n_second_better": "number of the n_voxels voxels in which the second model is better with q "
    f"≤ {LEVEL} (two-sided sign flips of paired squared errors; false discovery rate over the "
    f"{FAMILY})",
}


def rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per region of a subject and pair of models."""
    first, second = models = result.configuration["models"]
    difference, significant = result["difference"], result["q"] <= LEVEL
    for region, usable in region_cells(result, rois, np.isfinite(difference)):
        found = usable & significant
        yield {
            "subject": subject_of(result),
            "first_model": first,
            "second_model": second,
            **region,
            "mean_r2_difference": statistic(np.mean, difference[usable]),
            "median_r2_difference": statistic(np.median, difference[usable]),
            "n_first_better": int(np.count_nonzero(difference[found] > 0)),
            "n_second_better": int(np.count_nonzero(difference[found] < 0)),
            **source(result, spaces_of(models)),
        }


def spaces_of(models: list[str]) -> list[str]:
    """Return the feature spaces of some models, each once."""
    return list(dict.fromkeys(s for model in models for s in model.split(MODEL_SEPARATOR)))


TABLES = {"model_differences": (rows, None)}
