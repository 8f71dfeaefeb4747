"""What all figures have in common: colours, labels, files."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from pipeline.configuration.settings import COMPOSITE
from pipeline.results.integrity import atomic_path

# Okabe and Ito's colours, told apart by colour-blind readers
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
LINES = ("-", "--", ":", "-.")
HATCHES = (None, "////", "....", "xxxx")
# of publications; the first is what pages show
FORMATS = ("svg", "pdf", "png")
# of pictures of brains, which are raster in a PDF too: only their labels are lines
PICTURE_FORMATS = ("pdf", "png")
# of files, and how many times fewer dots pages show of a picture
DPI, SMALLER = 300, 2
# atlases of more regions than this have a table, but no room in a figure
MOST_ROIS = 12
# without dates and random names, equal figures are equal files
NO_DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": None}
plt.rcParams.update({"svg.hashsalt": "nsd", "pdf.fonttype": 42, "hatch.linewidth": 1.2})


# (image, row, column, RGB) uint8 of ids (image,)
Images = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class StudyFigure:
    """A figure, and where it belongs.

    Attributes
    ----------
    name : of its files
    page : of the report: models, comparisons, controls, validation, or a subject's
    section : heading on that page; the comparison, of figures of comparisons
    """

    name: str
    page: str
    section: str
    caption: str
    figure: Figure


def line_style(number: int) -> dict[str, str]:
    """Colours that colour-blind readers tell apart; beyond them, dashes."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINES[number // len(COLOURS) % len(LINES)],
    }


def bar_style(number: int) -> dict[str, object]:
    """A fill that no other number has: beyond the colours, hatched."""
    return {
        "facecolor": COLOURS[number % len(COLOURS)],
        "hatch": HATCHES[number // len(COLOURS) % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0,
    }


def shared_style(members: Sequence[int]) -> dict[str, object]:
    """A fill for what several numbers share: the first's colour, hatched in the second's.

    What three or more share is grey, hatched in the last one's colour.
    """
    if len(members) == 1:
        return bar_style(members[0])
    face = COLOURS[members[0]] if len(members) == 2 else "#BBBBBB"
    return {
        "facecolor": face,
        "hatch": HATCHES[(len(members) - 1) % len(HATCHES)],
        "edgecolor": COLOURS[members[-1]],
        "linewidth": 0,
    }


def shown_rois(table: pd.DataFrame) -> list[tuple[str, str]]:
    """(atlas, roi) of a table that a figure has room for: composites if there are any, else all."""
    rois = list(dict.fromkeys(zip(table["atlas"], table["roi"], strict=True)))
    return [roi for roi in rois if roi[0] == COMPOSITE] or rois


def shown_atlases(table: pd.DataFrame) -> list[str]:
    """Atlases of few enough ROIs, those of single regions before the composites."""
    counts = table.drop_duplicates(["atlas", "roi"]).groupby("atlas", sort=False).size()
    return [atlas for atlas, n in counts.items() if n <= MOST_ROIS]


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


def told(data: Iterable[str]) -> str:
    """`simulated` where data are."""
    return ", simulated data" if "simulated" in set(data) else ""


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a figure in those formats, and close it."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in formats]
    for path, kind in zip(paths, formats, strict=True):
        with atomic_path(path) as temporary:
            _save(figure, temporary, kind, dpi=DPI)
    plt.close(figure)
    return paths


def save_picture(figure: Figure, stem: Path) -> str:
    """Write a picture of brain maps as PDF and PNG, and close it.

    Returns
    -------
    a smaller PNG, as text that a page can hold
    """
    _, path = save_figure(figure, stem, PICTURE_FORMATS)
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").reduce(SMALLER).save(buffer, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _save(figure: Figure, where: Path | io.BytesIO, kind: str, dpi: int) -> None:
    metadata = NO_DATE[kind]
    figure.savefig(where, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
