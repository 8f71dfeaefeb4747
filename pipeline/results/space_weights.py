"""Weights of the networks of feature spaces, as recorded in provenance when they were loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from features.checkpoints import GIVEN, NOTHING_TO_TRAIN, PRETRAINED, UNTRAINED


def weights_in_words(provenance: Mapping[str, Any], spaces: Iterable[str]) -> str:
    """Describe weights for tables: "pretrained", or the spaces whose networks are not."""
    states = {space: weights_label(provenance, space) for space in spaces}
    given = [label for label in states.values() if label.startswith(GIVEN)]
    named = {
        state: ", ".join(space for space, found in states.items() if found == state)
        for state in (UNTRAINED, NOTHING_TO_TRAIN, *given)
    }
    return "; ".join(f"{state}: {names}" for state, names in named.items() if names) or PRETRAINED


def weights_label(provenance: Mapping[str, Any], space: str) -> str:
    """Return the state of a space's weights; of given features the label, with the file's hash."""
    weights = provenance["weights"][space]
    return weights["label"] if weights["state"] == GIVEN else weights["state"]


def weights_labels(
    provenance: Mapping[str, Any], spaces: Iterable[str] | None = None
) -> dict[str, str]:
    """Return {feature space: label of its network's weights}, by default of all spaces."""
    weights = provenance["weights"]
    return {space: weights[space]["label"] for space in (weights if spaces is None else spaces)}


def is_untrained(label: str) -> bool:
    """Test whether a label is of untrained weights."""
    return label.startswith(UNTRAINED)
