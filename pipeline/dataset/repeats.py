"""Averages of single trials over the repeats of each image."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.dataset.responses import NOISE_IMAGES, AveragedResponses


def average_repeats(
    sessions: Iterable[tuple[np.ndarray, np.ndarray]], nsd_id: np.ndarray, n_voxels: int
) -> AveragedResponses:
    """Average trials over the repeats of each image, session by session.

    Only one session and the sums are in memory.

    Parameters
    ----------
    sessions : for each session, the images (trial,) presented and the responses (trial, voxel),
        NaN where a voxel is invalid
    nsd_id : (image,) sorted images that can occur
    """
    total = np.zeros((len(nsd_id), n_voxels), dtype=np.float32)
    valid = np.zeros((len(nsd_id), n_voxels), dtype=np.uint8)
    n_repeats = np.zeros(len(nsd_id), dtype=np.int64)
    squares = np.zeros(n_voxels)
    sampled = np.unique(np.linspace(0, len(nsd_id) - 1, NOISE_IMAGES).astype(int))
    sample = np.full((len(sampled), n_voxels), np.nan, dtype=np.float32)
    noise_of = dict(zip(sampled.tolist(), sample, strict=True))
    for images, responses in sessions:
        row = np.searchsorted(nsd_id, images)
        n_repeats += np.bincount(row, minlength=len(nsd_id))
        finite = np.isfinite(responses)
        # trial by trial: an image can be repeated within a session
        squares += np.sum(responses**2, axis=0, where=finite, dtype=np.float64)
        for trial, image in enumerate(row):
            if image in noise_of:
                _update_noise(noise_of[image], responses[trial], valid[image])
            total[image] += np.where(finite[trial], responses[trial], 0)
            valid[image] += finite[trial]
    # in place: the sums are the largest thing in memory
    np.divide(total, valid, out=total, where=valid > 0)
    between = np.einsum("iv,iv,iv->v", total, total, valid, dtype=np.float64)
    freedom = valid.sum(axis=0, dtype=np.int64) - np.count_nonzero(valid, axis=0)
    noise = np.full(n_voxels, np.nan)
    np.divide(squares - between, freedom, out=noise, where=freedom > 0)
    sample[valid[sampled] < 2] = np.nan
    total[valid == 0] = np.nan
    return AveragedResponses(np.asarray(nsd_id), total, n_repeats, valid, noise, sample)


def _update_noise(noise: np.ndarray, trial: np.ndarray, valid: np.ndarray) -> None:
    """Store an image's first trial; with the second trial, replace it by the noise of both."""
    finite = np.isfinite(trial)
    np.copyto(noise, trial, where=finite & (valid == 0))
    np.copyto(noise, (noise - trial) / np.sqrt(2), where=finite & (valid == 1))
