"""Pieces that pages have in common: banners, tables, links between pages."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.tables.columns import COLUMNS

PAGES = {
    "models": "scores of every model per region, noise ceilings",
    "contrasts": "unique and shared variance, models against each other, tests over subjects",
    "controls": "analyses besides the main contrasts",
    "validation": "what the analyses find where the truth is known",
    "methods": "methods with the parameters that were used, configuration, versions, times",
}
TITLES = {"methods": "Methods and provenance"}


def page_links(subjects: Sequence[str]) -> list[dict[str, str]]:
    """Every page of a report, the first one first."""
    links = [{"file": "index.html", "title": "Overview", "about": ""}]
    links += [
        {"file": f"{subject}.html", "title": subject, "about": "maps in slices and on surfaces"}
        for subject in subjects
    ]
    return links + [
        {"file": f"{name}.html", "title": TITLES.get(name, name.capitalize()), "about": about}
        for name, about in PAGES.items()
    ]


def banners(provenance: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the first figure."""
    texts = []
    if provenance["simulated"]:
        texts.append("Simulated data: no brain was measured. Responses have planted, known truth.")
    if provenance["untrained"]:
        names = ", ".join(provenance["untrained"])
        texts.append(f"Untrained weights: {names}. They say nothing about the trained networks.")
    return texts


def html_table(table: pd.DataFrame, columns: Mapping[str, str] = COLUMNS) -> Markup:
    """A sortable table, its heads explained."""
    texts = {name: _shown(values) for name, values in table.items()}
    heads = "".join(
        f'<th scope="col" tabindex="0"{_kind(table[name])} '
        f'title="{html.escape(columns[name], quote=True)}">{html.escape(name)}</th>'
        for name in table
    )
    # what is sorted by is the value itself, not its rounded text
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


def _shown(values: pd.Series) -> list[str]:
    """Texts of a column: counts whole, other numbers with three digits, missing ones as n/a."""
    if not pd.api.types.is_numeric_dtype(values):
        return ["n/a" if pd.isna(value) else html.escape(str(value)) for value in values]
    known = values.dropna()
    digits = 0 if (known == known.round()).all() else 3
    return ["n/a" if pd.isna(value) else f"{value:.{digits}f}" for value in values]


def headed(view: str, title: str, remarks: Sequence[str]) -> str:
    """A viewer's page with a heading: what it shows, and what it must say when opened alone."""
    style = "font-family: system-ui, sans-serif; margin: 0.5rem 1rem"
    lines = [f"<b>{html.escape(title)}</b>", *map(html.escape, remarks)]
    return view.replace("<body>", f'<body><p style="{style}">{"<br>".join(lines)}</p>', 1)
