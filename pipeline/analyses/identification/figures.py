"""Figures of identified images and of shared errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

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

ACCURACY = (
    "Top: correlation of predicted and measured patterns of test images (median and quartiles "
    "over images). Bottom: fraction of images identified, i.e. whose own predicted pattern "
    "correlates best with the measured one. One dot per subject; for other brains, one per pair "
    "of subjects."
)
CONSISTENCY = (
    "Agreement (Cohen's κ) between two models, or a model and another brain, on which test images "
    "are not identified; means over subjects."
)

OTHER_BRAINS = "other brains"


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield figures of identified images and of shared errors, if their tables have rows."""
    section = "Identified images"
    if "image_accuracy" in tables:
        drawn = accuracy_figure(tables["image_accuracy"], spaces)
        yield StudyFigure("image_accuracy", None, section, ACCURACY, drawn)
    if "error_consistency" in tables:
        drawn = consistency_figure(tables["error_consistency"])
        yield StudyFigure("error_consistency", None, section, CONSISTENCY, drawn)


def accuracy_figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw image-wise correlations and identification per ROI: a dot per subject and predictor.

    Top: medians and quartiles over images of the correlation of predicted and measured pattern.
    Bottom: fractions of identified images, and chance.

    Parameters
    ----------
    table : tables/image_accuracy.tsv
    spaces : all feature spaces of the study, in the order of colours
    """
    rois = displayed_rois(table)
    brains = table["predictor"].isin(table["subject"])
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
    label_regions(bottom, table, rois)
    tidy(top, "", "image-wise r: median and\nquartiles over images")
    tidy(bottom, "n: voxels of all subjects", "fraction of images identified\n(black: chance)")
    top.set_title(f"{subjects(table)}{simulated_note(table['data'])}", loc="left", fontsize=10)
    top.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn


def consistency_figure(table: pd.DataFrame) -> Figure:
    """Draw Cohen's κ of every two models, and of models and other brains: a panel per ROI.

    Values are means over subjects, after averaging over other brains.

    Parameters
    ----------
    table : tables/error_consistency.tsv
    """
    rois = displayed_rois(table)
    table = table.assign(second=table["second"].where(~_is_brain(table), OTHER_BRAINS))
    models = list(dict.fromkeys([*table["first"], *table["second"]]))
    models = [name for name in models if name != OTHER_BRAINS]
    columns = [*models, *([OTHER_BRAINS] if OTHER_BRAINS in set(table["second"]) else [])]
    limit = np.nanmax(np.abs([0.1, *table["kappa"]]))
    n_columns = min(len(rois), 3)
    n_rows = -(-len(rois) // n_columns)
    side = 1.6 + 0.55 * len(columns)
    drawn, axes = plt.subplots(
        *(n_rows, n_columns),
        figsize=(side * n_columns + 1, side * n_rows),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.ravel()[len(rois) :]:
        axis.set_axis_off()
    for axis, roi in zip(axes.ravel(), rois, strict=False):
        part = rows_of_roi(table, roi)
        image = axis.imshow(_matrix(part, models, columns), cmap="RdBu_r", vmin=-limit, vmax=limit)
        _write_values(axis, image.get_array(), limit)
        axis.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=7)
        axis.set_yticks(range(len(models)), models, fontsize=7)
        n_images = _span(part["n_images"])
        axis.set_title(
            f"{roi[1]}\n{subjects(part)}, {n_images} images{simulated_note(part['data'])}",
            fontsize=9,
        )
    drawn.colorbar(
        image, ax=axes, label="Cohen's κ\n(0: as accuracies imply; shared noise alone gives more)"
    )
    return drawn


def _is_brain(table: pd.DataFrame) -> pd.Series:
    return table["second"].isin(table["subject"])


def _matrix(table: pd.DataFrame, models: list[str], columns: list[str]) -> np.ma.MaskedArray:
    subject_means = table.groupby(["first", "second", "subject"])["kappa"].mean()
    means = subject_means.groupby(["first", "second"]).mean()
    values = np.full((len(models), len(columns)), np.nan)
    for (first, second), kappa in means.items():
        values[models.index(first), columns.index(second)] = kappa
        if second in models:
            values[models.index(second), columns.index(first)] = kappa
    return np.ma.masked_invalid(values)


def _write_values(axis: plt.Axes, values: np.ma.MaskedArray, limit: float) -> None:
    for row, column in zip(*np.nonzero(~np.ma.getmaskarray(values)), strict=True):
        value = values[row, column]
        colour = "white" if abs(value) > 0.6 * limit else "black"
        text = f"{value:.2f}"
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)


def _span(numbers: pd.Series) -> str:
    least, most = numbers.min(), numbers.max()
    return f"{least}" if least == most else f"{least}–{most}"
