"""Templates of the pages."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

TEMPLATES = Path(__file__).parent


def render(name: str, **values: object) -> str:
    """Fill in the template of a page; values are escaped."""
    return (
        Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
        .get_template(name)
        .render(**values)
    )
