"""Recovered against planted variance of simulated data."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pipeline.figures.style import COLOURS, subjects, tidy

MARKERS = "os^Dv"


def recovery_scatter(table: pd.DataFrame) -> Figure:
    """Draw recovered against planted variance, one point per voxel group and component.

    Parameters
    ----------
    table : validation/recovery.tsv
    """
    figure, axis = plt.subplots(figsize=(4.6, 4.0))
    for index, (component, part) in enumerate(table.groupby("component", sort=False)):
        colour = COLOURS[index % len(COLOURS)]
        marker = MARKERS[index // len(COLOURS) % len(MARKERS)]
        axis.plot(
            *(part["oracle"], part["recovered"], marker),
            color=colour,
            label=component,
            alpha=0.8,
        )
        axis.plot(part["perfect"], part["recovered"], "x", color=colour, alpha=0.5)
    ends = [table[["oracle", "perfect", "recovered"]].min().min(), table[["perfect"]].max().max()]
    axis.plot(ends, ends, color="#888", linewidth=0.8)
    tidy(axis, "planted variance (R²): ● oracle ridge, × perfect fit", "recovered variance (R²)")
    n_groups = len(table.drop_duplicates(["subject", "group"]))
    axis.set_title(f"{subjects(table)}, {n_groups} groups of voxels", loc="left", fontsize=9)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
