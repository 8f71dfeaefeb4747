"""Specifications of networks, with the hashes of files of users: checkpoints, features, texts.

Features depend on the content of these files: if one is replaced, they are extracted again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.checkpoints import checkpoint_hash, local_weights
from features.feature_files import ids_file
from pipeline.configuration.study import Configuration
from pipeline.results.integrity import file_hash


def network_to_load(study: Configuration, network: str) -> dict[str, Any]:
    """Specification of a network, with the hashes of its checkpoint and texts if these are files.

    Features of a file have the file for a checkpoint, and perhaps a file of ids.

    A missing file has no hash; the stage that loads it reports that it is missing.
    """
    specification = study.network_specification(network)
    if (texts := specification.get("texts")) is not None and Path(texts).is_file():
        specification = {**specification, "texts_sha256": file_hash(texts)}
    try:
        checkpoint = local_weights(specification["weights"])
    except ValueError:
        return specification
    if checkpoint is None:
        return specification
    ids = ids_file(specification.get("image_ids", ""))
    of_ids = {"image_ids_sha256": checkpoint_hash(ids)} if ids and ids.is_file() else {}
    return {**specification, "checkpoint_sha256": checkpoint_hash(checkpoint), **of_ids}


def features_to_expect(study: Configuration, space: str) -> dict[str, Any]:
    """Specification that a file of features must record, with the hash of the checkpoint."""
    network = study.feature_spaces[space].network
    return {
        **study.feature_specification(space),
        "extracted_from": network_to_load(study, network),
    }
