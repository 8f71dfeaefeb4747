"""What a feature space costs before it is extracted: its width, and the operations per stimulus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from features.networks import load_network

# of the length of COCO's captions
CAPTION = "a brown dog catches a ball on the green grass"
IMAGE_SIZE = 425


@dataclass(frozen=True)
class FeatureCost:
    """Of one feature space.

    Attributes
    ----------
    stimulus : "image" or "captions"
    n_features : width of its matrix
    operations : floating-point operations of one image, or of one caption
    parameter_bytes : size of the network's float32 weights
    """

    stimulus: str
    n_features: int
    operations: float
    parameter_bytes: int


def feature_cost(specification: Mapping[str, Any], layer: str, pooling: str | None) -> FeatureCost:
    """Count the operations of one stimulus through the network, built with random weights.

    Convolutions and matrix products are counted, as torch's `FlopCounterMode` does.

    Parameters
    ----------
    specification : as for `load_network`; pretrained weights are not loaded, but a transformers
        network needs its configuration file
    layer, pooling : see `Network.run`

    Raises
    ------
    ValueError
        As `load_network` and `Network.run`.
    """
    if specification["weights"] == "pretrained":
        specification = {**specification, "weights": "untrained", "seed": 0}
    network = load_network(specification, device="cpu")
    pixels = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    stimuli = [Image.fromarray(pixels)] if network.stimulus == "image" else [CAPTION]
    with FlopCounterMode(display=False) as counter:
        features = network.run(stimuli, layer, pooling)
    parameters = sum(p.numel() * p.element_size() for p in network.module.parameters())
    return FeatureCost(
        network.stimulus, features.shape[1], float(counter.get_total_flops()), parameters
    )
