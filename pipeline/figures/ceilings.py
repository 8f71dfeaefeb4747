"""Histograms of noise ceilings."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from pipeline.figures.colours import line_colours
from pipeline.figures.style import LINES, tidy

BINS = 50


def ceiling_histograms(ceilings: Mapping[str, np.ndarray]) -> Figure:
    """Draw histograms of the noise ceiling, a line per subject.

    Parameters
    ----------
    ceilings : {subject: (voxel,) fraction of variance}; NaN are left out, values below -1 are drawn
        at -1
    """
    figure, axis = plt.subplots(figsize=(6.2, 3.2))
    lowest = min((np.nanmin(v, initial=0) for v in ceilings.values()), default=0)
    # 0 is the edge of a bin
    edges = np.arange(np.floor(max(lowest, -1) * BINS), BINS + 1) / BINS
    colours = line_colours(len(ceilings))
    for number, (subject, values) in enumerate(ceilings.items()):
        known = values[np.isfinite(values)]
        share = np.histogram(np.maximum(known, edges[0]), edges)[0] / max(len(known), 1)
        median = np.median(known) if len(known) else np.nan
        label = f"{subject}: median {median:.2f}, n = {len(known):,} voxels"
        line = LINES[number % len(LINES)]
        axis.stairs(share, edges, label=label, linewidth=1.6, color=colours[number], linestyle=line)
    tidy(
        axis,
        "noise ceiling (explainable fraction of the test responses' variance)",
        "fraction of voxels",
    )
    axis.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    figure.tight_layout()
    return figure
