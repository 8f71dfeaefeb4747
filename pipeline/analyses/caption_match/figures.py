"""Match of images with their captions against the accuracy of predicted patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures.region_points import region_points
from pipeline.figures.style import Images, StudyFigure
from pipeline.tables.tables import LEVEL

CAPTION = (
    "Correlation (Spearman's ρ) over test images between the match of an image with its captions "
    "and the accuracy of its predicted response pattern: one dot per subject, filled where the "
    f"false discovery rate is at most {LEVEL:g}."
)


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figure of tables/caption_match_accuracy.tsv."""
    table = tables.get("caption_match_accuracy", pd.DataFrame())
    if len(table):
        title = "Match with captions"
        yield StudyFigure("caption_match", None, title, CAPTION, figure(table, spaces))


def figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw the correlations of models side by side in each region.

    Parameters
    ----------
    table : tables/caption_match_accuracy.tsv
    spaces : all feature spaces of the study, in the order of colours
    """
    return region_points(table, "model", spaces, "ρ of match and image-wise r", _dots)


def _dots(axis: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str, label: str | None) -> None:
    filled = (rows["q_match"] <= LEVEL).to_numpy()
    rho = rows["match_rank_r"].to_numpy()
    axis.plot(x, rho, "o", markersize=4, markerfacecolor="white", color=colour, label=label)
    axis.plot(x[filled], rho[filled], "o", markersize=4, color=colour)
