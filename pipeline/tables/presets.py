"""Effect of a preset's choices on the results: two tables of partitions, joined."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.configuration.settings import WHOLE

SIDES = ("published", "corrected")
KEYS = ["subject", "comparison", "component", "atlas", "roi"]
MEAN = "mean"


def preset_differences(published: pd.DataFrame, corrected: pd.DataFrame) -> pd.DataFrame:
    """Tabulate differences of every component that both studies have, per subject and on average.

    Parameters
    ----------
    published, corrected : the table `partitions` of each study; only rows of variant `all` are used

    Returns
    -------
    One row per subject, comparison, component and ROI, then of their means over subjects (subject
    "mean"): for each study the variance, the number of voxels and the share of significant voxels
    (NaN if not tested), and `difference`, corrected minus published

    Raises
    ------
    ValueError
        The studies have no component of a subject in common.
    """
    sides = {
        side: _of_side(table, side)
        for side, table in zip(SIDES, (published, corrected), strict=True)
    }
    joined = sides["published"].join(sides["corrected"], how="inner").reset_index()
    if joined.empty:
        raise ValueError(
            "the two studies have no component of a comparison in common for the same subject"
        )
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
