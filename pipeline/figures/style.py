"""Style of all figures: colours, labels, files."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

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

# colours of Okabe and Ito, which colour-blind readers can distinguish
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
LINES = ("-", "--", ":", "-.")
HATCHES = (None, "////", "....", "xxxx")
# formats for publications; pages display the first
FORMATS = ("svg", "pdf", "png")
# formats of pictures of brains, which are raster images in a PDF too, except for their labels
PICTURE_FORMATS = ("pdf", "png")
# resolution of files, and the factor by which pictures on pages are smaller
DPI, SMALLER = 300, 2
# atlases with more regions than this are in tables only, not in figures
MOST_ROIS = 12
# without dates and random names, equal figures are equal files
NO_DATE = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": None}
plt.rcParams.update({"svg.hashsalt": "nsd", "pdf.fonttype": 42, "hatch.linewidth": 1.2})


# function from ids (image,) to images (image, row, column, RGB) uint8
Images = Callable[[np.ndarray], np.ndarray]


class LineStyle(TypedDict):
    """Arguments of matplotlib for a line."""

    color: str
    linestyle: str


class BarStyle(TypedDict):
    """Arguments of matplotlib for the fill of a bar."""

    facecolor: str
    hatch: str | None
    edgecolor: str
    linewidth: float


@dataclass(frozen=True)
class StudyFigure:
    """A figure, and its position in the report.

    Attributes
    ----------
    name : name of its files
    page : page of the report, or a subject; None for the page of the figure's analysis
    section : heading on that page; for figures of comparisons, the comparison
    """

    name: str
    page: str | None
    section: str
    caption: str
    figure: Figure


def line_style(number: int) -> LineStyle:
    """Return colour and dashes of a line; dashes change once colours are used up."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINES[number // len(COLOURS) % len(LINES)],
    }


def bar_style(number: int) -> BarStyle:
    """Return the fill of a bar; hatching changes once colours are used up."""
    return {
        "facecolor": COLOURS[number % len(COLOURS)],
        "hatch": HATCHES[number // len(COLOURS) % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0,
    }


def shared_style(members: Sequence[int]) -> BarStyle:
    """Return the fill for variance that several spaces share.

    Two spaces: the first one's colour, hatched in the second one's. Three or more: grey, hatched in
    the last one's colour.
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


def displayed_rois(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the (atlas, roi) of a table to draw: composites if there are any, else all."""
    rois = list(dict.fromkeys(zip(table["atlas"], table["roi"], strict=True)))
    return [roi for roi in rois if roi[0] == COMPOSITE] or rois


def displayed_atlases(table: pd.DataFrame) -> list[str]:
    """Return the atlases with few enough ROIs to draw, in the order of the table."""
    counts = table.drop_duplicates(["atlas", "roi"]).groupby("atlas", sort=False).size()
    return [atlas for atlas, n in counts.items() if n <= MOST_ROIS]


def rows_of_roi(table: pd.DataFrame, roi: tuple[str, str]) -> pd.DataFrame:
    """Return the rows of one ROI."""
    return table[(table["atlas"] == roi[0]) & (table["roi"] == roi[1])]


def label_regions(axis: Axes, table: pd.DataFrame, rois: Sequence[tuple[str, str]]) -> None:
    """Label the positions of regions with their names and numbers of voxels of all subjects."""
    rows = [rows_of_roi(table, roi).drop_duplicates("subject") for roi in rois]
    names = [f"{roi[1]}\nn={part['n_voxels'].sum()}" for roi, part in zip(rois, rows, strict=True)]
    axis.set_xticks(range(len(rois)), names, fontsize=8)


def tidy(axis: Axes, x: str, y: str) -> None:
    """Label both axes and remove the frame at the top and right."""
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.spines[["top", "right"]].set_visible(False)


def subjects(table: pd.DataFrame) -> str:
    """Return the number of subjects in words: `8 subjects`."""
    n = table["subject"].nunique()
    return f"{n} subject{'s' if n != 1 else ''}"


def simulated_note(data: Iterable[str]) -> str:
    """Return a note for titles if data are simulated, else nothing."""
    return ", simulated data" if "simulated" in set(data) else ""


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a figure in the given formats, and close it."""
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
    a smaller PNG, as a data URL for a page
    """
    _, path = save_figure(figure, stem, PICTURE_FORMATS)
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").reduce(SMALLER).save(buffer, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _save(figure: Figure, where: Path | io.BytesIO, kind: str, dpi: int) -> None:
    metadata = NO_DATE[kind]
    figure.savefig(where, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
