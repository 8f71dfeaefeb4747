"""Style of all figures: colours, labels, files."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from encoding.variance_partitioning import COMPONENT_SEPARATOR
from pipeline.configuration.settings import COMPOSITE
from pipeline.figures.palette import COLOURS, colour
from pipeline.results.integrity import atomic_path

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
        "color": colour(number),
        "linestyle": LINES[number // len(COLOURS) % len(LINES)],
    }


def bar_style(number: int) -> BarStyle:
    """Return the fill of a bar; hatching changes once colours are used up."""
    return {
        "facecolor": colour(number),
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
    face = colour(members[0]) if len(members) == 2 else "#BBBBBB"
    return {
        "facecolor": face,
        "hatch": HATCHES[(len(members) - 1) % len(HATCHES)],
        "edgecolor": colour(members[-1]),
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


def component_title(component: str) -> str:
    """Name a component of variance in words: `shared by clip and bert`."""
    spaces = component.split(COMPONENT_SEPARATOR)
    return f"unique to {component}" if len(spaces) == 1 else f"shared by {' and '.join(spaces)}"


def simulated_note(data: Iterable[str]) -> str:
    """Return a note for titles if data are simulated, else nothing."""
    return ", simulated data" if "simulated" in set(data) else ""


def note_untrained(figure: Figure, spaces: Iterable[str]) -> None:
    """Name below a figure those of some feature spaces that it displays, as untrained."""
    texts = [one.get_text() for one in figure.findobj(Text)]
    for axis in figure.axes:
        # labels of ticks are made when they are asked for
        texts += [one.get_text() for one in (*axis.get_xticklabels(), *axis.get_yticklabels())]
    displayed = [
        space
        for space in spaces
        if any(re.search(rf"(?<!\w){re.escape(space)}(?!\w)", text) for text in texts)
    ]
    if displayed:
        note = f"Untrained networks: {', '.join(displayed)}"
        figure.supxlabel(note, x=0.01, ha="left", fontsize=7, color="#444")


def save_figure(figure: Figure, stem: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a figure in the given formats, and close it."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in formats]
    for path, kind in zip(paths, formats, strict=True):
        with atomic_path(path) as temporary:
            _save(figure, temporary, kind, dpi=DPI)
    plt.close(figure)
    return paths


def save_picture(figure: Figure, stem: Path) -> tuple[str, int]:
    """Write a picture of brain maps as PDF and PNG, and close it.

    Returns
    -------
    a smaller PNG, as a data URL for a page, and its width in a browser's pixels (1/96 inch)
    """
    _, path = save_figure(figure, stem, PICTURE_FORMATS)
    buffer = io.BytesIO()
    with Image.open(path) as image:
        width = round(image.width / DPI * 96)
        image.convert("RGB").reduce(SMALLER).save(buffer, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}", width


def _save(figure: Figure, where: Path | io.BytesIO, kind: str, dpi: int) -> None:
    options: dict[str, Any] = {"metadata": NO_DATE[kind]}
    if kind == "png":
        # a tenth larger than by default, in a quarter of the time
        options["pil_kwargs"] = {"compress_level": 3}
    figure.savefig(where, format=kind, dpi=dpi, bbox_inches="tight", **options)
