"""Regions predicted by the subject's own encoder and by those of other subjects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analyses.cross_subject.average_regions import MEASURED
from pipeline.figures.region_points import region_points
from pipeline.figures.style import Images, StudyFigure

CAPTION = (
    "Correlation of a region's mean measured response with what encoders predict, over the test "
    "images that two subjects share; one line per subject, with means over the other subjects. "
    "Open circle, left: the subject's own encoder; dot, right: the encoders of other subjects for "
    f"the same region of theirs. '{MEASURED}': correlation with the other subjects' measured "
    "responses (dot)."
)


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figure of tables/cross_subject.tsv."""
    table = tables.get("cross_subject", pd.DataFrame())
    if len(table):
        title = "Encoders of other subjects"
        yield StudyFigure("cross_subject", None, title, CAPTION, figure(table, spaces))


def figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw own and transferred correlations in each region, a line per subject and predictor.

    Parameters
    ----------
    table : tables/cross_subject.tsv
    spaces : all feature spaces of the study, in the order of colours
    """
    region = ["predictor", "atlas", "roi", "subject"]
    kept = {"n_voxels": "first", "data": "first", "own_r": "mean", "transferred_r": "mean"}
    means = table.groupby(region, sort=False, as_index=False).agg(kept)
    return region_points(means, "predictor", spaces, "r of the region's mean response", _pairs)


def _pairs(axis: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str, label: str | None) -> None:
    step = 0.2 * (x[1] - x[0]) if len(x) > 1 else 0.02
    both = np.array([rows["own_r"], rows["transferred_r"]])
    axis.plot([x - step, x + step], both, linewidth=0.7, color=colour)
    axis.plot(x - step, both[0], "o", markersize=4, markerfacecolor="white", color=colour)
    axis.plot(x + step, both[1], "o", markersize=3.5, color=colour, label=label)
