"""Scores and variance components per region: bars and strips, one point per subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from encoding.partition import COMPONENT_SEPARATOR, subsets
from pipeline.figures.style import bar_style, shared_style, shown_atlases, subjects, tidy, told

EVERYTHING = "all"
BARS_WIDTH = 0.8
LEAST_WIDTH, INCHES_PER_ROI = 6.5, 1.3


def model_bars(
    table: pd.DataFrame, models: Sequence[str], value: str = "mean_r", label: str = "mean test r"
) -> Figure:
    """A bar per model, a row of regions per atlas.

    Parameters
    ----------
    table : tables/correlations.tsv
    models : in the order of the bars
    """
    styles = {model: bar_style(number) for number, model in enumerate(models)}
    return _rows(table, "model", styles, value, label, _bars)


def model_strips(table: pd.DataFrame, models: Sequence[str], value: str, label: str) -> Figure:
    """A point per subject and model, a dash for their mean; as `model_bars` else."""
    styles = {model: bar_style(number) for number, model in enumerate(models)}
    return _rows(table, "model", styles, value, label, _strips)


def component_bars(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Unique and shared variance of a contrast, signed.

    Parameters
    ----------
    table : tables/partitions.tsv, the rows of one contrast
    spaces : of the contrast
    """
    numbers = {space: number for number, space in enumerate(spaces)}
    styles = {
        COMPONENT_SEPARATOR.join(subset): shared_style([numbers[space] for space in subset])
        for subset in subsets(spaces)
    }
    return _rows(table, "component", styles, "mean_variance", "mean variance (test R²)", _bars)


def unique_bars(table: pd.DataFrame, spaces: Sequence[str]) -> Figure:
    """Unique variance alone, as `component_bars` else."""
    styles = {space: bar_style(number) for number, space in enumerate(spaces)}
    label = "mean unique variance (test R²)"
    return _rows(table, "component", styles, "mean_variance", label, _strips)


def _rows(
    table: pd.DataFrame,
    column: str,
    styles: Mapping[str, Mapping[str, object]],
    value: str,
    label: str,
    draw: object,
) -> Figure:
    """One row of regions per atlas, all on one scale; the legend once, above."""
    table = table[table[column].isin(styles)]
    atlases = shown_atlases(table)
    rows = [[atlas] for atlas in atlases]
    if atlases[0] == EVERYTHING and len(rows) > 1:
        # a row of one region would be a waste: all modelled voxels stand with the first atlas
        rows = [[*rows[0], *rows[1]], *rows[2:]]
    widest = max(table[table["atlas"].isin(row)].groupby(["atlas", "roi"]).ngroups for row in rows)
    width = max(LEAST_WIDTH, INCHES_PER_ROI * widest)
    figure, axes = plt.subplots(
        *(len(rows), 1), figsize=(width, 2.7 * len(rows)), squeeze=False, sharey=True
    )
    for row, axis in zip(rows, axes[:, 0], strict=True):
        part = table[table["atlas"].isin(row)]
        draw(axis, part, column, styles, value)
        _label_regions(axis, part, widest)
        axis.axhline(0, color="black", linewidth=0.8)
        tidy(axis, "", label)
        named = " and ".join("all modelled voxels" if name == EVERYTHING else name for name in row)
        axis.set_title(named, loc="left", fontsize=9)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        fontsize=8,
        frameon=False,
        ncols=min(len(styles), 4),
        loc="lower left",
        bbox_to_anchor=(0.05, 1.0),
        title=f"a point per subject; {subjects(table)}{told(table['data'])}",
        title_fontsize=8,
        alignment="left",
    )
    figure.tight_layout()
    return figure


def _regions(part: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(part["roi"]))


def _label_regions(axis: Axes, part: pd.DataFrame, widest: int) -> None:
    regions = _regions(part)
    counts = part.groupby(["roi", "subject"])["n_voxels"].max().groupby("roi").sum()
    names = [f"{region}\nn = {counts[region]:,} voxels" for region in regions]
    axis.set_xticks(range(len(regions)), names, fontsize=7)
    axis.set_xlim(-0.55, widest - 0.45)


def _places(number: int, n_names: int, n_regions: int) -> np.ndarray:
    width = BARS_WIDTH / n_names
    return np.arange(n_regions) + (number - (n_names - 1) / 2) * width


def _bars(
    axis: Axes,
    part: pd.DataFrame,
    column: str,
    styles: Mapping[str, Mapping[str, object]],
    value: str,
) -> None:
    regions = _regions(part)
    for number, (name, style) in enumerate(styles.items()):
        rows = part[part[column] == name]
        x = _places(number, len(styles), len(regions))
        means = rows.groupby("roi")[value].mean().reindex(regions)
        axis.bar(x, means, BARS_WIDTH / len(styles), label=name, **style)
        _points(axis, rows, regions, x, value, {"color": "black", "s": 6})


def _strips(
    axis: Axes,
    part: pd.DataFrame,
    column: str,
    styles: Mapping[str, Mapping[str, object]],
    value: str,
) -> None:
    regions = _regions(part)
    for number, (name, style) in enumerate(styles.items()):
        rows = part[part[column] == name]
        x = _places(number, len(styles), len(regions))
        colour = style["facecolor"]
        _points(axis, rows, regions, x, value, {"color": colour, "s": 16, "label": name})
        means = rows.groupby("roi")[value].mean().reindex(regions)
        half = 0.45 * BARS_WIDTH / len(styles)
        axis.hlines(means, x - half, x + half, color=colour, linewidth=2)


def _points(
    axis: Axes,
    rows: pd.DataFrame,
    regions: Sequence[str],
    x: np.ndarray,
    value: str,
    how: Mapping[str, object],
) -> None:
    place = dict(zip(regions, x, strict=True))
    axis.scatter([place[roi] for roi in rows["roi"]], rows[value], zorder=3, linewidths=0, **how)
