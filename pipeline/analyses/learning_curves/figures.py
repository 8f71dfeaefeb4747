"""Scores against the number of training images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from pipeline.analyses.learning_curves.tables import OVERTAKING_COLUMNS
from pipeline.figures.colours import colour_numbers
from pipeline.figures.style import (
    Images,
    StudyFigure,
    displayed_rois,
    line_style,
    rows_of_roi,
    simulated_note,
    subjects,
    tidy,
)

CAPTION = (
    "Test scores of models against the number of training images; the test images are the same "
    "throughout. Thick lines with dots: means over subjects, at numbers of images that all "
    "subjects have; thin lines: single subjects. Dotted vertical lines: numbers of images at which "
    "one model overtakes another in a subject."
)

SCORES = {"mean_r": "mean test r", "mean_r2": "mean test R²"}


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figure of tables/learning_curves.tsv and tables/overtaking.tsv."""
    if "learning_curves" in tables:
        overtaking = tables.get("overtaking", pd.DataFrame(columns=OVERTAKING_COLUMNS))
        drawn = figure(tables["learning_curves"], overtaking, spaces)
        yield StudyFigure("learning_curves", None, "Learning curves", CAPTION, drawn)


def figure(table: pd.DataFrame, overtaking: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw learning curves of all models, a row of panels per ROI.

    Thick lines are means over subjects, thin lines single subjects, each averaged over draws of
    training images. Grey vertical lines: where one model overtakes another.

    Parameters
    ----------
    table : tables/learning_curves.tsv
    overtaking : tables/overtaking.tsv
    spaces : all feature spaces of the study, in the order of colours
    """
    rois = displayed_rois(table)
    numbers = colour_numbers(table["model"].unique(), spaces)
    drawn, axes = plt.subplots(
        len(rois), 2, figsize=(9, 2.8 * len(rois)), squeeze=False, layout="constrained"
    )
    for row, roi in zip(axes, rois, strict=True):
        part = rows_of_roi(table, roi)
        n_voxels = int(part.drop_duplicates("subject")["n_voxels"].sum())
        for axis, (score, label) in zip(row, SCORES.items(), strict=True):
            for model, number in numbers.items():
                curves = part[part["model"] == model].pivot_table(
                    index="training_images", columns="subject", values=score
                )
                style = line_style(number)
                for subject in curves:
                    axis.plot(curves[subject].dropna(), **style, linewidth=0.6, alpha=0.5)
                # the last size of subjects who saw fewer images differs: it is left out of the mean
                means = curves.dropna().mean(axis=1)
                axis.plot(means, **style, linewidth=2, marker="o", markersize=3, label=model)
            crossings = rows_of_roi(
                overtaking[overtaking["score"] == score.removeprefix("mean_")], roi
            )
            for images in crossings["overtaking_images"].dropna():
                axis.axvline(images, color="#888", linewidth=0.8, linestyle=":")
            axis.set_xscale("log")
            sizes = sorted(set(part["training_images"]))
            axis.set_xticks(sizes, sizes, fontsize=7, rotation=45)
            axis.xaxis.set_minor_locator(NullLocator())
            tidy(axis, "training images", label)
        row[0].set_title(
            f"{roi[1]}: {subjects(part)}, {n_voxels} voxels{simulated_note(part['data'])}",
            loc="left",
            fontsize=10,
        )
    axes[0, 1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn
