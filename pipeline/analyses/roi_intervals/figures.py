"""Mean scores of regions in each subject, with intervals over test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.analyses.roi_intervals.tables import MODEL
from pipeline.figures.region_points import region_points
from pipeline.figures.style import Images, StudyFigure

CAPTION = (
    "Mean test R² over the voxels of each region, for every single model: one point per subject, "
    "with its bootstrap interval over test images. Intervals of differences between models, which "
    "are paired and hence narrower than these suggest, are in tables/roi_intervals.tsv."
)


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figure of tables/roi_intervals.tsv."""
    if "roi_intervals" in tables:
        table = tables["roi_intervals"]
        single = (table["score_kind"] == MODEL) & ~table["score"].str.contains(
            MODEL_SEPARATOR, regex=False
        )
        yield StudyFigure(
            *("roi_intervals", None, "Regions of each subject", CAPTION),
            figure(table[single], spaces),
        )


def figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw R² of models side by side in each region, a point and interval per subject.

    Parameters
    ----------
    table : tables/roi_intervals.tsv, the rows to draw
    spaces : all feature spaces of the study, in the order of colours
    """
    return region_points(table, "score", spaces, "mean test R², interval over images", _interval)


def _interval(
    axis: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str, label: str | None
) -> None:
    mean, lower, upper = (rows[f"region_{name}"] for name in ("mean", "lower", "upper"))
    # the mean can lie outside a percentile interval
    lengths = np.maximum([mean - lower, upper - mean], 0)
    axis.errorbar(
        x, mean, lengths, fmt="o", markersize=3.5, elinewidth=0.9, color=colour, label=label
    )
