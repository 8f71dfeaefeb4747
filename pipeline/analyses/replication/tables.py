"""In how many subjects regions are significant."""

from __future__ import annotations

import pandas as pd

from pipeline.tables.tables import LEVEL

# what columns mean that other tables do not have
COLUMNS = {
    "n_replicated": f"subjects in whom region_mean is above 0 with q_region ≤ {LEVEL} (see the "
    "table of roi_intervals)",
    "n_reversed": f"subjects in whom region_mean is below 0 with q_region ≤ {LEVEL}: of "
    "differences of models, which are tested on both sides, subjects whose second model is better",
    "replicated_in": "subjects that n_replicated counts",
    "mean_of_subjects": "mean over all subjects with the region of region_mean (test R²), signed",
}
KEYS = ["score_kind", "comparison", "score", "atlas", "roi"]
ROW_COLUMNS = (
    *KEYS,
    "n_subjects",
    "n_replicated",
    "n_reversed",
    "replicated_in",
    "mean_of_subjects",
    "weights",
    "data",
)


def replication_table(intervals: pd.DataFrame) -> pd.DataFrame:
    """One row per region and score, in the order in which they first come.

    Parameters
    ----------
    intervals : tables/roi_intervals.tsv
    """
    rows = []
    for key, of_subjects in intervals.groupby(KEYS, sort=False):
        significant = of_subjects["q_region"] <= LEVEL
        above = of_subjects["region_mean"] > 0
        replicated = of_subjects.loc[significant & above, "subject"]
        rows.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                "n_subjects": len(of_subjects),
                "n_replicated": len(replicated),
                "n_reversed": int((significant & ~above).sum()),
                "replicated_in": ", ".join(replicated) or "none",
                "mean_of_subjects": of_subjects["region_mean"].mean(),
                "weights": of_subjects["weights"].iloc[0],
                "data": of_subjects["data"].iloc[0],
            }
        )
    return pd.DataFrame(rows, columns=ROW_COLUMNS)
