"""Scores and variance components of regions over repeated random splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.variance_partitioning import model_name
from pipeline.results.storage import Result
from pipeline.tables.tables import region_cells, source, subject_of

SCORES = {"r": "test correlation (Pearson r)", "r2": "test R²", "variance": "variance (test R²)"}
STATISTICS = {
    "mean": "mean over the n_splits splits",
    "deviation": "standard deviation over the n_splits splits (ddof 1; training images of "
    "different splits overlap, so that it leads to no standard error)",
    "lowest": "lowest value in one of the n_splits splits",
    "highest": "highest value in one of the n_splits splits",
}
# descriptions of the columns that only these tables have
COLUMNS = {
    "n_splits": "number of random splits into training and test images",
    **{
        f"{statistic}_{score}_of_splits": f"{words} of the region's mean {of} over n_voxels voxels"
        for score, of in SCORES.items()
        for statistic, words in STATISTICS.items()
    },
}


def over_splits(values: np.ndarray) -> dict[str, float]:
    """Compute the statistics of a value (split,) over splits, in float64."""
    values = values.astype(np.float64)
    found = values.mean(), values.std(ddof=1), values.min(), values.max()
    return dict(zip(STATISTICS, map(float, found), strict=True))


def model_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per region of a subject's model."""
    if "r2" in result.data:
        spaces = result.configuration["spaces"]
        values = {name: result[name] for name in ("r", "r2")}
        yield from _rows(result, rois, {"model": model_name(spaces)}, values)


def component_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per component and region of a subject's comparison."""
    if "variance" in result.data:
        comparison = result.configuration["comparison"]
        for number, component in enumerate(result["component"].tolist()):
            cells = {"comparison": comparison, "component": component}
            yield from _rows(result, rois, cells, {"variance": result["variance"][:, number]})


def _rows(
    result: Result,
    rois: pd.DataFrame,
    cells: Mapping[str, str],
    values: Mapping[str, np.ndarray],
) -> Iterator[dict[str, object]]:
    known = np.all([np.isfinite(scores).all(axis=0) for scores in values.values()], axis=0)
    for region, usable in region_cells(result, rois, known):
        if not usable.any():
            continue
        means = {
            name: scores[:, usable].mean(axis=1, dtype=np.float64)
            for name, scores in values.items()
        }
        yield {
            "subject": subject_of(result),
            **cells,
            **region,
            "n_splits": len(result["split"]),
            **{
                f"{statistic}_{name}_of_splits": value
                for name, of_splits in means.items()
                for statistic, value in over_splits(of_splits).items()
            },
            **source(result, result.configuration["spaces"]),
        }


def _names(identity: tuple[str, ...], scores: tuple[str, ...]) -> tuple[str, ...]:
    found = [f"{statistic}_{score}_of_splits" for score in scores for statistic in STATISTICS]
    region = ("atlas", "roi", "n_voxels", "n_excluded", "n_splits")
    return ("subject", *identity, *region, *found, "weights", "data")


TABLES = {
    "repeated_splits": (model_rows, _names(("model",), ("r", "r2"))),
    "repeated_split_components": (
        component_rows,
        _names(("comparison", "component"), ("variance",)),
    ),
}
