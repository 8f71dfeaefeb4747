"""Mean scores of regions in each subject, with intervals over test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.analyses.roi_intervals.tables import MODEL
from pipeline.figures.colours import colour_numbers
from pipeline.figures.style import (
    Images,
    StudyFigure,
    displayed_rois,
    label_regions,
    line_style,
    rows_of_roi,
    simulated_note,
    subjects,
    tidy,
)

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
    rois, models = displayed_rois(table), list(dict.fromkeys(table["score"]))
    drawn, axis = plt.subplots(figsize=(max(6.0, 1.6 * len(rois)), 4), layout="constrained")
    width = 0.8 / len(models)
    numbers = colour_numbers(models, spaces)
    for number, model in enumerate(models):
        for position, roi in enumerate(rois):
            part = rows_of_roi(table[table["score"] == model], roi)
            centre = position + (number - (len(models) - 1) / 2) * width
            x = centre + np.linspace(-0.35, 0.35, len(part) + 2)[1:-1] * width
            ends = part[["region_lower", "region_upper"]].to_numpy()
            axis.errorbar(
                *(x, part["region_mean"]),
                # the mean can lie outside a percentile interval
                np.maximum([part["region_mean"] - ends[:, 0], ends[:, 1] - part["region_mean"]], 0),
                fmt="o",
                markersize=3.5,
                elinewidth=0.9,
                color=line_style(numbers[model])["color"],
                label=model if position == 0 else None,
            )
    axis.axhline(0, color="black", linewidth=0.6)
    label_regions(axis, table, rois)
    tidy(axis, "n: voxels of all subjects", "mean test R², interval over images")
    axis.set_title(f"{subjects(table)}{simulated_note(table['data'])}", loc="left", fontsize=10)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn
