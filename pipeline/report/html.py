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
    heads = "".join(
        f'<th scope="col" tabindex="0" title="{html.escape(columns[name], quote=True)}">'
        f"{html.escape(name)}</th>"
        for name in table
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.itertuples(index=False))
    content = f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    return Markup(f'<div class="scroll"><table>{content}</table></div>')


def _cell(value: object) -> str:
    if isinstance(value, str):
        text = html.escape(value, quote=True)
        return f'<td class="text" data-value="{text}">{text}</td>'
    shown = f"{value:.3f}" if isinstance(value, float) else str(value)
    return f'<td data-value="{value}">{"n/a" if shown == "nan" else shown}</td>'


def headed(view: str, title: str, remarks: Sequence[str]) -> str:
    """A viewer's page with a heading: what it shows, and what it must say when opened alone."""
    style = "font-family: system-ui, sans-serif; margin: 0.5rem 1rem"
    lines = [f"<b>{html.escape(title)}</b>", *map(html.escape, remarks)]
    return view.replace("<body>", f'<body><p style="{style}">{"<br>".join(lines)}</p>', 1)
