"""Scores of models over repeated random splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures.region_points import region_points
from pipeline.figures.style import Images, StudyFigure

CAPTION = (
    "Mean test R² over the voxels of each region, for every model, over repeated random splits "
    "into training and test images: one point per subject, the mean over splits; thick line: one "
    "standard deviation to either side; thin line: from the lowest to the highest split."
)


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figure of tables/repeated_splits.tsv."""
    table = tables.get("repeated_splits", pd.DataFrame())
    if len(table):
        drawn = figure(table, spaces)
        yield StudyFigure("repeated_splits", None, "Repeated random splits", CAPTION, drawn)


def figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw R² of models side by side in each region, a point and spread per subject.

    Parameters
    ----------
    table : tables/repeated_splits.tsv
    spaces : all feature spaces of the study, in the order of colours
    """
    return region_points(table, "model", spaces, "mean test R² over random splits", _spread)


def _spread(axis: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str, label: str | None) -> None:
    mean, deviation, lowest, highest = (
        rows[f"{name}_r2_of_splits"] for name in ("mean", "deviation", "lowest", "highest")
    )
    axis.vlines(x, lowest, highest, linewidth=0.8, color=colour)
    axis.vlines(x, mean - deviation, mean + deviation, linewidth=2.5, alpha=0.5, color=colour)
    axis.plot(x, mean, "o", markersize=3.5, label=label, color=colour)
