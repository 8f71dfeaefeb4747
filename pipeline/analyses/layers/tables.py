"""Layers of a network, one after another: scores and preferences per ROI."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.results.storage import Result
from pipeline.tables.tables import counts, roi_members, source, statistic, subject_of

# what columns mean that other tables do not have
COLUMNS = {
    "network": "comparison of the layers of one network, as the configuration names it",
    "layer": "feature space that is fitted as a model of its own",
    "layer_number": "its place among the layers, from 1",
    "mean_cv_score": "mean over voxels of the cross-validated R² of training images",
    "n_preferring": "voxels with a preferred layer: with a reliability that suffices",
    "best_share": "share of these whose best cross-validated layer this is",
    "first_share": "share of those with a score above 0 for which this is the first layer that "
    "reaches the stated share (0.95 unless configured) of the best layer's score",
}


def layer_rows(result: Result, rois: pd.DataFrame) -> Iterator[dict[str, object]]:
    """One row per ROI and layer; preferences are shares of the ROI's voxels that have one."""
    layers = result["layer"].tolist()
    scores = np.stack([result[key] for key in ("cv_score", "r", "r2")])
    for (atlas, roi), inside in roi_members(rois, result["voxel"]).items():
        # the same voxels at every layer, or a curve would compare others
        usable = inside & np.isfinite(scores).all(axis=(0, 1))
        best, first = result["best"][usable], result["first"][usable]
        for number, layer in enumerate(layers, start=1):
            yield {
                "subject": subject_of(result),
                "network": result.configuration["network"],
                "layer": layer,
                "layer_number": number,
                "atlas": atlas,
                "roi": roi,
                **counts(inside, usable),
                "mean_r": statistic(np.mean, result["r"][number - 1, usable]),
                "mean_r2": statistic(np.mean, result["r2"][number - 1, usable]),
                "mean_cv_score": statistic(np.mean, result["cv_score"][number - 1, usable]),
                "n_preferring": int(np.count_nonzero(np.isfinite(best))),
                "best_share": statistic(np.mean, (best == number)[np.isfinite(best)]),
                "first_share": statistic(np.mean, (first == number)[np.isfinite(first)]),
                **source(result, [layer]),
            }
