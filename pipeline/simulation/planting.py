"""Responses with known truth: components of feature spaces, plus noise of a known level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.simulation.brain import Brain
from pipeline.simulation.design import REPEATS
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


@dataclass(frozen=True)
class Components:
    """Leading principal components of z-scored features.

    Attributes
    ----------
    scores : (image, component), unit variance each
    mean, factor : (feature,) of the z-score; the factor of constant features is 0
    loadings : (feature, component), so that scores = z-scores @ loadings
    """

    scores: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    loadings: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, n_components: int) -> Components:
        """Decompose features (image, feature)."""
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        varies = deviation > 1e-6 * np.abs(mean)
        factor = np.divide(1, deviation, out=np.zeros_like(deviation), where=varies)
        z = (features - mean)[:, varies] / deviation[varies]
        left, singular, right = np.linalg.svd(z, full_matrices=False)
        root = np.sqrt(len(features))
        loadings = np.zeros((len(factor), n_components))
        loadings[varies] = right[:n_components].T / singular[:n_components] * root
        return cls(left[:, :n_components] * root, mean, factor, loadings)

    def of(self, features: np.ndarray) -> np.ndarray:
        """Compute the same components (image, component) of other images' features."""
        return ((features - self.mean) * self.factor) @ self.loadings


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
    """Trials of one session, of the voxels with data.

    Attributes
    ----------
    trials : (trial, voxel) float32, responses with noise, in units of the signal
    level, gain : (voxel,) percent signal change
    saturated : column of a voxel of cortex outside nsdgeneral that exceeds the range of int16
    valid : (voxel,) bool
    noisy, noiseless : (trial, voxel of nsdgeneral), responses with and without noise, both in units
        of the session's z-score; NaN where invalid
    """

    trials: np.ndarray
    level: np.ndarray
    gain: np.ndarray
    saturated: int
    valid: np.ndarray
    noisy: np.ndarray
    noiseless: np.ndarray

    def betas(self, block: slice) -> np.ndarray:
        """Compute betas (voxel, trial) int16, percent signal change × 300, 0 where invalid."""
        percent = self.level[block, None] + self.gain[block, None] * self.trials[:, block].T
        if self.saturated in range(*block.indices(len(self.valid))):
            percent[self.saturated - block.start, : len(self.trials) // 10] = SATURATING_PERCENT
        percent[~self.valid[block]] = 0
        return to_int16(percent * INT16_PER_PERCENT)


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
    n_grid, stored = brain.mask.size, brain.stored
    column = np.zeros(n_grid, dtype=np.int64)
    column[stored] = np.arange(len(stored))
    driven = column[signal.voxel]
    clean = signal.values[rows].astype(np.float32)
    trials = np.empty((len(rows), len(stored)), dtype=np.float32)
    for row in trials:
        row[:] = generator.standard_normal(n_grid, dtype=np.float32)[stored] / settings.ncsnr
    trials[:, driven] += clean
    # sessions differ in level and gain; the z-score within session undoes it
    level = generator.normal(0.5, 0.8, n_grid)[stored]
    gain = SIGNAL_PERCENT * generator.uniform(0.8, 1.25, n_grid)[stored]
    valid = np.ones(len(stored), bool)
    valid[column[invalid]] = False
    noisy, mean, deviation = _zscore(trials[:, driven], valid[driven])
    saturated = np.flatnonzero((brain.cortex & (brain.group < 0)).ravel())[0]
    noiseless = (clean - mean) / deviation
    return Session(trials, level, gain, int(column[saturated]), valid, noisy, noiseless)


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
    _, first, counts = np.unique(np.sort(image_of_trial), return_index=True, return_counts=True)
    complete = first[counts == REPEATS]
    trials = np.argsort(image_of_trial, kind="stable")[complete[:, None] + np.arange(REPEATS)]
    variance = flat[trials].var(axis=1, ddof=1)
    n_finite = np.count_nonzero(np.isfinite(variance), axis=0)
    mean = np.divide(
        np.nansum(variance, axis=0),
        n_finite,
        where=n_finite > 0,
        out=np.full(variance.shape[1], np.nan),
    )
    noise = np.sqrt(mean)
    return np.sqrt(np.maximum(1 - noise**2, 0)) / noise
