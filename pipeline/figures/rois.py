"""Scores and variance components per region: bars and strips, one point per subject."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from encoding.variance_partitioning import COMPONENT_SEPARATOR, subsets
from pipeline.figures.style import bar_style, shared_style, shown_atlases, subjects, tidy, told

EVERYTHING = "all"
BARS_WIDTH = 0.8
LEAST_WIDTH, INCHES_PER_ROI = 6.5, 1.15
REGIONS_PER_ROW = 9
# between atlases, in widths of a region
GAP = 0.35
Region = tuple[str, str]


@dataclass(frozen=True)
class Series:
    """A model or component in a row of regions.

    Attributes
    ----------
    centre, mean : (region,) where it is drawn, and its mean over subjects
    x, values : (subject and region,) the same of each subject
    width : of a bar, in widths of a region
    """

    name: str
    style: Mapping[str, object]
    width: float
    centre: np.ndarray
    mean: np.ndarray
    x: np.ndarray
    values: np.ndarray

    @classmethod
    def of(
        cls, rows: pd.DataFrame, value: str, place: Mapping[Region, float], **given: object
    ) -> Series:
        """Values from the rows (subject × region) of one model or component."""
        mean = rows.groupby("region")[value].mean()
        centre, x = (np.array([place[r] for r in regions]) for regions in (mean.index, rows.region))
        return cls(centre=centre, mean=mean.to_numpy(), x=x, values=rows[value].to_numpy(), **given)


Draw = Callable[[Axes, Series], None]


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
    """Unique and shared variance of a comparison, signed.

    Parameters
    ----------
    table : tables/partitions.tsv, the rows of one comparison
    spaces : of the comparison
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
    draw: Draw,
) -> Figure:
    """Rows of regions, atlas after atlas, all on one scale; the legend once, above."""
    table = table[table[column].isin(styles)]
    rows = _packed(table)
    widest = max(place[-1] for place in map(_places, rows)) + 1
    figure, axes = plt.subplots(
        *(len(rows), 1),
        figsize=(max(LEAST_WIDTH, INCHES_PER_ROI * widest), 2.8 * len(rows)),
        squeeze=False,
        sharey=True,
    )
    for regions, axis in zip(rows, axes[:, 0], strict=True):
        place = dict(zip(regions, _places(regions), strict=True))
        keys = list(zip(table["atlas"], table["roi"], strict=True))
        part = table.assign(region=keys)
        part = part[part["region"].isin(place)]
        for number, (name, style) in enumerate(styles.items()):
            offset = (number - (len(styles) - 1) / 2) * BARS_WIDTH / len(styles)
            shifted = {region: x + offset for region, x in place.items()}
            given = {"name": name, "style": style, "width": BARS_WIDTH / len(styles)}
            draw(axis, Series.of(part[part[column] == name], value, shifted, **given))
        _label_regions(axis, part, place)
        axis.set_xlim(-0.6, widest - 0.4)
        axis.axhline(0, color="black", linewidth=0.8)
        tidy(axis, "", label)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        fontsize=8,
        frameon=False,
        ncols=min(len(styles), 4),
        loc="lower left",
        bbox_to_anchor=(0.05, 1.0),
        title=f"a point per subject; n: voxels of {subjects(table)}{told(table['data'])}",
        title_fontsize=8,
        alignment="left",
    )
    figure.tight_layout()
    return figure


def _packed(table: pd.DataFrame) -> list[list[Region]]:
    """Regions in rows of at most `REGIONS_PER_ROW`, an atlas never broken."""
    rows: list[list[Region]] = [[]]
    for atlas in shown_atlases(table):
        regions = list(dict.fromkeys(table.loc[table["atlas"] == atlas, "roi"]))
        if rows[-1] and len(rows[-1]) + len(regions) > REGIONS_PER_ROW:
            rows.append([])
        rows[-1] += [(atlas, roi) for roi in regions]
    return rows


def _places(regions: Sequence[Region]) -> list[float]:
    """Where regions are drawn: a gap between atlases."""
    atlases = [atlas for atlas, _ in regions]
    gaps = np.cumsum([0.0, *(GAP * (a != b) for a, b in itertools.pairwise(atlases))])
    return [number + gap for number, gap in enumerate(gaps)]


def _label_regions(axis: Axes, part: pd.DataFrame, place: Mapping[Region, float]) -> None:
    counts = part.groupby(["atlas", "roi", "subject"])["n_voxels"].max()
    names = [f"{roi}\nn = {counts[atlas, roi].sum():,}" for atlas, roi in place]
    axis.set_xticks([*place.values()], names, fontsize=7)
    for atlas, members in itertools.groupby(place, key=lambda region: region[0]):
        text = "all modelled voxels" if atlas == EVERYTHING else atlas
        x = place[next(members)] - 0.5
        axis.text(x, 1.0, text, transform=axis.get_xaxis_transform(), fontsize=8, va="bottom")


def _bars(axis: Axes, series: Series) -> None:
    axis.bar(series.centre, series.mean, series.width, label=series.name, **series.style)
    axis.scatter(series.x, series.values, color="black", s=6, zorder=3, linewidths=0)


def _strips(axis: Axes, series: Series) -> None:
    colour = series.style["facecolor"]
    marker = "o" if series.style["hatch"] is None else "^"
    dots = {"color": colour, "s": 16, "marker": marker, "linewidths": 0}
    axis.scatter(series.x, series.values, label=series.name, **dots)
    half = 0.45 * series.width
    axis.hlines(series.mean, series.centre - half, series.centre + half, color=colour, linewidth=2)
