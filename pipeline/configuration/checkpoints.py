"""Networks as they are to be loaded: with the content of the checkpoints that users give as files.

A checkpoint is an input of what is made of it, by its content: whoever replaces it has features
extracted anew, and none of another content is taken for them.
"""

from __future__ import annotations

from typing import Any

from features.checkpoints import checkpoint_hash, local_weights
from pipeline.configuration.study import Configuration


def network_to_load(study: Configuration, network: str) -> dict[str, Any]:
    """Specification of a network, with the hash of its checkpoint where that is a local path.

    A path that is not there yet has no hash: who loads it tells that it is missing.
    """
    specification = study.network_specification(network)
    try:
        checkpoint = local_weights(specification["weights"])
    except ValueError:
        return specification
    if checkpoint is None:
        return specification
    return {**specification, "checkpoint_sha256": checkpoint_hash(checkpoint)}


def features_to_expect(study: Configuration, space: str) -> dict[str, Any]:
    """What a file of features must say that it is."""
    network = study.feature_spaces[space].network
    return {
        **study.feature_specification(space),
        "extracted_from": network_to_load(study, network),
    }
