"""Figures of image similarities in feature spaces and ROIs, and of their agreement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.configuration.settings import COMPOSITE
from pipeline.figures.colours import colour_numbers
from pipeline.figures.style import (
    COLOURS,
    Images,
    StudyFigure,
    bar_style,
    simulated_note,
    subjects,
    tidy,
)

AGREEMENT_CAPTION = (
    "Agreement of each feature space and each region on which test images are similar."
)
CORNERS_CAPTION = (
    "Similarity in the brain of pairs of test images on which two feature spaces agree or disagree "
    "most, relative to all pairs."
)

COLUMNS = 4
CORNERS = ("both alike", "first alike", "second alike", "both unlike")


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield figures of agreements and of corner pairs, if their tables have rows."""
    section = "Representational similarity"
    if "representational_similarity" in tables:
        drawn = agreement(tables["representational_similarity"], spaces)
        yield StudyFigure("representational_similarity", None, section, AGREEMENT_CAPTION, drawn)
    if "corner_pairs" in tables:
        table = tables["corner_pairs"]
        for first, second in table[["first", "second"]].drop_duplicates().itertuples(index=False):
            drawn = corners(table, first, second)
            name = f"corner_pairs_{first}_{second}"
            yield StudyFigure(name, None, section, CORNERS_CAPTION, drawn)


def agreement(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Draw how far each feature space agrees with each ROI: means over subjects, and ceilings.

    Parameters
    ----------
    table : tables/representational_similarity.tsv
    order : all feature spaces of the study, in the order of colours
    """
    table = table[table["kind"] == "feature space and ROI"]
    composite = table["second"].str.startswith(f"{COMPOSITE}/")
    table = table[composite | (table["second"] == "all/all")] if composite.any() else table
    rois, spaces = (list(dict.fromkeys(table[column])) for column in ("second", "first"))
    figure, axis = plt.subplots(figsize=(2.4 + 1.1 * len(rois), 3.4), layout="constrained")
    width = 0.8 / len(spaces)
    numbers = colour_numbers(spaces, order)
    for number, space in enumerate(spaces):
        part = table[table["first"] == space]
        found = part.groupby("second")["agreement"]
        x = np.arange(len(rois)) + (number - (len(spaces) - 1) / 2) * width
        means = found.mean().reindex(rois)
        axis.bar(x, means, width, label=space, **bar_style(numbers[space]))
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
    # regions of two atlases can have one name
    table = table.assign(roi=table["atlas"] + "/" + table["roi"])
    composite = table["atlas"] == COMPOSITE
    table = table[composite | (table["atlas"] == "all")] if composite.any() else table
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
