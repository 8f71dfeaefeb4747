"""Number of subjects in whom regions are significant."""

from __future__ import annotations

import pandas as pd

from pipeline.tables.tables import LEVEL

# descriptions of the columns that only these tables have
COLUMNS = {
    "n_replicated": "number of subjects (of n_subjects) in whom the region's mean score is above "
    f"0 and significant (q_region ≤ {LEVEL} in tables/roi_intervals.tsv)",
    "n_reversed": "number of subjects (of n_subjects) in whom the region's mean score is below 0 "
    f"and significant (q_region ≤ {LEVEL} in tables/roi_intervals.tsv); above 0 only for "
    "differences of models, the only scores tested two-sided: there the second model is better",
    "replicated_in": "names of the subjects that n_replicated counts, or none",
    "mean_of_subjects": "mean over the n_subjects subjects of the region's mean score (test R²), "
    "signed",
}
KEYS = ["score_kind", "comparison", "score", "atlas", "roi"]
ROW_COLUMNS = (
    *KEYS,
    *("n_subjects", "n_replicated", "n_reversed", "replicated_in", "mean_of_subjects", "weights"),
    "data",
)


def replication_table(intervals: pd.DataFrame) -> pd.DataFrame:
    """Tabulate one row per region and score, in the order of their first rows.

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
