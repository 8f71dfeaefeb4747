"""Networks by name: a small table of libraries behind one class.

Each network brings its own preprocessing; what it computes is what its library computes. Weights
are pretrained (through the library's own loader), a local checkpoint, or untrained with a seed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from features.checkpoints import checkpoint_hash, local_weights
from features.layers import nearest
from features.networks.base import PRECISIONS, Network
from features.networks.weights import Checkpoint, check_weights

__all__ = ["LIBRARIES", "Network", "check_specification", "choose_device", "load_network"]

LIBRARIES = (
    *("open_clip", "torchvision", "timm", "transformers", "slip", "low_level", "vectors"),
    # features that were computed elsewhere
    "file",
)


def _library(name: str) -> ModuleType:
    """Import the module of a library. The others are not imported: each takes about a second."""
    match name:
        case "open_clip":
            from features.networks import clip_networks

            return clip_networks
        case "torchvision":
            from features.networks import torchvision_networks

            return torchvision_networks
        case "timm":
            from features.networks import timm_networks

            return timm_networks
        case "transformers":
            from features.networks import transformers_networks

            return transformers_networks
        case "slip":
            from features.networks import slip_networks

            return slip_networks
        case "low_level":
            from features.networks import low_level

            return low_level
        case "vectors":
            from features.networks import vectors

            return vectors
        case "file":
            from features.networks import given

            return given
    raise ValueError(f"unknown library '{name}'. {nearest(name, LIBRARIES)}")


def load_network(
    specification: Mapping[str, Any],
    device: str = "auto",
    cache: Path | None = None,
    *,
    measured_only: bool = False,
) -> Network:
    """Load a network.

    Parameters
    ----------
    specification : `library` (one of `LIBRARIES`), `architecture`, `stimulus` ("image", or what
        is read), `weights` ("pretrained", "untrained", a local path, "package:NAME/path" for
        weights inside an installed Python package, "none" where there is nothing to learn), `seed`
        for untrained weights, `pretrained_tag` for open_clip, torchvision and timm, optional
        `name`, `precision` (float32, bfloat16, float16) and `checkpoint_sha256` (what the content
        of a local path must be, see `features.checkpoints.checkpoint_hash`)
    device : "auto" (CUDA, else Apple's MPS, else CPU) or a torch device
    cache : folder in which libraries keep the weights they download; each library's own by default
    measured_only : build it with random weights instead of its own, to learn how
        large it is; files need not be there

    Raises
    ------
    ValueError
        Unknown library, architecture, tag or precision; weights that cannot be found, do not fit
        or are not those requested; a stimulus that the network cannot take; a setting
        that its library would not use.
    """
    _check_settings(specification)
    random = measured_only and specification["weights"] != "none"
    if random:
        specification = {**specification, "weights": "untrained", "seed": 0}
    local = _checkpoint(specification)
    chosen = choose_device(device)
    library = _library(specification["library"])
    with _asked_for_no_weights(specification):
        try:
            with _hub_offline():
                network = library.load(specification, local, chosen, cache)
        except ValueError:
            # not in the cache, or not loadable: the error that counts is the next one
            network = library.load(specification, local, chosen, cache)
    network.name = specification.get("name") or specification["architecture"]
    network.precision = specification.get("precision", "float32")
    network.seed = specification.get("seed")
    if local is not None:
        tag = network.checkpoint and network.checkpoint.tag
        network.checkpoint = Checkpoint(specification["weights"], tag, checkpoint_hash(local))
    # channels last, in which convolutions run faster
    network.module.eval().to(chosen, memory_format=torch.channels_last)
    return network


@contextmanager
def _hub_offline() -> Iterator[None]:
    """Let libraries look into the cache of huggingface_hub alone.

    They ask the hub for news of files that they have, and where there is no internet they ask
    again and again: minutes for a network that lies in the cache.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _asked_for_no_weights(specification: Mapping[str, Any]) -> Iterator[None]:
    """Suppress open_clip's warning about missing weights when none are requested."""
    root = logging.getLogger()

    def keep(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("No pretrained weights loaded")

    if specification["weights"] == "untrained":
        root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)


def check_specification(specification: Mapping[str, Any]) -> None:
    """Check what can be known of a network without building it: settings, and local weights.

    Raises
    ------
    ValueError
        As `load_network`.
    """
    _check_settings(specification)
    _checkpoint(specification)


def _check_settings(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for names that nobody knows, and settings that the library does not use."""
    name, architecture = specification["library"], specification["architecture"]
    library = _library(name)
    known = library.architectures()
    if known is not None and architecture not in known:
        near = nearest(architecture, known)
        raise ValueError(f"{name} has no architecture '{architecture}'. {near}")
    precision = specification.get("precision", "float32")
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision '{precision}'. {nearest(precision, PRECISIONS)}")
    library.check(specification)
    check_weights(specification, library.WEIGHTS, library.TAGGED)


def _checkpoint(specification: Mapping[str, Any]) -> Path | None:
    """Return the path of local weights; ValueError if they are missing or not those requested."""
    path = local_weights(specification["weights"])
    requested = specification.get("checkpoint_sha256")
    if path is not None and requested is not None and checkpoint_hash(path) != requested:
        raise ValueError(
            f"weights: {specification['weights']} was replaced since this run began: its sha256 is "
            f"{checkpoint_hash(path)[:12]}, not {requested[:12]}. Run snakemake again"
        )
    return path


def choose_device(device: str = "auto") -> torch.device:
    """Return the requested device, or CUDA if available, else MPS, else CPU."""
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
