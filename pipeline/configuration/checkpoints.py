"""Specifications of networks, with the hashes of checkpoints that users give as files.

Features depend on the content of their checkpoint: if it is replaced, they are extracted again.
"""

from __future__ import annotations

from typing import Any

from features.checkpoints import checkpoint_hash, local_weights
from pipeline.configuration.study import Configuration


def network_to_load(study: Configuration, network: str) -> dict[str, Any]:
    """Specification of a network, with the hash of its checkpoint if that is a local path.

    A missing file has no hash; the stage that loads it reports that it is missing.
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
    """Specification that a file of features must record, with the hash of the checkpoint."""
    network = study.feature_spaces[space].network
    return {
        **study.feature_specification(space),
        "extracted_from": network_to_load(study, network),
    }
