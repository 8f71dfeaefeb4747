"""Colours of brain maps: one scale per quantity, and two scales at once for comparisons."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_hex

from pipeline.figures.palette import COLOURS

SIGNED_MAP = "RdBu_r"
TICK_STEP = 0.05
PERCENTILE = 99.5
# for pairs: where both quantities are low, and where both are high
NEITHER, BOTH = "#F2F2F2", "#2B1633"
# of the first and the second quantity alone, if they are not feature spaces with colours
ENDS = (COLOURS[0], COLOURS[1])
# outlines on maps: none is a colour of a scale, so that it is neither lost nor read as a value
OUTLINE_COLOURS = (
    *("#000000", "#009E73", "#F0E442", "#CC79A7"),
    *("#8C510A", "#7FE000", "#7F7F7F"),
)
# number of shades of each of the two scales
STEPS = 8


def colour_numbers(names: Iterable[str], spaces: Sequence[str]) -> dict[str, int]:
    """{name: number of its colour}, so that a feature space has one colour in all figures.

    Parameters
    ----------
    names : feature spaces or others, in the order of a figure
    spaces : all feature spaces of the study
    """
    # others have colours that no feature space has in any figure
    free = itertools.count(len(spaces))
    return {name: spaces.index(name) if name in spaces else next(free) for name in names}


def colour_limit(values: np.ndarray) -> float:
    """Compute the end of a signed colour scale: the 99.5th percentile of |value|, rounded up."""
    known = values[np.isfinite(values)]
    top = float(np.percentile(np.abs(known), PERCENTILE)) if len(known) else TICK_STEP
    # rounding errors must neither add a step nor appear in labels
    return round(max(float(np.ceil(round(top / TICK_STEP, 6))), 1.0) * TICK_STEP, 6)


def pair_colours(first: np.ndarray, second: np.ndarray, ends: tuple[str, str] = ENDS) -> np.ndarray:
    """Mix colours between four corners, for two quantities divided by their limit.

    Parameters
    ----------
    first, second : (value,); clipped to 0 to 1
    ends : colours of the first and of the second alone

    Returns
    -------
    (value, 3) red, green and blue from 0 to 1
    """
    a, b = (np.clip(values, 0, 1)[:, None] for values in (first, second))
    neither, only_first, only_second, both = (_rgb(colour) for colour in corners(ends))
    return (
        (1 - a) * (1 - b) * neither + a * (1 - b) * only_first + (1 - a) * b * only_second
    ) + a * b * both


def corners(ends: tuple[str, str] = ENDS) -> tuple[str, str, str, str]:
    """Return the colours of neither, the first alone, the second alone, and both."""
    return NEITHER, *ends, BOTH


def pair_index(first: np.ndarray, second: np.ndarray, limit: float) -> np.ndarray:
    """Combine two values into the index of a colour of `pair_colour_map`.

    Parameters
    ----------
    first, second : any shape, NaN where unknown
    limit : end of both scales

    Returns
    -------
    index from 1; 0 where one of the values is unknown
    """
    known = np.isfinite(first) & np.isfinite(second)
    shades = [
        np.clip(np.floor(np.nan_to_num(values) / limit * STEPS), 0, STEPS - 1).astype(np.int64)
        for values in (first, second)
    ]
    return np.where(known, 1 + shades[0] * STEPS + shades[1], 0)


def pair_colour_map(ends: tuple[str, str] = ENDS) -> ListedColormap:
    """Return the colours that `pair_index` refers to; 0 is transparent."""
    steps = np.arange(STEPS) / (STEPS - 1)
    grid = np.meshgrid(steps, steps, indexing="ij")
    colours = pair_colours(grid[0].ravel(), grid[1].ravel(), ends)
    opaque = np.column_stack([colours, np.ones(len(colours))])
    return ListedColormap([(0, 0, 0, 0), *map(tuple, opaque)], name="pair")


def outline_colours(names: Mapping[int, str]) -> dict[int, str]:
    """{label: colour} of the outlines of regions; all black if there are too many."""
    if len(names) > len(OUTLINE_COLOURS):
        return dict.fromkeys(names, OUTLINE_COLOURS[0])
    return dict(zip(names, OUTLINE_COLOURS, strict=False))


def sequence_colours(n: int) -> list[str]:
    """Return n colours in an order, such as for the layers of a network."""
    return [to_hex(colour) for colour in plt.get_cmap("viridis")(np.linspace(0, 1, n))]


def line_colours(n: int) -> list[str]:
    """Return n colours of lines that are not of feature spaces: without yellow, faint on white."""
    return sequence_colours(n + 1)[:n]


def draw_pair_legend(
    axis: Axes, names: tuple[str, str], limit: float, ends: tuple[str, str] = ENDS
) -> None:
    """Draw the two-dimensional colour scale as a square."""
    steps = np.linspace(0, 1, 64)
    first, second = np.meshgrid(steps, steps, indexing="xy")
    picture = pair_colours(first.ravel(), second.ravel(), ends).reshape(64, 64, 3)
    axis.imshow(picture, origin="lower", extent=(0, limit, 0, limit))
    axis.yaxis.tick_right()
    axis.yaxis.set_label_position("right")
    axis.set_xlabel(names[0], fontsize=8)
    axis.set_ylabel(names[1], fontsize=8)
    axis.set_xticks([0, limit], ["≤ 0", f"≥ {limit:g}"], fontsize=7)
    axis.set_yticks([0, limit], ["≤ 0", f"≥ {limit:g}"], fontsize=7)


def colour_tables() -> Mapping[str, object]:
    """Return the colours that an interactive page uses: red, green, blue from 0 to 255."""
    signed = plt.get_cmap(SIGNED_MAP)(np.linspace(0, 1, 256))[:, :3]
    return {"signed": np.rint(255 * signed).astype(int).tolist(), "both": whole_rgb(BOTH)}


def whole_rgb(colour: str) -> list[int]:
    """Return red, green and blue of `#RRGGBB` from 0 to 255."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _rgb(colour: str) -> np.ndarray:
    return np.array(whole_rgb(colour)) / 255
