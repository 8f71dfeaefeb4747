"""Single-trial betas as z-scores."""

from __future__ import annotations

import numpy as np

# so many voxels' trials fit in a processor's cache
VOXELS_AT_A_TIME = 256


def zscore_within(
    betas: np.ndarray, groups: np.ndarray, learnt_from: np.ndarray | None = None
) -> np.ndarray:
    """z-score each voxel over the trials of each group (ddof 1, as NSD's noise ceiling assumes).

    Parameters
    ----------
    betas : (trial, voxel); invalid voxels NaN
    groups : (trial,) the session or run of each trial
    learnt_from : (trial,) bool, trials that give mean and standard deviation; all by default

    Returns
    -------
    (trial, voxel) float32; NaN where the voxel is invalid or does not vary over the group's trials
    """
    result = np.empty(betas.shape, dtype=np.float32)
    learnt_from = np.ones(len(betas), bool) if learnt_from is None else learnt_from
    members = [groups == group for group in np.unique(groups)]
    for start in range(0, betas.shape[1], VOXELS_AT_A_TIME):
        columns = slice(start, start + VOXELS_AT_A_TIME)
        # (voxel, trial), as betas are stored
        block = np.ascontiguousarray(betas[:, columns].T, dtype=np.float64)
        for member in members:
            result[member, columns] = _zscored(block, member, learnt_from).T
    return result


def _zscored(block: np.ndarray, member: np.ndarray, learnt_from: np.ndarray) -> np.ndarray:
    """z-score the trials of a group, of a block (voxel, trial) float64."""
    learnt = block[:, member & learnt_from]
    if learnt.shape[1] < 2:
        return np.full((len(block), np.count_nonzero(member)), np.nan)
    deviation = learnt.std(axis=1, ddof=1, keepdims=True)
    deviation[~(deviation > 0)] = np.nan
    return (block[:, member] - learnt.mean(axis=1, keepdims=True)) / deviation
