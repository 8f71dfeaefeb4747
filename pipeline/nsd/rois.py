"""Masks and regions of interest: -1 (not cortex), 0 (unlabelled), 1…N (label)."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.nsd.files import HINT, require
from pipeline.nsd.layout import HEMISPHERES, NSDLayout
from pipeline.nsd.spaces import ResponseSpace
from pipeline.reading import reading

LABEL = re.compile(r"[0-9]{1,9}")
SMALLEST_LABEL_IN = {"nsdgeneral": 1, "cortex": 0}


def read_mask(space: ResponseSpace, mask: str) -> np.ndarray:
    """Read the voxels to model, sorted.

    Parameters
    ----------
    mask : "nsdgeneral" (nsdgeneral > 0) or "cortex" (nsdgeneral > -1: all cortex, as published; on
        surfaces every vertex)
    """
    voxel = np.flatnonzero(space.read_labels("nsdgeneral") >= SMALLEST_LABEL_IN[mask])
    if len(voxel) == 0:
        raise InputError(
            f"nsdgeneral of {space.subject} in {space.name}: no voxel is in {mask}. {HINT}"
        )
    return voxel


def read_roi_labels(space: ResponseSpace, atlases: list[str], voxel: np.ndarray) -> pd.DataFrame:
    """Read ROI labels of voxels, with names from each atlas's colour table.

    Returns
    -------
    Columns voxel, atlas, roi, hemisphere (lh, rh); one row per labelled voxel and atlas. Labels
    that a subject or hemisphere lacks have no rows.

    Raises
    ------
    InputError
        A file is missing, has another grid, or holds a label that its colour table does not name.
    """
    parts = [
        _labels(space, atlas, hemisphere, voxel) for atlas in atlases for hemisphere in HEMISPHERES
    ]
    return pd.concat(parts, ignore_index=True)


def _labels(space: ResponseSpace, atlas: str, hemisphere: str, voxel: np.ndarray) -> pd.DataFrame:
    names = read_colour_table(space.layout, space.subject, atlas)
    labels = space.read_labels(atlas, hemisphere)[voxel]
    labelled = labels > 0
    if unnamed := sorted(set(labels[labelled].tolist()) - set(names)):
        raise InputError(
            f"{hemisphere}.{atlas} of {space.subject} in {space.name}: label {unnamed[0]} is not "
            f"in {space.layout.colour_table(space.subject, atlas)}. They are of different "
            "versions; fetch both again from NSD."
        )
    return pd.DataFrame(
        {
            "voxel": voxel[labelled],
            "atlas": atlas,
            "roi": [names[label] for label in labels[labelled].tolist()],
            "hemisphere": hemisphere,
        }
    )


def read_colour_table(layout: NSDLayout, subject: str, atlas: str) -> dict[int, str]:
    """Read label names {integer: name} of an atlas in its order, without 0 (Unknown)."""
    path = require(layout.colour_table(subject, atlas))
    names: dict[int, str] = {}
    with reading(path, "not a colour table", HINT):
        lines = path.read_text().splitlines()
    for line in lines:
        fields = line.split(maxsplit=1)
        if not fields:
            continue
        if len(fields) < 2 or not LABEL.fullmatch(fields[0]):
            raise InputError(f"{path}: line '{line}' is not '<integer> <name>'. {HINT}")
        if int(fields[0]) in names:
            raise InputError(f"{path}: names label {fields[0]} twice. {HINT}")
        names[int(fields[0])] = fields[1].strip()
    names.pop(0, None)
    return dict(sorted(names.items()))
