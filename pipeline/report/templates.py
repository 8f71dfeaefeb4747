"""The pages' templates."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

TEMPLATES = Path(__file__).parent


def render(name: str, **values: object) -> str:
    """A page's text from its template; values are escaped."""
    return (
        Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
        .get_template(name)
        .render(**values)
    )
