"""Scores and preferences per ROI for each layer of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.results.storage import Result
from pipeline.tables.tables import region_cells, source, statistic, subject_of

# descriptions of the columns that only these tables have
COLUMNS = {
    "network": "name in the configuration (`layerwise`) of the comparison of one network's layers",
    "layer": "feature space of the layer, fitted as a separate encoding model",
    "layer_number": "position of the layer among the compared layers, from 1 (first layer)",
    "mean_cv_score": "mean over n_voxels voxels of the cross-validated R² of the training images "
    "(at most 1)",
    "n_preferring": "number of the ROI's voxels that have a preferred layer: those whose "
    "reliability is at least `preferred_layer.min_reliability` (0.1 unless configured)",
    "best_fraction": "fraction (0 to 1) of the n_preferring voxels whose cross-validated R² is "
    "highest for this layer",
    "first_fraction": "fraction (0 to 1), among those of the n_preferring voxels whose best "
    "cross-validated R² is above 0, for which this is the first layer that reaches "
    "`preferred_layer.fraction` (0.95 unless configured) of the best layer's R²",
}


def rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per ROI and layer of a subject's network."""
    layers = result["layer"].tolist()
    scores = np.stack([result[key] for key in ("cv_score", "r", "r2")])
    # the same voxels for every layer, so that a curve compares like with like
    for region, usable in region_cells(result, rois, np.isfinite(scores).all(axis=(0, 1))):
        best, first = result["best"][usable], result["first"][usable]
        for number, layer in enumerate(layers, start=1):
            yield {
                "subject": subject_of(result),
                "network": result.configuration["network"],
                "layer": layer,
                "layer_number": number,
                **region,
                "mean_r": statistic(np.mean, result["r"][number - 1, usable]),
                "mean_r2": statistic(np.mean, result["r2"][number - 1, usable]),
                "mean_cv_score": statistic(np.mean, result["cv_score"][number - 1, usable]),
                "n_preferring": int(np.count_nonzero(np.isfinite(best))),
                "best_fraction": statistic(np.mean, (best == number)[np.isfinite(best)]),
                "first_fraction": statistic(np.mean, (first == number)[np.isfinite(first)]),
                **source(result, [layer]),
            }


TABLES = {"layers": (rows, None)}
