"""Responses to images, averaged over the voxels of regions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.results.storage import Result
from pipeline.results.tables import read_table
from pipeline.tables.tables import roi_members

Region = tuple[str, str]


def reliable_members(
    rois: Path, encoding: Result, settings: Mapping[str, Any]
) -> dict[Region, np.ndarray]:
    """{(atlas, roi): (voxel,) bool}, the reliable voxels of each region.

    Parameters
    ----------
    rois : a subject's labels
    encoding : any fit of the subject, with `voxel` and `reliability`
    settings : `atlases` and `min_reliability`
    """
    reliable = encoding["reliability"] >= settings["min_reliability"]
    return {
        (atlas, roi): inside & reliable
        for (atlas, roi), inside in roi_members(read_table(rois), encoding["voxel"]).items()
        if atlas in settings["atlases"]
    }


def region_means(
    blocks: Iterable[tuple[np.ndarray | slice, Mapping[str, np.ndarray]]],
    members: Mapping[Region, np.ndarray],
    settings: Mapping[str, Any],
    key: str,
) -> tuple[dict[str, np.ndarray], dict[Region, int]]:
    """Average responses over the voxels of each region.

    Parameters
    ----------
    blocks : voxels of a block, and {name: (image, voxel of the block)} of responses to the same
        images; a voxel is left out if a response is missing
    members : {region: (voxel,) bool}
    settings : `min_voxels`, the number of voxels that a region must have; others for the message
    key : of the settings in the configuration, for the message

    Returns
    -------
    {name: (image, region) float64}, and {region: number of voxels}, of regions with enough voxels

    Raises
    ------
    InputError
        No region has enough voxels.
    """
    inside = np.array([*members.values()], dtype=bool).reshape(len(members), -1)
    sums: dict[str, np.ndarray] = {}
    counts = np.zeros(len(members), int)
    for voxels, responses in blocks:
        usable = np.all([np.isfinite(values).all(axis=0) for values in responses.values()], axis=0)
        here = inside[:, voxels][:, usable]
        for name, values in responses.items():
            added = values[:, usable].astype(np.float64) @ here.T
            sums[name] = sums.get(name, 0.0) + added
        counts += here.sum(axis=1)
    kept = counts >= settings["min_voxels"]
    if not kept.any():
        raise InputError(
            f"{key}: no region of {', '.join(settings['atlases'])} has {settings['min_voxels']} "
            f"voxels with a reliability of {settings['min_reliability']}; lower them, or choose "
            "other `atlases`"
        )
    means = {name: values[:, kept] / counts[kept] for name, values in sums.items()}
    regions = zip(members, counts.tolist(), kept, strict=True)
    return means, {region: number for region, number, enough in regions if enough}
