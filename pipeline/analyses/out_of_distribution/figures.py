"""Models in and out of distribution, per region and per class of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.analyses.out_of_distribution.image_sets import NOT_GREY, OUT
from pipeline.analyses.out_of_distribution.tables import NOT_LEFT_OUT
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
    "Mean test r divided by mean √(noise ceiling) on the study's test images (open circles) and on "
    "NSD-synthetic (filled), a line for each subject, with bootstrap intervals over images. Drops, "
    "with their intervals, and models that could not be scored are in "
    "tables/out_of_distribution.tsv, the order of models in tables/out_of_distribution_order.tsv."
)
CLASSES_CAPTION = (
    "The same for classes of synthetic images, against the mean distance of their images from the "
    "mean training image in the model's own features; over all used voxels, a point per subject. "
    "Classes differ in their number of images and in their ceilings: see "
    "tables/out_of_distribution_classes.tsv."
)
MARKERS = "osD^vP*X"


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figures of tables/out_of_distribution.tsv and of the classes."""
    name, section = "out_of_distribution", "In and out of distribution"
    if name in tables:
        table = tables[name]
        table = table[table["left_out"] == NOT_LEFT_OUT]
        yield StudyFigure(name, None, section, CAPTION, regions_figure(table, spaces))
    if f"{name}_classes" in tables:
        table = tables[f"{name}_classes"]
        table = table[(table["roi"] == "all") & ~table["images"].isin([OUT, NOT_GREY])]
        yield StudyFigure(
            f"{name}_classes", None, section, CLASSES_CAPTION, classes_figure(table, spaces)
        )


def regions_figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw normalised r in and out of distribution, side by side in each region.

    Parameters
    ----------
    table : tables/out_of_distribution.tsv, models that are scored
    spaces : all feature spaces of the study, in the order of colours
    """
    rois, models = displayed_rois(table), list(dict.fromkeys(table["model"]))
    drawn, axis = plt.subplots(figsize=(max(6.0, 1.6 * len(rois)), 4), layout="constrained")
    width = 0.8 / len(models)
    numbers = colour_numbers(models, spaces)
    for number, model in enumerate(models):
        colour = line_style(numbers[model])["color"]
        for position, roi in enumerate(rois):
            part = rows_of_roi(table[table["model"] == model], roi)
            centre = position + (number - (len(models) - 1) / 2) * width
            values = part[["normalised_in", "normalised_out"]].to_numpy().T
            x = centre + np.array([[-0.2], [0.2]]) * width
            axis.plot(np.repeat(x, len(part), axis=1), values, color=colour, linewidth=0.8)
            for row, (where, fill) in enumerate((("in", "none"), ("out", colour))):
                axis.errorbar(
                    *(np.repeat(x[row], len(part)), values[row]),
                    _ends(part, where),
                    fmt="o",
                    markersize=4,
                    elinewidth=0.9,
                    color=colour,
                    markerfacecolor=fill,
                    label=model if position == 0 and row else None,
                )
    axis.axhline(0, color="black", linewidth=0.6)
    label_regions(axis, table, rois)
    tidy(axis, "n: voxels of all subjects", "mean r / √(noise ceiling)")
    axis.set_title(f"{subjects(table)}{simulated_note(table['data'])}", loc="left", fontsize=10)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn


def _ends(part: pd.DataFrame, where: str) -> np.ndarray:
    """Return how far the interval reaches below and above normalised r: (2, subject)."""
    mean = part[f"r_{where}"]
    below, above = mean - part[f"r_{where}_lower"], part[f"r_{where}_upper"] - mean
    # as r itself is divided by mean √ceiling; the mean can lie outside a percentile interval
    scale = (part[f"normalised_{where}"] / mean).to_numpy()
    return np.maximum(np.stack([below, above]) * scale, 0)


def classes_figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw normalised r of classes against their distance, a panel for each model.

    Parameters
    ----------
    table : tables/out_of_distribution_classes.tsv, all voxels and classes alone
    spaces : all feature spaces of the study, in the order of colours
    """
    models = list(dict.fromkeys(table["model"]))
    classes = list(dict.fromkeys(table["images"]))
    drawn, axes = plt.subplots(
        *(1, len(models)),
        figsize=(3.2 * len(models) + 2, 3.4),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    numbers = colour_numbers(models, spaces)
    for axis, model in zip(axes[0], models, strict=True):
        part = table[table["model"] == model]
        for number, kind in enumerate(classes):
            points = part[part["images"] == kind]
            axis.plot(
                *(points["mean_distance"], points["mean_normalised_r"]),
                MARKERS[number % len(MARKERS)],
                markersize=5,
                color=line_style(numbers[model])["color"],
                alpha=0.8,
                label=kind,
            )
        axis.axhline(0, color="black", linewidth=0.6)
        axis.set_title(model, loc="left", fontsize=9)
        tidy(axis, "mean distance from training", "")
    axes[0, 0].set_ylabel("mean r / √(noise ceiling)")
    note = f"{subjects(table)}{simulated_note(table['data'])}"
    drawn.suptitle(note, fontsize=10)
    axes[0, -1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn
