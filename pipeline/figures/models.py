"""Scores of one model against another, voxel by voxel."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from pipeline.figures.style import tidy

BINS = 48
LEAST_RANGE = 0.05


def model_against_model(
    first: np.ndarray, second: np.ndarray, ceiling: np.ndarray, names: tuple[str, str]
) -> Figure:
    """Draw R² of two models as two-dimensional histograms of voxels and of noise ceilings.

    Parameters
    ----------
    first, second : (voxel,) test R² of the two models
    ceiling : (voxel,) noise ceiling, share of variance
    """
    usable = np.isfinite(first) & np.isfinite(second)
    first, second, ceiling = first[usable], second[usable], ceiling[usable]
    low, high = _range(np.concatenate([first, second]))
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.4), sharex=True, sharey=True)
    bins = {"gridsize": BINS, "extent": (low, high, low, high), "mincnt": 1, "linewidths": 0}
    # a logarithmic scale, because most voxels without signal are near 0
    counted = axes[0].hexbin(second, first, bins="log", cmap="cividis", **bins)
    explained = axes[1].hexbin(
        second, first, C=ceiling, reduce_C_function=np.nanmean, cmap="viridis", vmin=0, **bins
    )
    for axis in axes:
        axis.plot([low, high], [low, high], color="#888", linewidth=0.8)
        axis.set_aspect("equal")
        tidy(axis, f"{names[1]}, test R²", "")
    axes[0].set_ylabel(f"{names[0]}, test R²")
    figure.colorbar(counted, ax=axes[0], label=f"voxels (n = {len(first):,})", shrink=0.9)
    figure.colorbar(explained, ax=axes[1], label="mean noise ceiling (R²)", shrink=0.9)
    figure.tight_layout()
    return figure


def _range(values: np.ndarray) -> tuple[float, float]:
    """Range of all but the lowest half percent, whose R² can be far below 0."""
    if len(values) == 0:
        return -LEAST_RANGE, LEAST_RANGE
    low = min(np.percentile(values, 0.5), -LEAST_RANGE)
    return float(low), float(max(values.max(), LEAST_RANGE))
