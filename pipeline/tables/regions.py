"""Regions in the order in which their atlases list them, whichever a subject has."""

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
    """The rows of a table, region after region; within one their order stays.

    Parameters
    ----------
    rows : with columns `atlas` and `roi`, or with those named
    rois : the labels of every subject (rois/<subject>.tsv): not every subject has every region
    columns : of names as "atlas/roi"; others, such as feature spaces, come first
    """
    places = {
        (row.atlas, row.roi): row.place
        for labels in rois
        for row in labels.drop_duplicates("place").itertuples()
    }
    if columns:
        regions = [[tuple(name.split("/", 1)) for name in rows[column]] for column in columns]
    else:
        regions = [list(zip(rows["atlas"], rows["roi"], strict=True))]
    # 'all' is in no atlas, and comes first
    keys = {f"key {n}": [places.get(r, -1) for r in of] for n, of in enumerate(regions)}
    order = pd.DataFrame(keys, dtype="int64").sort_values([*keys], kind="stable").index
    return rows.iloc[order].reset_index(drop=True)


def read_rois(paths: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """{subject, as the file tells it: labels of its voxels} of rois/<subject>.tsv."""
    return {read_provenance(path)["configuration"]["subject"]: read_table(path) for path in paths}


def region_labels(regions: Iterable[tuple[str, str]]) -> dict[str, tuple[str, np.ndarray]]:
    """Arrays of a result that say which (atlas, roi) each place on its dimension `region` is."""
    pairs = list(regions)
    return {
        "atlas": ("region", np.array([atlas for atlas, _ in pairs], str)),
        "roi": ("region", np.array([roi for _, roi in pairs], str)),
    }


def regions_of(result: Result) -> list[tuple[str, str]]:
    """(atlas, roi) along the dimension `region` of a result."""
    return list(zip(result["atlas"].tolist(), result["roi"].tolist(), strict=True))
