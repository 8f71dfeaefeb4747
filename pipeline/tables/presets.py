"""What the choices of a preset do to the results: two tables of partitions, joined."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.configuration.settings import WHOLE

SIDES = ("published", "corrected")
KEYS = ["subject", "comparison", "component", "atlas", "roi"]
MEAN = "mean"


def preset_differences(published: pd.DataFrame, corrected: pd.DataFrame) -> pd.DataFrame:
    """Differences of every component that both studies have, per subject and in the mean.

    Parameters
    ----------
    published, corrected : the table `partitions` of each; of both, the whole study's rows

    Returns
    -------
    One row per subject, comparison, component and ROI, then of their means over subjects (subject
    "mean"): of each side the variance, the voxels and the share of significant ones (NaN for what
    is not tested), and `difference`, corrected less published

    Raises
    ------
    ValueError
        Nothing is common to both.
    """
    sides = {
        side: _of_side(table, side)
        for side, table in zip(SIDES, (published, corrected), strict=True)
    }
    joined = sides["published"].join(sides["corrected"], how="inner").reset_index()
    if joined.empty:
        raise ValueError("no component of a comparison is common to both, for the same subject")
    joined["difference"] = joined["corrected"] - joined["published"]
    means = joined.drop(columns="subject").groupby(KEYS[1:], sort=False).mean().reset_index()
    return pd.concat([joined, means.assign(subject=MEAN)], ignore_index=True)


def _of_side(table: pd.DataFrame, side: str) -> pd.DataFrame:
    table = table[table["variant"] == WHOLE].set_index(KEYS)
    voxels = table["n_voxels"].replace(0, np.nan)
    return pd.DataFrame(
        {
            side: table["mean_variance"],
            f"{side}_voxels": table["n_voxels"],
            f"{side}_significant": table["n_significant"] / voxels,
        }
    )
