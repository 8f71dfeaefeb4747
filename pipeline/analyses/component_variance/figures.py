"""Correlations over voxels of projections on components with unique variance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.figures.colours import colour_numbers
from pipeline.figures.style import Images, StudyFigure, line_style, simulated_note, subjects, tidy

CAPTION = (
    "Correlation (Spearman's ρ) over all modelled voxels between their projections on a component "
    "and the unique variance of a feature space: a dot per subject, a line through the means. The "
    "sign is that of the component."
)


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield a figure of tables/component_variance.tsv for each comparison."""
    table = tables.get("component_variance", pd.DataFrame(columns=["comparison"]))
    for comparison, part in table.groupby("comparison", sort=False):
        title = "Components and unique variance"
        name = f"component_variance_{comparison}"
        yield StudyFigure(name, None, title, CAPTION, figure(part, spaces))


def figure(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Draw correlations against the component, in the colours of the spaces.

    Parameters
    ----------
    table : tables/component_variance.tsv, rows of one comparison
    spaces : all feature spaces of the study, in the order of colours
    """
    table = table[table["roi"] == "all"]
    names = list(dict.fromkeys(table["unique_space"]))
    components = np.unique(table["principal_component"])
    numbers = colour_numbers(names, spaces)
    drawn, axis = plt.subplots(
        figsize=(max(5.0, 2.5 + 0.5 * len(components)), 3.2), layout="constrained"
    )
    for place, name in enumerate(names):
        part, colour = table[table["unique_space"] == name], line_style(numbers[name])["color"]
        shift = 0.16 * (place - (len(names) - 1) / 2)
        axis.plot(
            *(part["principal_component"] + shift, part["variance_rank_r"], "o"),
            markersize=3.5,
            color=colour,
            alpha=0.7,
        )
        means = part.groupby("principal_component")["variance_rank_r"].mean()
        axis.plot(means.index + shift, means, linewidth=1, color=colour, label=f"unique to {name}")
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set_xticks(components)
    tidy(axis, f"component of {table['model'].iloc[0]}", "Spearman's ρ over voxels")
    title = f"{table['comparison'].iloc[0]}, {subjects(table)}{simulated_note(table['data'])}"
    axis.set_title(title, loc="left", fontsize=9)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return drawn
