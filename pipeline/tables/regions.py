"""Regions in the order in which their atlases list them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.results.provenance import read_provenance
from pipeline.results.storage import Result
from pipeline.results.tables import read_table


def in_atlas_order(
    rows: pd.DataFrame, rois: Iterable[pd.DataFrame], columns: Sequence[str] = ()
) -> pd.DataFrame:
    """Sort the rows of a table by region; rows of a region keep their order.

    Parameters
    ----------
    rows : table with the columns `atlas` and `roi`, or with `columns`
    rois : labels of every subject (rois/<subject>.tsv); not every subject has every region
    columns : columns of names such as "atlas/roi"; other names, such as feature spaces, come first
    """
    position = {
        (row.atlas, row.roi): row.place
        for labels in rois
        for row in labels.drop_duplicates("place").itertuples()
    }
    if columns:
        regions = [[tuple(name.split("/", 1)) for name in rows[column]] for column in columns]
    else:
        regions = [list(zip(rows["atlas"], rows["roi"], strict=True))]
    # 'all' is in no atlas and comes first
    keys = {f"key {n}": [position.get(r, -1) for r in names] for n, names in enumerate(regions)}
    order = pd.DataFrame(keys, dtype="int64").sort_values([*keys], kind="stable").index
    return rows.iloc[order].reset_index(drop=True)


def read_rois(paths: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """{subject, as recorded in the file: labels of its voxels} from rois/<subject>.tsv."""
    return {read_provenance(path)["configuration"]["subject"]: read_table(path) for path in paths}


def region_labels(regions: Iterable[tuple[str, str]]) -> dict[str, tuple[str, np.ndarray]]:
    """Arrays of a result that label its dimension `region` by (atlas, roi)."""
    pairs = list(regions)
    return {
        "atlas": ("region", np.array([atlas for atlas, _ in pairs], str)),
        "roi": ("region", np.array([roi for _, roi in pairs], str)),
    }


def regions_of(result: Result) -> list[tuple[str, str]]:
    """(atlas, roi) along the dimension `region` of a result."""
    return list(zip(result["atlas"].tolist(), result["roi"].tolist(), strict=True))
