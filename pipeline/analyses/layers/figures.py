"""Scores of a network's layers, as curves over the layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pipeline.figures.colours import line_colours
from pipeline.figures.style import (
    LINES,
    Images,
    StudyFigure,
    displayed_rois,
    rows_of_roi,
    simulated_note,
    subjects,
    tidy,
)

CAPTION = (
    "Test scores of each layer, fitted as a separate encoding model (left, middle), and the "
    "fraction of voxels whose cross-validated R² is highest for that layer (right). Thick lines: "
    "means over subjects; thin lines: single subjects."
)

PANELS = {
    "mean_r": "mean test r",
    "mean_r2": "mean test R²",
    "best_fraction": "fraction of voxels with the\nbest cross-validated R²",
}


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figure of tables/layers.tsv."""
    if "layers" in tables:
        yield StudyFigure("layers", None, "Layers", CAPTION, figure(tables["layers"]))


def figure(table: pd.DataFrame) -> Figure:
    """Draw scores and preferences against layers, a row of panels per network.

    Thick lines are means over subjects, thin lines single subjects.

    Parameters
    ----------
    table : tables/layers.tsv
    """
    networks = list(dict.fromkeys(table["network"]))
    rois = displayed_rois(table)
    colours = line_colours(len(rois))
    drawn, axes = plt.subplots(
        len(networks), len(PANELS), figsize=(11, 3.2 * len(networks)), squeeze=False
    )
    for row, network in zip(axes, networks, strict=True):
        part = table[table["network"] == network]
        layers = part.drop_duplicates("layer_number").set_index("layer_number")["layer"]
        for axis, (value, label) in zip(row, PANELS.items(), strict=True):
            for number, roi in enumerate(rois):
                curves = rows_of_roi(part, roi).pivot(index="layer_number", columns="subject")
                n_voxels = int(curves["n_voxels"].iloc[0].sum()) if len(curves) else 0
                style = {"color": colours[number], "linestyle": LINES[number % len(LINES)]}
                axis.plot(curves[value], **style, linewidth=0.6, alpha=0.4)
                label_of_roi = f"{roi[1]} (n={n_voxels})"
                axis.plot(curves[value].mean(axis=1), **style, linewidth=2, label=label_of_roi)
            axis.set_xticks(layers.index, layers, rotation=60, ha="right", fontsize=7)
            axis.axhline(0, color="black", linewidth=0.6)
            tidy(axis, "", label)
        row[0].set_title(
            f"{network}: {subjects(part)}{simulated_note(part['data'])}", loc="left", fontsize=10
        )
        row[-1].legend(
            fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1), title="voxels"
        )
    drawn.tight_layout()
    return drawn
