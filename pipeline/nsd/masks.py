"""The modelled voxels: those that meet all conditions of the mask."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.rois import read_colour_table, read_mask
from pipeline.nsd.spaces import ResponseSpace

Condition = Callable[[np.ndarray], np.ndarray]
LISTED = 10


@dataclass(frozen=True)
class Mask:
    """Voxels that meet all conditions.

    Attributes
    ----------
    voxel : (voxel,) sorted
    left : (condition in words, number of voxels that meet it and those before it)
    files : those of the user's that were read
    ncsnr : (voxel,) by which voxels were chosen; None if they were not
    """

    voxel: np.ndarray
    left: list[tuple[str, int]]
    files: list[Path]
    ncsnr: np.ndarray | None = None


def select_voxels(
    space: ResponseSpace,
    mask: Mapping[str, Any],
    ncsnr: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Mask:
    """Select the voxels to model.

    Parameters
    ----------
    mask : `responses.mask` of the configuration
    ncsnr : returns ncsnr (voxel,) of voxels; without it, the mask's `min_ncsnr` is left out

    Raises
    ------
    InputError
        No voxel meets all conditions, an ROI or label is unknown, or a file is not of the space.
    """
    voxel = read_mask(space, mask["within"])
    left = [(mask["within"], len(voxel))]
    for words, condition in _conditions(space, mask):
        voxel = voxel[condition(voxel)]
        left.append((words, len(voxel)))
    chosen_by = None
    if ncsnr is not None and mask["min_ncsnr"] is not None:
        measured = ncsnr(voxel)
        kept = measured >= mask["min_ncsnr"]
        voxel, chosen_by = voxel[kept], measured[kept]
        left.append((f"with an ncsnr of at least {mask['min_ncsnr']:g}", len(voxel)))
    if not len(voxel):
        counts = ", ".join(f"{n:,} {words}" for words, n in left)
        raise InputError(
            f"responses.mask: no voxel of {space.subject} in {space.name} meets all conditions. "
            f"One after another they leave: {counts}. Relax the first that leaves none."
        )
    files = [] if mask["file"] is None else space.own_files(mask["file"])
    return Mask(voxel, left, files, chosen_by)


def _conditions(space: ResponseSpace, mask: Mapping[str, Any]) -> Iterator[tuple[str, Condition]]:
    if mask["rois"]:
        yield f"in {' or '.join(mask['rois'])}", partial(_in_rois, space, mask["rois"])
    if mask["file"] is not None:
        labels = " or ".join(map(str, mask["labels"]))
        words = f"of value {labels} in {mask['file']}" if labels else f"nonzero in {mask['file']}"
        yield words, partial(_in_file, space, mask["file"], mask["labels"])


def _in_rois(space: ResponseSpace, rois: Sequence[str], voxel: np.ndarray) -> np.ndarray:
    """Test which voxels (voxel,) are in at least one ROI, given as `collection/name`."""
    inside = np.zeros(len(voxel), dtype=bool)
    for roi in rois:
        atlas, _, name = roi.partition("/")
        names = read_colour_table(space.layout, space.subject, atlas)
        values = [value for value, found in names.items() if found == name]
        if not values:
            known = [*names.values()]
            near = difflib.get_close_matches(name, known, n=3) or known
            raise InputError(
                f"responses.mask.rois: {atlas} has no ROI '{name}'; did you mean "
                f"{' or '.join(near)}?"
            )
        inside |= np.isin(space.read_labels(atlas)[voxel], values)
    return inside


def _in_file(
    space: ResponseSpace, file: str, labels: Sequence[int], voxel: np.ndarray
) -> np.ndarray:
    """Test which voxels (voxel,) have one of the labels in a file of the user's, or are not 0."""
    values = space.read_own(file)
    if not labels:
        return (np.isfinite(values) & (values != 0))[voxel]
    if unknown := sorted(set(labels) - set(values[np.isin(values, labels)].tolist())):
        known = np.unique(values[np.isfinite(values) & (values != 0)])
        listed = ", ".join(f"{value:g}" for value in known[:LISTED])
        files = " and ".join(map(str, space.own_files(file)))
        raise InputError(
            f"responses.mask.labels: no voxel of {files} has the value {unknown[0]}; values are "
            f"{listed or 'none but 0'}{', …' if len(known) > LISTED else ''}"
        )
    return np.isin(values, labels)[voxel]
