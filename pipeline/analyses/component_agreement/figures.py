"""Figure of the agreement of subjects' maps of components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.figures.style import COLOURS, Images, StudyFigure, simulated_note, tidy

CAPTION = (
    "Correlation between two subjects' maps of a component: a dot per pair of subjects. Dashes: "
    "mean absolute correlation with the other subject's maps of the other components."
)


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield the figure of tables/component_agreement.tsv."""
    table = tables.get("component_agreement", pd.DataFrame())
    if len(table):
        title = "Agreement of component maps"
        yield StudyFigure("component_agreement", None, title, CAPTION, figure(table))


def figure(table: pd.DataFrame) -> Figure:
    """Draw correlations of maps against the component, a panel per space.

    Parameters
    ----------
    table : tables/component_agreement.tsv
    """
    spaces = list(dict.fromkeys(table["space"]))
    n_components = table["principal_component"].max()
    drawn, axes = plt.subplots(
        *(len(spaces), 1),
        figsize=(max(5.0, 1.5 + 0.45 * n_components), 2.6 * len(spaces)),
        squeeze=False,
        layout="constrained",
    )
    for axis, space in zip(axes[:, 0], spaces, strict=True):
        part = table[table["space"] == space]
        x = part["principal_component"].to_numpy()
        axis.plot(x, part["map_r"], "o", markersize=4, alpha=0.7, color=COLOURS[0])
        others = part.groupby("principal_component")["other_components_r"].mean()
        axis.hlines(others, others.index - 0.3, others.index + 0.3, "black", "dashed", linewidth=1)
        axis.axhline(0, color="black", linewidth=0.6)
        axis.set_xticks(np.arange(1, n_components + 1))
        tidy(axis, "component", "r of two subjects' maps")
        pairs = len(part[["subject", "second_subject"]].drop_duplicates())
        title = (
            f"{part['model'].iloc[0]}, {space}, {pairs} pair{'s' if pairs != 1 else ''} of subjects"
        )
        axis.set_title(f"{title}{simulated_note(table['data'])}", loc="left", fontsize=9)
    return drawn
