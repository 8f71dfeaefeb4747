"""Unique and shared variance as shares of the noise ceiling, per region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.ceiling_shares import mean_ceiling_share
from pipeline.results.storage import Result
from pipeline.tables.tables import region_cells, source, statistic, subject_of

# descriptions of the columns that only these tables have
COLUMNS = {
    "mean_ceiling_fraction": "mean of the component's variance divided by the mean noise ceiling, "
    "both over the n_voxels voxels (fraction of the explainable variance; signed, not clipped)",
    "median_ceiling_fraction": "median over the n_voxels voxels of the component's variance "
    "divided by the voxel's noise ceiling (fraction of the explainable variance; signed, not "
    "clipped)",
    "n_excluded": "number of the region's voxels that are left out of n_voxels because they have "
    "no score (not valid in every session, or without variance) or no noise ceiling above "
    "min_noise_ceiling",
    "min_noise_ceiling": "noise ceiling (R²) that a voxel must exceed to be among the n_voxels "
    "voxels",
}


def rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per region and component of a subject's comparison."""
    configuration = result.configuration
    ceiling, minimum = result["noise_ceiling"], configuration["min_noise_ceiling"]
    for region, usable in region_cells(result, rois, np.isfinite(result["share"]).all(axis=0)):
        variance = result["variance"][:, usable]
        means = mean_ceiling_share(variance, ceiling[usable], minimum)
        for number, component in enumerate(result["component"].tolist()):
            yield {
                "subject": subject_of(result),
                "comparison": configuration["comparison"],
                "component": component,
                **region,
                "mean_ceiling_fraction": float(means[number]),
                "median_ceiling_fraction": statistic(np.median, result["share"][number, usable]),
                "min_noise_ceiling": minimum,
                **source(result, configuration["spaces"]),
            }


TABLES = {"ceiling_shares": (rows, None)}
