"""The layer of a network that predicts a voxel best, and the first that nearly does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PreferredLayers:
    """Numbers of layers, from 1 for the first, (voxel,) float64; NaN where there is none.

    Attributes
    ----------
    best : with the highest score; the earlier of two that are equal
    first : the first that reaches the fraction of the best score; NaN also where no score is above
        0, of which no fraction can be reached
    """

    best: np.ndarray
    first: np.ndarray

    def where(self, kept: np.ndarray) -> PreferredLayers:
        """NaN for voxels that are not `kept` (voxel,)."""
        return PreferredLayers(
            np.where(kept, self.best, np.nan), np.where(kept, self.first, np.nan)
        )


def preferred_layers(scores: np.ndarray, fraction: float = 0.95) -> PreferredLayers:
    """Find the best layer, and the first layer that reaches `fraction` of the best layer's score.

    The latter follows Wang et al. (2023, Supplementary Figure 8).

    Layers are chosen by their scores: those must not be of the images that test them.

    Parameters
    ----------
    scores : (layer, voxel) cross-validated scores on training images, first layer first; a voxel of
        which one is NaN has no preferred layer
    fraction : of the best score, above 0 and at most 1

    Raises
    ------
    ValueError
        No layer, or a fraction out of its range.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or not len(scores):
        raise ValueError(f"scores {scores.shape} are not of (layer, voxel)")
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: {fraction} is not above 0 and at most 1")
    known = np.isfinite(scores).all(axis=0)
    highest = scores.max(axis=0)
    best = scores.argmax(axis=0) + 1.0
    with np.errstate(invalid="ignore"):
        first = (scores >= fraction * highest).argmax(axis=0) + 1.0
    preferred = PreferredLayers(best, np.where(highest > 0, first, np.nan))
    return preferred.where(known)
