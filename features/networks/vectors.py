"""Spaces that need no network: given vectors as they are, or random ones drawn for each image.

Indicator matrices (which categories an image shows) and random features, the baselines and label
controls of the study, go the way of all features through these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from features.networks.base import Inputs, Network

WEIGHTS, TAGGED = ("none", "untrained"), ()
RANDOM_WIDTH = 512
# what each is made of
STIMULI = {"given": ("categories", "supercategories"), "random": ("identity",)}


def architectures() -> list[str]:
    """List the names of architectures."""
    return ["given", "random"]


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for other stimuli, weights, or a precision that nothing is computed in."""
    architecture, stimulus = specification["architecture"], specification["stimulus"]
    if architecture == "random" and specification["weights"] != "untrained":
        raise ValueError("random features need `weights: untrained` and a `seed`")
    if architecture == "given" and specification["weights"] != "none":
        raise ValueError(
            f"given: `weights: {specification['weights']}` is not used, since vectors are handed "
            "on as they are; give `weights: none`"
        )
    if stimulus not in STIMULI[architecture]:
        known = " or ".join(STIMULI[architecture])
        raise ValueError(f"{architecture}: takes `stimulus: {known}`, not {stimulus}")
    if specification.get("precision", "float32") != "float32":
        raise ValueError(
            f"{architecture}: nothing is computed in `precision: {specification['precision']}`; "
            "remove it"
        )


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`.

    `given` hands on the vector of each stimulus; `random` draws one of 512 normal numbers for each
    stimulus, an integer, from the network's seed and that integer alone.
    """
    preprocess: dict[str, Callable[[Sequence[Any]], Inputs]] = {
        "given": lambda rows: {"vector": torch.tensor(np.asarray(rows), dtype=torch.float32)},
        "random": lambda numbers: {"vector": _draw(numbers, specification["seed"])},
    }
    architecture = specification["architecture"]
    return Network(
        name=architecture,
        module=torch.nn.Identity(),
        device=device,
        preprocess=preprocess[architecture],
        forward=lambda inputs: {"embedding": inputs["vector"]},
        outputs=("embedding",),
    )


def _draw(numbers: Sequence[int], seed: int) -> torch.Tensor:
    rows = [np.random.default_rng([seed, int(n)]).standard_normal(RANDOM_WIDTH) for n in numbers]
    return torch.tensor(np.array(rows), dtype=torch.float32)
