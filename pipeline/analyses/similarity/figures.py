"""Figures of image similarities in feature spaces and ROIs, and of their agreement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from pipeline.configuration.settings import COMPOSITE
from pipeline.figures.style import COLOURS, Images, StudyFigure, simulated_note, subjects, tidy

AGREEMENT_CAPTION = (
    "Agreement of each feature space and each region on which test images are similar."
)
CORNERS_CAPTION = (
    "Similarity in the brain of pairs of test images on which two feature spaces agree or disagree "
    "most, relative to all pairs."
)

COLUMNS = 4
CORNERS = ("both alike", "first alike", "second alike", "both unlike")


def study_figures(tables: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
    """Yield figures of agreements and of corner pairs, if their tables have rows."""
    section = "Representational similarity"
    if "representational_similarity" in tables:
        drawn = agreement(tables["representational_similarity"])
        yield StudyFigure(
            "representational_similarity", "controls", section, AGREEMENT_CAPTION, drawn
        )
    if "corner_pairs" in tables:
        table = tables["corner_pairs"]
        for first, second in table[["first", "second"]].drop_duplicates().itertuples(index=False):
            drawn = corners(table, first, second)
            name = f"corner_pairs_{first}_{second}"
            yield StudyFigure(name, "controls", section, CORNERS_CAPTION, drawn)


def matrices(similarities: Mapping[str, np.ndarray], order_by: str, title: str = "") -> Figure:
    """Draw similarity matrices, all with the images in one order, that of a clustering.

    Parameters
    ----------
    similarities : {name: (image, image)}
    order_by : name of the matrix whose hierarchical clustering orders the images
    """
    order = _image_order(similarities[order_by])
    n_columns = min(len(similarities), COLUMNS)
    n_rows = -(-len(similarities) // n_columns)
    figure, axes = plt.subplots(
        *(n_rows, n_columns),
        figsize=(2.2 * n_columns, 2.3 * n_rows),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.ravel():
        axis.set_axis_off()
    for axis, (name, matrix) in zip(axes.ravel(), similarities.items(), strict=False):
        ordered = matrix[np.ix_(order, order)].copy()
        np.fill_diagonal(ordered, np.nan)
        limit = np.nanpercentile(np.abs(ordered), 99)
        drawn = axis.imshow(ordered, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
        axis.set_title(name, fontsize=8)
        figure.colorbar(drawn, ax=axis, shrink=0.6).ax.tick_params(labelsize=6)
    figure.suptitle(
        f"{title}correlation of patterns of {len(order)} images, ordered by {order_by}", fontsize=9
    )
    return figure


def _image_order(matrix: np.ndarray) -> np.ndarray:
    distance = 1 - np.nan_to_num((matrix + matrix.T) / 2)
    np.fill_diagonal(distance, 0)
    return leaves_list(linkage(squareform(distance, checks=False), "average"))


def agreement(table: pd.DataFrame) -> Figure:
    """Draw how far each feature space agrees with each ROI: means over subjects, and ceilings.

    Parameters
    ----------
    table : tables/representational_similarity.tsv
    """
    table = table[table["kind"] == "feature space and ROI"]
    composite = table["second"].str.startswith(f"{COMPOSITE}/")
    table = table[composite | (table["second"] == "all/all")] if composite.any() else table
    rois, spaces = (list(dict.fromkeys(table[column])) for column in ("second", "first"))
    figure, axis = plt.subplots(figsize=(2.4 + 1.1 * len(rois), 3.4), layout="constrained")
    width = 0.8 / len(spaces)
    for number, space in enumerate(spaces):
        part = table[table["first"] == space]
        found = part.groupby("second")["agreement"]
        x = np.arange(len(rois)) + (number - (len(spaces) - 1) / 2) * width
        means = found.mean().reindex(rois)
        axis.bar(x, means, width, color=COLOURS[number % len(COLOURS)], label=space)
        for centre, roi in zip(x, rois, strict=True):
            values = part.loc[part["second"] == roi, "agreement"]
            axis.plot([centre] * len(values), values, ".", color="black", markersize=3)
    for position, roi in enumerate(rois):
        bounds = table.loc[table["second"] == roi, ["lower_ceiling", "upper_ceiling"]].iloc[0]
        if bounds.notna().all():
            axis.fill_between(
                [position - 0.45, position + 0.45], *bounds, color="#bbb", alpha=0.6, lw=0
            )
    axis.axhline(0, color="#444", linewidth=0.8)
    axis.set_xticks(range(len(rois)), [roi.split("/")[-1] for roi in rois], rotation=20, ha="right")
    tidy(axis, "", f"agreement of similarities ({table['measure'].iloc[0]})")
    n_images = "–".join(str(n) for n in sorted({table["n_images"].min(), table["n_images"].max()}))
    axis.set_title(
        f"{subjects(table)} (dots), {n_images} images{simulated_note(table['data'])}; "
        "grey: noise ceiling",
        fontsize=9,
    )
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def corners(table: pd.DataFrame, first: str, second: str) -> Figure:
    """Draw similarities in ROIs of image pairs on which two feature spaces (dis)agree most.

    Parameters
    ----------
    table : tables/corner_pairs.tsv
    """
    table = table[(table["first"] == first) & (table["second"] == second)]
    composite = table["roi"].str.startswith(f"{COMPOSITE}/")
    table = table[composite | (table["roi"] == "all/all")] if composite.any() else table
    rois = list(dict.fromkeys(table["roi"]))
    names = {"first alike": f"{first} alike,\n{second} not"}
    names |= {"second alike": f"{second} alike,\n{first} not"}
    figure, axis = plt.subplots(figsize=(2.6 + 1.1 * len(rois), 3.2), layout="constrained")
    width = 0.8 / len(CORNERS)
    for number, corner in enumerate(CORNERS):
        part = table[table["corner"] == corner]
        x = np.arange(len(rois)) + (number - (len(CORNERS) - 1) / 2) * width
        means = part.groupby("roi")["similarity_difference"].mean().reindex(rois)
        n_pairs = "–".join(str(n) for n in sorted({part["n_pairs"].min(), part["n_pairs"].max()}))
        label = f"{names.get(corner, corner)} (n={n_pairs} pairs)"
        axis.bar(x, means, width, color=COLOURS[number], label=label)
        for centre, roi in zip(x, rois, strict=True):
            values = part.loc[part["roi"] == roi, "similarity_difference"]
            axis.plot([centre] * len(values), values, ".", color="black", markersize=3)
    axis.axhline(0, color="#444", linewidth=0.8)
    axis.set_xticks(range(len(rois)), [roi.split("/")[-1] for roi in rois], rotation=20, ha="right")
    tidy(axis, "", "similarity in the brain (r),\nminus that of all pairs")
    axis.set_title(f"{subjects(table)} (dots){simulated_note(table['data'])}", fontsize=9)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
