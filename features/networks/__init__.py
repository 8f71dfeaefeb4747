"""Networks by name: a small table of libraries behind one class.

Each network brings its own preprocessing; what it computes is what its library computes. Weights
are pretrained (through the library's own loader), a local checkpoint, or untrained with a seed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from features.layers import nearest
from features.networks import (
    clip_networks,
    low_level,
    slip_networks,
    timm_networks,
    torchvision_networks,
    transformers_networks,
    vectors,
)
from features.networks.base import PRECISIONS, Network
from features.networks.weights import local_weights

__all__ = ["LIBRARIES", "Network", "check_specification", "choose_device", "load_network"]

LIBRARIES = {
    "open_clip": clip_networks,
    "torchvision": torchvision_networks,
    "timm": timm_networks,
    "transformers": transformers_networks,
    "slip": slip_networks,
    "low_level": low_level,
    "vectors": vectors,
}


def load_network(
    specification: Mapping[str, Any], device: str = "auto", cache: Path | None = None
) -> Network:
    """Load a network.

    Parameters
    ----------
    specification : `library` (a key of `LIBRARIES`), `architecture`, `stimulus` ("image", or what
        is read), `weights` ("pretrained", "untrained", a local path, "package:NAME/folder" for
        weights inside an installed Python package, "none" where there is nothing to learn), `seed`
        for untrained weights, `pretrained_tag` for open_clip and timm, optional `name` and
        `precision` (float32, bfloat16, float16)
    device : "auto" (CUDA, else Apple's MPS, else CPU) or a torch device
    cache : folder in which libraries keep the weights they download; each library's own by default

    Raises
    ------
    ValueError
        Unknown library, architecture, tag or precision; weights that cannot be found or do not fit;
        a stimulus that the network cannot take.
    """
    check_specification(specification)
    library = LIBRARIES[specification["library"]]
    chosen = choose_device(device)
    with _asked_for_no_weights(specification):
        network = library.load(specification, local_weights(specification), chosen, cache)
    network.name = specification.get("name") or specification["architecture"]
    network.precision = specification.get("precision", "float32")
    # channels last, in which convolutions run faster
    network.module.eval().to(chosen, memory_format=torch.channels_last)
    return network


@contextmanager
def _asked_for_no_weights(specification: Mapping[str, Any]) -> Iterator[None]:
    """Without open_clip's warning that there are none, where none are wanted."""
    root = logging.getLogger()

    def wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("No pretrained weights loaded")

    if specification["weights"] == "untrained":
        root.addFilter(wanted)
    try:
        yield
    finally:
        root.removeFilter(wanted)


def check_specification(specification: Mapping[str, Any]) -> None:
    """Check what can be known of a network without building it: names, stimulus, local weights.

    Raises
    ------
    ValueError
        As `load_network`.
    """
    name, architecture = specification["library"], specification["architecture"]
    if name not in LIBRARIES:
        raise ValueError(f"unknown library '{name}'. {nearest(name, LIBRARIES)}")
    known = LIBRARIES[name].architectures()
    if known is not None and architecture not in known:
        near = nearest(architecture, known)
        raise ValueError(f"{name} has no architecture '{architecture}'. {near}")
    precision = specification.get("precision", "float32")
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision '{precision}'. {nearest(precision, PRECISIONS)}")
    LIBRARIES[name].check(specification)
    local_weights(specification)


def choose_device(device: str = "auto") -> torch.device:
    """CUDA where there is one, else MPS, else CPU; or the device asked for."""
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
