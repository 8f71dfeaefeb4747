"""Weights of the networks of feature spaces, as recorded in provenance when they were loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from features.checkpoints import NOTHING_TO_TRAIN, PRETRAINED, UNTRAINED


def weights_state(provenance: Mapping[str, Any], space: str) -> str:
    """Return whether a space's network is pretrained, untrained, or has nothing to train."""
    return provenance["weights"][space]["state"]


def weights_in_words(provenance: Mapping[str, Any], spaces: Iterable[str]) -> str:
    """Describe weights for tables: "pretrained", or the spaces whose networks are not."""
    states = {space: weights_state(provenance, space) for space in spaces}
    named = {
        state: ", ".join(space for space, found in states.items() if found == state)
        for state in (UNTRAINED, NOTHING_TO_TRAIN)
    }
    return "; ".join(f"{state}: {names}" for state, names in named.items() if names) or PRETRAINED


def untrained_spaces(provenance: Mapping[str, Any], spaces: Iterable[str]) -> tuple[str, ...]:
    """Return the spaces of untrained networks, in their order."""
    return tuple(space for space in spaces if weights_state(provenance, space) == UNTRAINED)


def weights_labels(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return {feature space: label of its network's weights}."""
    return {space: weights["label"] for space, weights in provenance["weights"].items()}
