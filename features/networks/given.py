"""Features that were computed elsewhere and are read from a file: no network is run.

They go the way of all features: the "network" takes ids of images, its layers are the arrays of the
file, and its weights are the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from features.checkpoints import GIVEN, checkpoint_hash
from features.feature_files import FeatureFile, ids_file, open_features
from features.layers import Layer
from features.networks.base import Network
from features.networks.weights import PATH

WEIGHTS, TAGGED = (PATH,), ()


def architectures() -> list[str]:
    """List the names of architectures."""
    return ["given"]


def ids_hash(specification: Mapping[str, Any]) -> str | None:
    """SHA-256 of a separate file of ids; None if they are inside the file of features."""
    path = ids_file(specification.get("image_ids", ""))
    return checkpoint_hash(path) if path is not None and path.exists() else None


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for a file that cannot be read, or whose ids are none."""
    if len(open_features(specification).ids) == 0:
        raise ValueError(f"{specification['weights']}: has no images")
    requested = specification.get("image_ids_sha256")
    if requested not in (None, ids_hash(specification)):
        raise ValueError(
            f"{specification['image_ids']} was replaced since this run began. Run snakemake again"
        )


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`; stimuli are ids of images."""
    file, digest = open_features(specification), ids_hash(specification)
    inside = f", sha256 {digest[:12]}" if digest else ""
    return GivenFeatures(
        name="given",
        module=torch.nn.Identity(),
        device=torch.device("cpu"),
        preprocess=lambda ids: {"id": torch.tensor(np.asarray(ids, np.int64))},
        forward=lambda inputs: _Rows(file, inputs["id"].numpy()),
        outputs=tuple(file.arrays),
        preprocessing=f"rows by {specification['stimulus']}, of {file.image_ids}{inside}",
        file=file,
    )


@dataclass(kw_only=True)
class GivenFeatures(Network):
    """The arrays of a file as the layers of a network.

    Attributes
    ----------
    file : file that has them
    """

    file: FeatureFile

    @property
    def known_stimuli(self) -> np.ndarray:
        """Ids of the images in the file."""
        return self.file.ids

    @property
    def weights_state(self) -> str:
        """State of the weights: nobody knows what the features were made with."""
        return GIVEN

    def weights_hash(self) -> str:
        """SHA-256 of the file."""
        return checkpoint_hash(self.file.path)

    def expand(self, layers: Iterable[Layer]) -> list[Layer]:
        """Return the arrays that match names and patterns, each once.

        Raises
        ------
        ValueError
            The file has no such array, or one that is no matrix with a row for each id.
        """
        return [Layer(name) for name in self.file.matching(layers)]

    def width(self, layer: Layer) -> int:
        """Return the number of features of an array."""
        return self.file.arrays[layer.name].shape[1]

    def describe(self, output: str) -> str:
        """Describe an array by its shape and type."""
        return str(self.file.arrays[output])


class _Rows(Mapping[str, torch.Tensor]):
    """Rows of the arrays of a file, read when they are asked for."""

    def __init__(self, file: FeatureFile, ids: np.ndarray) -> None:
        self.file, self.ids = file, ids

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.file.read(name, self.ids))

    def __contains__(self, name: object) -> bool:
        return name in self.file.arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.file.arrays)

    def __len__(self) -> int:
        return len(self.file.arrays)
