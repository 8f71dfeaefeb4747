"""Names of layers, and patterns that stand for several."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """Output that is taken from a network.

    Attributes
    ----------
    name : an output ("embedding", "last_hidden_state", …), a name of the field ("fc7"), the path of
        a module, or a pattern that stands for several of them ("layer*", "block_*")
    pooling : "mean" over positions (of a text: over its tokens without padding), "cls" (the first
        token), "last" (a text's last token; padding is no token, whichever side it is on),
        "adaptive-N" (averages over the finest square grid with at most N features), None
        (flattened). "mean-channels-last", "adaptive-N-channels-first" name the axis of the channels
        if the shape does not determine it
    """

    name: str
    pooling: str | None = None

    def __str__(self) -> str:
        """Text that `parse` reads: "name", or "name:pooling"."""
        return self.name if self.pooling is None else f"{self.name}:{self.pooling}"

    @classmethod
    def parse(cls, text: str) -> Layer:
        """Parse "fc7", or with a pooling "block_3:cls"."""
        name, _, pooling = text.partition(":")
        return cls(name, pooling or None)

    def matching(self, known: Iterable[Layer]) -> list[Layer]:
        """Select those of `known` that this layer, or the pattern in its name, stands for.

        A star stands for any part of a path between two dots. The order is that of `known`.
        """
        pattern = re.compile(re.escape(self.name).replace(r"\*", "[^.]*").replace(r"\?", "[^.]"))
        same = [layer for layer in dict.fromkeys(known) if layer.pooling == self.pooling]
        return [layer for layer in same if pattern.fullmatch(layer.name)]


def nearest(name: str, known: Iterable[str]) -> str:
    """Near names in words, for messages."""
    known = list(known)
    lowered = {entry.lower(): entry for entry in reversed(known)}
    near = difflib.get_close_matches(name.lower(), lowered, n=5, cutoff=0.4)
    return f"Near names: {', '.join(lowered[entry] for entry in near) or ', '.join(known[:10])}"
