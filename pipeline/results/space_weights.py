"""Which feature spaces are of trained networks, as results tell it of what was loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from features.checkpoints import NOTHING_TO_TRAIN, PRETRAINED, UNTRAINED


def weights_state(provenance: Mapping[str, Any], space: str) -> str:
    """Whether a space's network is pretrained, untrained, or has nothing to train."""
    return provenance["weights"][space]["state"]


def weights_in_words(provenance: Mapping[str, Any], spaces: Iterable[str]) -> str:
    """For tables: "pretrained", or which of the spaces are of networks that are not."""
    states = {space: weights_state(provenance, space) for space in spaces}
    named = {
        state: ", ".join(space for space, found in states.items() if found == state)
        for state in (UNTRAINED, NOTHING_TO_TRAIN)
    }
    return "; ".join(f"{state}: {names}" for state, names in named.items() if names) or PRETRAINED


def untrained_spaces(provenance: Mapping[str, Any], spaces: Iterable[str]) -> tuple[str, ...]:
    """Those of untrained networks, in their order."""
    return tuple(space for space in spaces if weights_state(provenance, space) == UNTRAINED)


def weights_labels(provenance: Mapping[str, Any]) -> dict[str, str]:
    """{feature space: its network's weights as they were loaded}."""
    return {space: told["label"] for space, told in provenance["weights"].items()}
