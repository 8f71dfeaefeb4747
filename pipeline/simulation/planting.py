"""Responses with known truth: components of feature spaces, plus noise of a known level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.simulation.brain import Brain
from pipeline.simulation.design import REPEATS, TRIALS
from pipeline.simulation.settings import SimulationSettings

SIGNAL_PERCENT = 1.0
INT16_PER_PERCENT = 300
SATURATING_PERCENT = 150.0


@dataclass(frozen=True)
class Signal:
    """Noiseless responses of the voxels of nsdgeneral.

    Attributes
    ----------
    voxel : (voxel,) C-order indices
    group : (voxel,) names
    values : (image, voxel) float64, unit variance over the images; 0 in voxels without signal
    weights : {space: (component, voxel)}, so that values = Σ components @ weights
    """

    voxel: np.ndarray
    group: np.ndarray
    values: np.ndarray
    weights: dict[str, np.ndarray]


def leading_components(features: np.ndarray, n_components: int) -> np.ndarray:
    """Compute leading principal components (image, component) of z-scores, unit variance each."""
    centred = features - features.mean(axis=0)
    deviation = centred.std(axis=0)
    varies = deviation > 1e-6 * np.abs(features.mean(axis=0))
    left, _, _ = np.linalg.svd(centred[:, varies] / deviation[varies], full_matrices=False)
    return left[:, :n_components] * np.sqrt(len(features))


def plant(
    brain: Brain,
    components: Mapping[str, np.ndarray],
    settings: SimulationSettings,
    generator: np.random.Generator,
) -> Signal:
    """Give every voxel a random direction in each space that drives its group."""
    voxel = brain.nsdgeneral
    group = brain.group_of(voxel)
    n_images = len(next(iter(components.values())))
    values = np.zeros((n_images, len(voxel)))
    weights = {}
    for space, scores in components.items():
        of_group = {g.name: g.proportions.get(space, 0.0) for g in settings.groups}
        proportion = np.array([of_group.get(name, 0.0) for name in group])
        direction = generator.normal(size=(scores.shape[1], len(voxel)))
        direction *= np.sqrt(proportion) / np.linalg.norm(direction, axis=0)
        weights[space] = direction
        values += scores @ direction
    # spaces correlate: scale their sum to unit variance
    deviation = values.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    weights = {space: direction * scale for space, direction in weights.items()}
    return Signal(voxel, group, values * scale, weights)


@dataclass(frozen=True)
class Session:
    """Trials of one session.

    Attributes
    ----------
    betas : (trial, voxel of the grid) int16, percent signal change × 300, 0 where invalid
    valid : (voxel of the grid,) bool
    noisy, noiseless : (trial, voxel of nsdgeneral), responses with and without noise, both in units
        of the session's z-score; NaN where invalid
    """

    betas: np.ndarray
    valid: np.ndarray
    noisy: np.ndarray
    noiseless: np.ndarray


def run_session(
    brain: Brain,
    signal: Signal,
    rows: np.ndarray,
    invalid: np.ndarray,
    settings: SimulationSettings,
    generator: np.random.Generator,
) -> Session:
    """Simulate a session.

    Parameters
    ----------
    rows : (trial,) rows of `signal.values`, the image of each trial
    invalid : C-order indices of voxels that the session does not cover
    """
    n_grid = brain.brain.size
    clean = np.zeros((TRIALS, n_grid), dtype=np.float32)
    clean[:, signal.voxel] = signal.values[rows]
    trials = clean + generator.standard_normal(clean.shape, dtype=np.float32) / settings.ncsnr
    # sessions differ in level and gain; the z-score within session undoes it
    level = generator.normal(0.5, 0.8, n_grid)
    gain = SIGNAL_PERCENT * generator.uniform(0.8, 1.25, n_grid)
    percent = level + gain * trials
    percent[: TRIALS // 10, _saturated_voxel(brain)] = SATURATING_PERCENT
    valid = brain.mask.ravel().copy()
    valid[invalid] = False
    percent[:, ~valid] = 0
    noisy, mean, deviation = _zscore(trials[:, signal.voxel], valid[signal.voxel])
    noiseless = (clean[:, signal.voxel] - mean) / deviation
    return Session(to_int16(percent * INT16_PER_PERCENT), valid, noisy, noiseless)


def _saturated_voxel(brain: Brain) -> int:
    """Choose a voxel of cortex outside nsdgeneral, whose betas will exceed the range of int16."""
    return int(np.flatnonzero((brain.cortex & (brain.group < 0)).ravel())[0])


def _zscore(trials: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, deviation = trials.mean(axis=0), trials.std(axis=0, ddof=1)
    deviation = np.where(valid, deviation, np.nan)
    return (trials - mean) / deviation, mean, deviation


def to_int16(values: np.ndarray) -> np.ndarray:
    """Convert like MATLAB's int16(): halves away from zero, saturating."""
    rounded = np.sign(values) * np.floor(np.abs(values) + 0.5)
    return np.clip(rounded, -32768, 32767).astype(np.int16)


def noise_ceiling_snr(betas: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Compute ncsnr of every voxel by NSD's own formula.

    Parameters
    ----------
    betas : (session, trial, voxel) percent signal change
    images : (session, trial) image of each trial
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (betas - betas.mean(axis=1, keepdims=True)) / betas.std(axis=1, ddof=1, keepdims=True)
    flat, image_of_trial = z.reshape(-1, z.shape[-1]), images.ravel()
    names, counts = np.unique(image_of_trial, return_counts=True)
    complete = names[counts == REPEATS]
    trials = np.stack([np.flatnonzero(image_of_trial == image) for image in complete])
    variance = np.stack([flat[trial].var(axis=0, ddof=1) for trial in trials])
    n_finite = np.count_nonzero(np.isfinite(variance), axis=0)
    mean = np.divide(
        np.nansum(variance, axis=0),
        n_finite,
        where=n_finite > 0,
        out=np.full(variance.shape[1], np.nan),
    )
    noise = np.sqrt(mean)
    return np.sqrt(np.maximum(1 - noise**2, 0)) / noise
