"""Colours of feature spaces and labels, in figures, maps and pages alike."""

from __future__ import annotations

from collections.abc import Sequence

# Colours of Okabe and Ito, which colour-blind readers can distinguish, then darker and lighter ones
# of Tol: no sixteen colours can all be told apart by everybody.
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#332288"),
    *("#882255", "#999933", "#117733", "#DDCC77", "#661100", "#88CCEE", "#888888", "#000000"),
)


def colour(number: int) -> str:
    """Return the colour of a feature space or label, numbered from 0; colours repeat after 16."""
    return COLOURS[number % len(COLOURS)]


def space_colours(spaces: Sequence[str]) -> dict[str, str]:
    """{feature space: its colour} everywhere in a study; `spaces` is `Study.coloured_spaces`."""
    return {space: colour(number) for number, space in enumerate(spaces)}
