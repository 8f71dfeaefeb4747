"""Scores and variance components per region, with one point per subject."""

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
from pipeline.figures.colours import colour_numbers
from pipeline.figures.style import (
    BarStyle,
    bar_style,
    component_title,
    displayed_atlases,
    shared_style,
    simulated_note,
    subjects,
    tidy,
)

EVERYTHING = "all"
BOUND = "highest value that noise permits"
BARS_WIDTH = 0.8
# explainable voxels of a region for their mean to be displayed
MIN_EXPLAINABLE = 10
LEAST_WIDTH, INCHES_PER_ROI = 6.5, 1.15
REGIONS_PER_ROW = 9
# gap between atlases, in widths of a region
GAP = 0.35
Region = tuple[str, str]


@dataclass(frozen=True)
class Series:
    """A model or component in a row of regions.

    Attributes
    ----------
    width : width of a bar, in widths of a region
    centre, mean : (region,) position of the bar, and mean over subjects
    x, values : (subject and region,) position and value of each subject's point
    """

    name: str
    style: BarStyle
    width: float
    centre: np.ndarray
    mean: np.ndarray
    x: np.ndarray
    values: np.ndarray

    @classmethod
    def of(
        cls,
        name: str,
        style: BarStyle,
        width: float,
        rows: pd.DataFrame,
        value: str,
        position: Mapping[Region, float],
    ) -> Series:
        """Take values from the rows (subject × region) of one model or component."""
        mean = rows.groupby("region")[value].mean()
        centre, x = (np.array([position[r] for r in keys]) for keys in (mean.index, rows.region))
        return cls(name, style, width, centre, mean.to_numpy(), x, rows[value].to_numpy())


Draw = Callable[[Axes, Series], None]


def model_bars(
    table: pd.DataFrame,
    models: Sequence[str],
    spaces: Sequence[str],
    value: str = "mean_r",
    label: str = "mean test r",
) -> Figure:
    """Draw a bar per model, a row of regions per atlas.

    Parameters
    ----------
    table : tables/correlations.tsv
    models : models in the order of the bars
    spaces : all feature spaces of the study, in the order of colours
    """
    styles = _bar_styles(models, spaces)
    bound = table.groupby(["atlas", "roi"])["mean_correlation_ceiling"].mean().to_dict()
    return _rows(table, "model", styles, value, label, _bars, mean_ceilings(table), bound)


def model_strips(
    table: pd.DataFrame, models: Sequence[str], spaces: Sequence[str], value: str, label: str
) -> Figure:
    """Draw a point per subject and model, and a dash for the mean; otherwise as `model_bars`.

    The scores are of explainable voxels: n counts these, and regions with few of them are left out.
    """
    styles = _bar_styles(models, spaces)
    enough = table["n_explainable"] >= MIN_EXPLAINABLE
    table = table[enough] if enough.any() else table
    table = table.assign(n_voxels=table["n_explainable"])
    perfect = {region: 1.0 for region in mean_ceilings(table)}
    return _rows(table, "model", styles, value, label, _strips, {}, perfect)


def component_bars(
    table: pd.DataFrame,
    compared: Sequence[str],
    spaces: Sequence[str],
    ceilings: Mapping[Region, float],
) -> Figure:
    """Draw unique and shared variance of a comparison, which can be negative.

    Parameters
    ----------
    table : tables/partitions.tsv, the rows of one comparison
    compared : feature spaces of the comparison
    spaces : all feature spaces of the study, in the order of colours
    ceilings : {region: mean noise ceiling}
    """
    numbers = colour_numbers(compared, spaces)
    styles = {
        component_title(COMPONENT_SEPARATOR.join(subset)): shared_style(
            [numbers[s] for s in subset]
        )
        for subset in subsets(compared)
    }
    titled = table.assign(component=table["component"].map(component_title))
    label = "mean variance (test R²)"
    return _rows(titled, "component", styles, "mean_variance", label, _bars, ceilings)


def unique_bars(
    table: pd.DataFrame,
    compared: Sequence[str],
    spaces: Sequence[str],
    ceilings: Mapping[Region, float],
) -> Figure:
    """Draw unique variance as points per subject; otherwise as `component_bars`."""
    styles = _bar_styles(compared, spaces)
    label = "mean unique variance (test R²)"
    return _rows(table, "component", styles, "mean_variance", label, _strips, ceilings)


def mean_ceilings(correlations: pd.DataFrame) -> dict[Region, float]:
    """{region: mean noise ceiling of its voxels} over the rows of tables/correlations.tsv."""
    return correlations.groupby(["atlas", "roi"])["mean_ceiling"].mean().to_dict()


def _bar_styles(names: Sequence[str], spaces: Sequence[str]) -> dict[str, BarStyle]:
    return {name: bar_style(number) for name, number in colour_numbers(names, spaces).items()}


def _rows(
    table: pd.DataFrame,
    column: str,
    styles: Mapping[str, BarStyle],
    value: str,
    label: str,
    draw: Draw,
    ceilings: Mapping[Region, float],
    bound: Mapping[Region, float] | None = None,
) -> Figure:
    """Draw rows of regions, atlas after atlas, all on one scale, with one legend above.

    Parameters
    ----------
    ceilings : mean noise ceiling of each region, written below it; of no region if it is that of
        other voxels
    bound : highest value to expect in each region, drawn as a line if it is given
    """
    table = table[table[column].isin(styles)]
    rows = _packed(table)
    widest = max(found[-1] for found in map(_positions, rows)) + 1
    figure, axes = plt.subplots(
        *(len(rows), 1),
        figsize=(max(LEAST_WIDTH, INCHES_PER_ROI * widest), 2.8 * len(rows)),
        squeeze=False,
        sharey=True,
    )
    for regions, axis in zip(rows, axes[:, 0], strict=True):
        position = dict(zip(regions, _positions(regions), strict=True))
        keys = list(zip(table["atlas"], table["roi"], strict=True))
        part = table.assign(region=keys)
        part = part[part["region"].isin(position)]
        for number, (name, style) in enumerate(styles.items()):
            offset = (number - (len(styles) - 1) / 2) * BARS_WIDTH / len(styles)
            shifted = {region: x + offset for region, x in position.items()}
            rows_of_name = part[part[column] == name]
            width = BARS_WIDTH / len(styles)
            draw(axis, Series.of(name, style, width, rows_of_name, value, shifted))
        if bound is not None:
            _draw_bounds(axis, position, bound)
        _label_regions(axis, part, position, ceilings)
        axis.set_xlim(-0.6, widest - 0.4)
        axis.axhline(0, color="black", linewidth=0.8)
        tidy(axis, "", label)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        fontsize=8,
        frameon=False,
        ncols=min(len(styles) + (bound is not None), 4),
        loc="lower left",
        bbox_to_anchor=(0.05, 1.0),
        title="a point per subject; n: number of voxels; ceiling: mean noise ceiling (R²) of "
        f"{subjects(table)}{simulated_note(table['data'])}",
        title_fontsize=8,
        alignment="left",
    )
    figure.tight_layout()
    return figure


def _draw_bounds(
    axis: Axes, position: Mapping[Region, float], bound: Mapping[Region, float]
) -> None:
    half = BARS_WIDTH / 2 + 0.05
    values = [bound[region] for region in position]
    lefts, rights = ([x + end for x in position.values()] for end in (-half, half))
    axis.hlines(values, lefts, rights, color="#555555", linestyle="--", label=BOUND)


def _packed(table: pd.DataFrame) -> list[list[Region]]:
    """Distribute regions over rows of at most `REGIONS_PER_ROW`, without splitting an atlas."""
    rows: list[list[Region]] = [[]]
    for atlas in displayed_atlases(table):
        regions = list(dict.fromkeys(table.loc[table["atlas"] == atlas, "roi"]))
        if rows[-1] and len(rows[-1]) + len(regions) > REGIONS_PER_ROW:
            rows.append([])
        rows[-1] += [(atlas, roi) for roi in regions]
    return rows


def _positions(regions: Sequence[Region]) -> list[float]:
    """Positions of regions, with a gap between atlases."""
    atlases = [atlas for atlas, _ in regions]
    gaps = np.cumsum([0.0, *(GAP * (a != b) for a, b in itertools.pairwise(atlases))])
    return [number + gap for number, gap in enumerate(gaps)]


def _label_regions(
    axis: Axes,
    part: pd.DataFrame,
    position: Mapping[Region, float],
    ceilings: Mapping[Region, float],
) -> None:
    counts = part.groupby(["atlas", "roi", "subject"])["n_voxels"].max()
    names = [
        f"{atlas_roi[1]}\nn = {counts[atlas_roi].sum():,}"
        + (f"\nceiling {ceilings[atlas_roi]:.2f}" if atlas_roi in ceilings else "")
        for atlas_roi in position
    ]
    axis.set_xticks([*position.values()], names, fontsize=7)
    for atlas, members in itertools.groupby(position, key=lambda region: region[0]):
        text = "all modelled voxels" if atlas == EVERYTHING else atlas
        x = position[next(members)] - 0.5
        axis.text(x, 1.0, text, transform=axis.get_xaxis_transform(), fontsize=8, va="bottom")


def _bars(axis: Axes, series: Series) -> None:
    axis.bar(series.centre, series.mean, series.width, label=series.name, **series.style)
    axis.scatter(series.x, series.values, color="black", s=6, zorder=3, linewidths=0)


def _strips(axis: Axes, series: Series) -> None:
    colour = series.style["facecolor"]
    marker = "o" if series.style["hatch"] is None else "^"
    axis.scatter(
        *(series.x, series.values, 16, colour), marker=marker, label=series.name, linewidths=0
    )
    half = 0.45 * series.width
    axis.hlines(series.mean, series.centre - half, series.centre + half, color=colour, linewidth=2)
