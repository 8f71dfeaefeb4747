"""Scores of models side by side in each region, one point per subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures.colours import colour_numbers
from pipeline.figures.style import (
    displayed_rois,
    label_regions,
    line_style,
    rows_of_roi,
    simulated_note,
    subjects,
    tidy,
)

# draws the rows of one model and region, of all subjects: axis, x (subject,), rows, colour, label
DrawPoints = Callable[[Axes, np.ndarray, pd.DataFrame, str, str | None], object]


def region_points(
    table: pd.DataFrame, column: str, spaces: Sequence[str], label: str, draw: DrawPoints
) -> Figure:
    """Draw models side by side in each region.

    Parameters
    ----------
    table : rows to draw, with the columns subject, atlas, roi, n_voxels and data
    column : column with the name of the model
    spaces : all feature spaces of the study, in the order of colours
    label : label of the vertical axis
    """
    rois, models = displayed_rois(table), list(dict.fromkeys(table[column]))
    drawn, axis = plt.subplots(figsize=(max(6.0, 1.6 * len(rois)), 4), layout="constrained")
    width, numbers = 0.8 / len(models), colour_numbers(models, spaces)
    for number, model in enumerate(models):
        colour = line_style(numbers[model])["color"]
        for position, roi in enumerate(rois):
            part = rows_of_roi(table[table[column] == model], roi)
            centre = position + (number - (len(models) - 1) / 2) * width
            x = centre + np.linspace(-0.35, 0.35, len(part) + 2)[1:-1] * width
            # in the legend once
            draw(axis, x, part, colour, model if position == 0 else None)
    axis.axhline(0, color="black", linewidth=0.6)
    label_regions(axis, table, rois)
    tidy(axis, "n: voxels of all subjects", label)
    axis.set_title(f"{subjects(table)}{simulated_note(table['data'])}", loc="left", fontsize=10)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn
