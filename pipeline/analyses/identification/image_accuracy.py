"""Figure of how well single images are predicted and identified."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.figures.colours import colour_numbers
from pipeline.figures.style import (
    displayed_rois,
    line_style,
    rows_of_roi,
    simulated_note,
    subjects,
    tidy,
)


def figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw image-wise correlations and identification per ROI: a dot per subject and predictor.

    Top: medians and quartiles over images of the correlation of predicted and measured pattern.
    Bottom: shares of identified images, and chance.

    Parameters
    ----------
    table : tables/image_accuracy.tsv
    spaces : all feature spaces of the study, in the order of colours
    """
    rois = displayed_rois(table)
    brains = table["predictor"].str.fullmatch(r"subj0[1-8]")
    table = table.assign(label=table["predictor"].where(~brains, "other brains"))
    predictors = list(dict.fromkeys(table["label"]))
    drawn, (top, bottom) = plt.subplots(
        2, 1, figsize=(max(6.0, 1.5 * len(rois)), 6), sharex=True, layout="constrained"
    )
    width = 0.8 / len(predictors)
    numbers = colour_numbers(predictors, spaces)
    for number, predictor in enumerate(predictors):
        colour = line_style(numbers[predictor])["color"]
        for position, roi in enumerate(rois):
            part = rows_of_roi(table[table["label"] == predictor], roi)
            centre = position + (number - (len(predictors) - 1) / 2) * width
            x = centre + np.linspace(-0.3, 0.3, len(part) + 2)[1:-1] * width
            quartiles = part[["lower_quartile_image_r", "upper_quartile_image_r"]].to_numpy()
            spread = np.abs(quartiles - part[["median_image_r"]].to_numpy()).T
            top.errorbar(
                *(x, part["median_image_r"], spread),
                fmt="o",
                markersize=4,
                color=colour,
                elinewidth=0.8,
                label=predictor if position == 0 else None,
            )
            bottom.plot(x, part["accuracy"], "o", markersize=4, color=colour)
            bottom.hlines(
                part["chance"].mean(), x.min() - 0.02, x.max() + 0.02, "black", linewidth=1
            )
    top.axhline(0, color="black", linewidth=0.6)
    bottom.set_ylim(bottom=0)
    n_voxels = [
        int(rows_of_roi(table, roi).drop_duplicates("subject")["n_voxels"].sum()) for roi in rois
    ]
    names = [f"{roi[1]}\nn={n}" for roi, n in zip(rois, n_voxels, strict=True)]
    bottom.set_xticks(range(len(rois)), names, fontsize=8)
    tidy(top, "", "image-wise r: median and\nquartiles over images")
    tidy(bottom, "n: voxels of all subjects", "share of images identified\n(black: chance)")
    top.set_title(f"{subjects(table)}{simulated_note(table['data'])}", loc="left", fontsize=10)
    top.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn
