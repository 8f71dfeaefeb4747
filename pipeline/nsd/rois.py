"""Masks and regions of interest: volumes of -1 (not cortex), 0 (unlabelled), 1…N (label)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.nsd.files import MEND, open_nifti, read_volume, require
from pipeline.nsd.layout import NSDLayout

HEMISPHERES = ("lh", "rh")


@dataclass(frozen=True)
class Grid:
    """A subject's functional volume: its shape (X, Y, Z) and voxel-to-world affine (mm)."""

    shape: tuple[int, int, int]
    affine: np.ndarray


def read_grid(layout: NSDLayout, subject: str, space: str) -> Grid:
    """The grid that every functional file of the subject must share, from the nsdgeneral ROI."""
    with open_nifti(layout.roi(subject, space, "nsdgeneral")) as image:
        return Grid(tuple(image.shape), np.asarray(image.affine, dtype=np.float64))


def read_mask(layout: NSDLayout, subject: str, space: str, mask: str) -> np.ndarray:
    """Voxels to model, as sorted C-order indices into (X, Y, Z).

    Parameters
    ----------
    mask : "nsdgeneral" (nsdgeneral > 0) or "cortex" (nsdgeneral > -1: all cortex, as published)
    """
    path = layout.roi(subject, space, "nsdgeneral")
    labels = read_volume(path).astype(np.int64)
    voxel = np.flatnonzero(labels > {"nsdgeneral": 0, "cortex": -1}[mask])
    if len(voxel) == 0:
        raise InputError(f"{path}: no voxel is in {mask}. {MEND}")
    return voxel


def read_roi_labels(
    layout: NSDLayout, subject: str, space: str, atlases: list[str], voxel: np.ndarray
) -> pd.DataFrame:
    """ROI labels of the given voxels, names from each atlas's colour table.

    Returns
    -------
    Columns voxel, atlas, roi, hemisphere (lh, rh); one row per labelled voxel and atlas. A label
    that a hemisphere lacks simply has no rows.

    Raises
    ------
    InputError
        A file is missing, has another grid, or holds a label that its colour table does not name.
    """
    grid = read_grid(layout, subject, space)
    tables = [_labels_of_atlas(layout, subject, space, atlas, voxel, grid) for atlas in atlases]
    return pd.concat(tables, ignore_index=True)


def _labels_of_atlas(
    layout: NSDLayout, subject: str, space: str, atlas: str, voxel: np.ndarray, grid: Grid
) -> pd.DataFrame:
    names = read_colour_table(layout, subject, atlas)
    parts = []
    for hemisphere in HEMISPHERES:
        path = layout.roi(subject, space, atlas, hemisphere)
        labels = read_volume(path, grid.shape).astype(np.int64).ravel()[voxel]
        unnamed = sorted(set(labels[labels > 0].tolist()) - set(names))
        if unnamed:
            raise InputError(
                f"{path}: label {unnamed[0]} is not in {layout.colour_table(subject, atlas)}. "
                "The two are of different versions; fetch both again from NSD."
            )
        labelled = labels > 0
        parts.append(
            pd.DataFrame(
                {
                    "voxel": voxel[labelled],
                    "atlas": atlas,
                    "roi": [names[label] for label in labels[labelled].tolist()],
                    "hemisphere": hemisphere,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def read_colour_table(layout: NSDLayout, subject: str, atlas: str) -> dict[int, str]:
    """Label names {integer: name} of an atlas, without 0 (Unknown)."""
    path = require(layout.colour_table(subject, atlas))
    names: dict[int, str] = {}
    for line in path.read_text().splitlines():
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 2 or not fields[0].isdigit():
            raise InputError(f"{path}: line '{line}' is not '<integer> <name>'. {MEND}")
        names[int(fields[0])] = fields[1]
    names.pop(0, None)
    return names
