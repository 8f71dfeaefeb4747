"""Settings as YAML, each key with its description from the configuration's models."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

WIDTH = 100


def commented(
    values: Mapping[str, Any],
    model: type[BaseModel],
    more: Mapping[str, list[str]] | None = None,
) -> Iterator[str]:
    """Yield the lines of a configuration: sections one below the other, each key described.

    Parameters
    ----------
    model : model of the configuration
    more : further lines of comment for keys
    """
    for key, value in values.items():
        yield from _comment(model, key)
        for line in (more or {}).get(key, []):
            yield from textwrap.wrap(line, WIDTH, initial_indent="#   ", subsequent_indent="#     ")
        section = _section(model, key)
        if isinstance(value, Mapping) and value:
            yield f"{key}:"
            for inside, setting in value.items():
                yield from () if section is None else _comment(section, inside, "  ")
                yield f"  {inside}: {_in_line(setting)}".rstrip()
        else:
            yield f"{key}: {_in_line(value)}"
        yield ""


def _comment(model: type[BaseModel], key: str, indent: str = "") -> Iterator[str]:
    """Yield the first sentence of a key's description as a comment."""
    described = " ".join((model.model_fields[key].description or "").split())
    sentence = re.split(r"(?<=[.]) (?=[A-Z`])", described)[0]
    mark = f"{indent}# "
    yield from textwrap.wrap(sentence, WIDTH, initial_indent=mark, subsequent_indent=mark)


def _section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the model of a section, if a key has one."""
    annotation = model.model_fields[key].annotation
    # an optional section, not names with sections
    kinds = get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _in_line(value: Any) -> str:
    """Write a value on one line; a comparison of the catalogue is its name alone."""
    if value is None:
        return ""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True
    )
    return text.removesuffix("\n...\n").strip()
