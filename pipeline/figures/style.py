"""What the figures of all analyses have in common."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from pipeline.nsd.composite_rois import ATLAS as COMPOSITE
from pipeline.report.figures import COLOURS

LINES = ("-", "--", ":", "-.")


def line_style(number: int) -> dict[str, str]:
    """Colours that colour-blind readers tell apart; beyond them, dashes."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINES[number // len(COLOURS) % len(LINES)],
    }


def shown_rois(table: pd.DataFrame) -> list[tuple[str, str]]:
    """(atlas, roi) of a table that a figure has room for: composites if there are any, else all."""
    rois = list(dict.fromkeys(zip(table["atlas"], table["roi"], strict=True)))
    return [roi for roi in rois if roi[0] == COMPOSITE] or rois


def of_roi(table: pd.DataFrame, roi: tuple[str, str]) -> pd.DataFrame:
    """The rows of one ROI."""
    return table[(table["atlas"] == roi[0]) & (table["roi"] == roi[1])]


def tidy(axis: Axes, x: str, y: str) -> None:
    """Labels, and no frame."""
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.spines[["top", "right"]].set_visible(False)


def subjects(table: pd.DataFrame) -> str:
    """`8 subjects`."""
    n = table["subject"].nunique()
    return f"{n} subject{'s' if n != 1 else ''}"


def told(data: Sequence[str]) -> str:
    """`simulated` where data are."""
    return ", simulated data" if "simulated" in set(data) else ""
