"""What differs between the sides of a comparison beside what it is meant to compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# what columns mean that other tables do not have
COLUMNS = {
    "attribute": "what may tell the feature spaces of a comparison apart",
    "status": "differs between the spaces, held, or not stated (of a network without `facts`)",
    "values": "what the attribute is of each space",
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
DIFFERS, HELD, UNKNOWN = "differs", "held", "not stated"


def confound_rows(
    comparison: str, spaces: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, str]]:
    """One row per attribute of a comparison.

    Parameters
    ----------
    spaces : {feature space: its attributes}, keys of `ATTRIBUTES`; what nobody stated is missing
    """
    for key, attribute in ATTRIBUTES.items():
        stated = [facts.get(key) for facts in spaces.values()]
        known = [value for value in stated if value is not None]
        alike = HELD if len(known) == len(stated) else UNKNOWN
        status = DIFFERS if len(set(known)) > 1 else alike
        sides = zip(spaces, map(_say, stated), strict=True)
        values = "; ".join(f"{space}: {value}" for space, value in sides)
        yield {"comparison": comparison, "attribute": attribute, "status": status, "values": values}


def summarise(rows: list[dict[str, str]]) -> str:
    """The rows of one comparison as a sentence."""
    named = {
        status: ", ".join(row["attribute"] for row in rows if row["status"] == status)
        for status in (DIFFERS, HELD, UNKNOWN)
    }
    told = "; ".join(f"{status}: {names}" for status, names in named.items() if names)
    return f"{rows[0]['comparison']}: {told}"


def _say(value: object) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
