"""Responses to images, averaged over the voxels of regions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.results.storage import Result
from pipeline.results.tables import read_table
from pipeline.tables.tables import roi_members

Region = tuple[str, str]


def reliable_voxels(
    rois: Path, encoding: Result, settings: Mapping[str, Any]
) -> tuple[list[Region], np.ndarray]:
    """Find the reliable voxels of each region.

    Parameters
    ----------
    rois : a subject's labels
    encoding : any fit of the subject, with `voxel` and `reliability`
    settings : `atlases` and `min_reliability`

    Returns
    -------
    (atlas, roi) of the subject's regions, of which there may be none, and (region, voxel) bool
    """
    labels = read_table(rois)
    members = roi_members(labels[labels["atlas"].isin(settings["atlases"])], encoding["voxel"])
    del members["all", "all"]
    inside = np.zeros((len(members), len(encoding["voxel"])), dtype=bool)
    for row, found in enumerate(members.values()):
        inside[row] = found & (encoding["reliability"] >= settings["min_reliability"])
    return list(members), inside


def region_means(
    blocks: Iterable[tuple[np.ndarray | slice, Mapping[str, np.ndarray]]],
    inside: np.ndarray,
    min_voxels: int,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Average responses over the voxels of each region.

    Parameters
    ----------
    blocks : voxels of a block, and {name: (image, voxel of the block)} of responses to the same
        images; a voxel is left out if a response is missing
    inside : (region, voxel) bool
    min_voxels : number of voxels that a region must have; a warning is printed if none has

    Returns
    -------
    {name: (image, region) float64}, NaN in regions with too few voxels, and (region,) number of
    voxels
    """
    sums: dict[str, np.ndarray] = {}
    counts = np.zeros(len(inside), int)
    for voxels, responses in blocks:
        usable = np.all([np.isfinite(values).all(axis=0) for values in responses.values()], axis=0)
        here = inside[:, voxels][:, usable]
        for name, values in responses.items():
            added = values[:, usable].astype(np.float64) @ here.T
            sums[name] = sums.get(name, 0.0) + added
        counts += here.sum(axis=1)
    if not (enough := counts >= min_voxels).any():
        print(
            f"warning: no region has {min_voxels} reliable voxels with responses to all images; "
            "tables will have no row of this subject"
        )
    return {
        name: np.where(enough, values / np.maximum(counts, 1), np.nan)
        for name, values in sums.items()
    }, counts
