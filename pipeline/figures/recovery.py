"""Recovered against planted variance of simulated data."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pipeline.figures.colours import colour_numbers
from pipeline.figures.palette import COLOURS, colour
from pipeline.figures.style import component_title, subjects, tidy

MARKERS = "os^Dv"


def recovery_scatter(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw recovered against planted variance, one point per voxel group and component.

    The oracle is drawn if it was computed.

    Parameters
    ----------
    table : validation/recovery.tsv
    spaces : all feature spaces of the study, in the order of colours
    """
    figure, axis = plt.subplots(figsize=(4.6, 4.0))
    has_oracle = table["oracle"].notna().any()
    planted = "oracle" if has_oracle else "perfect"
    for component, number in colour_numbers(table["component"].unique(), spaces).items():
        part = table[table["component"] == component]
        shade = colour(number)
        marker = MARKERS[number // len(COLOURS) % len(MARKERS)]
        axis.plot(
            *(part[planted], part["recovered"], marker),
            color=shade,
            label=component_title(component),
            alpha=0.8,
        )
        if has_oracle:
            axis.plot(part["perfect"], part["recovered"], "x", color=shade, alpha=0.5)
    ends = [table[["oracle", "perfect", "recovered"]].min().min(), table[["perfect"]].max().max()]
    axis.plot(ends, ends, color="#888", linewidth=0.8)
    drawn = "● oracle, × perfect" if has_oracle else "perfect"
    tidy(axis, f"variance that could be found (R²): {drawn}", "recovered variance (R²)")
    n_groups = len(table.drop_duplicates(["subject", "group"]))
    axis.set_title(f"{subjects(table)}, {n_groups} groups of voxels", loc="left", fontsize=9)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
