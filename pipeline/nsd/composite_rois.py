"""Regions that the study reports, made of ROIs that NSD released."""

from __future__ import annotations

import pandas as pd

ATLAS = "composite"
# {name: {ROI collection: labels}}
COMPOSITES: dict[str, dict[str, tuple[str, ...]]] = {
    "early visual": {"prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d")},
    "scene": {"floc-places": ("OPA", "PPA", "RSC")},
    "body": {"floc-bodies": ("EBA", "FBA-1", "FBA-2")},
    "face": {"floc-faces": ("OFA", "FFA-1", "FFA-2")},
    "TPOJ": {"HCP_MMP1": ("TPOJ1", "TPOJ2", "TPOJ3")},
    "angular gyrus": {"HCP_MMP1": ("PGi", "PGs", "PGp")},
}


def composite_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """Labels of the composites whose ROI collections are there.

    A subject who lacks one of the labels has the composite of the others.

    Parameters
    ----------
    labels : columns voxel, atlas, roi and hemisphere, of released ROIs

    Returns
    -------
    the same columns; a voxel in several labels of a composite is in it once
    """
    parts = [labels.iloc[:0]]
    for name, members in COMPOSITES.items():
        for atlas, rois in members.items():
            inside = labels[(labels["atlas"] == atlas) & labels["roi"].isin(rois)]
            parts.append(inside.assign(atlas=ATLAS, roi=name))
    return pd.concat(parts, ignore_index=True).drop_duplicates(["voxel", "roi"], ignore_index=True)
