"""Parts that pages have in common: banners, tables, figures."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.figures.style import FORMATS
from pipeline.results.integrity import verify_checksum
from pipeline.results.metadata import read_metadata
from pipeline.tables.columns import COLUMNS

# width of a figure, in points of 1/72 inch; browsers have 96 pixels per inch
SVG_WIDTH = re.compile(rb'width="([0-9.]+)pt"')
PIXELS_PER_POINT = 96 / 72


def banners(provenance: Mapping[str, Any]) -> list[str]:
    """Return warnings for the top of a page: simulated data, untrained networks."""
    texts = []
    if provenance["simulated"]:
        texts.append(
            "Simulated data: no brain was measured. Responses were computed from known feature "
            "spaces with noise added, to check that the analysis finds what was put in."
        )
    if provenance["untrained"]:
        names = ", ".join(provenance["untrained"])
        texts.append(
            f"Untrained weights: {names}. These networks have random weights, so that results say "
            "nothing about the trained networks of that name."
        )
    return texts


def html_table(table: pd.DataFrame, columns: Mapping[str, str] = COLUMNS) -> Markup:
    """Make a sortable table whose column heads display their descriptions."""
    texts = {name: _cell_texts(values) for name, values in table.items()}
    heads = "".join(
        f'<th scope="col" tabindex="0"{_kind(table[name])} '
        f'title="{html.escape(columns[name], quote=True)}">{html.escape(name)}</th>'
        for name in table
    )
    # sorting uses the value itself, not its rounded text
    cells = [
        [
            f'<td{_kind(values)} data-value="{html.escape(str(value), quote=True)}">{text}</td>'
            for value, text in zip(values, texts[name], strict=True)
        ]
        for name, values in table.items()
    ]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))
    content = f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    return Markup(f'<div class="scroll"><table>{content}</table></div>')


def _kind(values: pd.Series) -> str:
    return "" if pd.api.types.is_numeric_dtype(values) else ' class="text"'


def _cell_texts(values: pd.Series) -> list[str]:
    """Texts of a column: integers, other numbers with three digits, n/a for missing values.

    Numbers too small for three digits, such as most p of strong effects, are like 3e-05.
    """
    if not pd.api.types.is_numeric_dtype(values):
        return ["n/a" if pd.isna(value) else html.escape(str(value)) for value in values]
    known = values.dropna()
    digits = 0 if (known == known.round()).all() else 3
    return ["n/a" if pd.isna(value) else _number_text(value, digits) for value in values]


def _number_text(value: float, digits: int) -> str:
    return f"{value:.0e}" if value and not round(value, digits) else f"{value:.{digits}f}"


def read_figures(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the figures of a study for pages, in their order; see `pipeline.figures.study`."""
    index = read_metadata(folder / "index.json")
    for entry in index["figures"]:
        picture = folder / f"{entry['name']}.svg"
        verify_checksum(picture)
        content = picture.read_bytes()
        width = SVG_WIDTH.search(content)
        yield {
            **entry,
            "width": round(float(width[1]) * PIXELS_PER_POINT) if width else 0,
            "image": f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}",
            "files": [
                {"kind": kind.upper(), "path": f"../figures/{entry['name']}.{kind}"}
                for kind in FORMATS
            ],
        }
