"""Attributes in which the feature spaces of a comparison differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# descriptions of the columns that only these tables have
COLUMNS = {
    "attribute": "attribute of networks and features by which the feature spaces of a comparison "
    "can differ",
    "status": "differs: the feature spaces differ in the attribute; the same: they do not; not "
    "stated: a network has no `facts` that say it",
    "values": "value of the attribute for each feature space of the comparison, or not stated",
}

ATTRIBUTES = {
    "family": "architecture",
    "objective": "objective",
    "training_data": "training data",
    "training_images": "training images",
    "language": "supervision by language",
    "stimulus": "stimulus",
    "weights": "weights",
    "dimensions": "dimensions",
}
DIFFERS, SAME, UNKNOWN = "differs", "the same", "not stated"


def confound_rows(
    comparison: str, spaces: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, str]]:
    """Yield one row per attribute of a comparison.

    Parameters
    ----------
    spaces : {feature space: {attribute: value}}, attributes as in `ATTRIBUTES` if stated
    """
    for key, attribute in ATTRIBUTES.items():
        stated = [facts.get(key) for facts in spaces.values()]
        known = [value for value in stated if value is not None]
        alike = SAME if len(known) == len(stated) else UNKNOWN
        status = DIFFERS if len(set(known)) > 1 else alike
        texts = zip(spaces, map(_text, stated), strict=True)
        values = "; ".join(f"{space}: {text}" for space, text in texts)
        yield {"comparison": comparison, "attribute": attribute, "status": status, "values": values}


def summarise(rows: list[dict[str, str]]) -> str:
    """Summarise the rows of one comparison in a sentence."""
    named = {
        status: ", ".join(row["attribute"] for row in rows if row["status"] == status)
        for status in (DIFFERS, SAME, UNKNOWN)
    }
    summary = "; ".join(f"{status}: {names}" for status, names in named.items() if names)
    return f"{rows[0]['comparison']}: {summary}"


def _text(value: object) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
