"""Checks of names in the configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def declared(
    key: str, names: Iterable[str], known: Iterable[str], elsewhere: Iterable[str] = ()
) -> None:
    """Raise ValueError, which suggests similar names, unless all names are known."""
    known = list(known)
    for name in names:
        if name not in known:
            every = list(dict.fromkeys([*known, *elsewhere]))
            near = difflib.get_close_matches(name, every, n=3) or known
            hint = f"did you mean {' or '.join(near)}?" if near else "the study has none"
            raise ValueError(f"{key}: unknown name '{name}'; {hint}")


def unique(key: str, names: Sequence[str]) -> None:
    """Raise ValueError if a name is listed twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{key}: {', '.join(twice)} is listed twice")
