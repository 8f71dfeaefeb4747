"""Costs of a network's features before their extraction: widths, and operations per stimulus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from features.layers import Layer
from features.networks import load_network
from features.networks.given import GivenFeatures
from features.networks.weights import PATH, kind_of_weights

# of the length of COCO's captions
CAPTION = "a brown dog catches a ball on the green grass"
IMAGE_SIZE = 425


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one pass through a network.

    Attributes
    ----------
    widths : {layer: number of features}
    operations : floating-point operations of one image, or of one caption
    parameter_bytes : size of the network's float32 weights
    """

    widths: Mapping[Layer, int]
    operations: float
    parameter_bytes: int


def network_cost(specification: Mapping[str, Any], layers: Sequence[Layer]) -> NetworkCost:
    """Count the operations of one stimulus through the network, built with random weights.

    Convolutions and matrix products are counted, as torch's `FlopCounterMode` does.

    Parameters
    ----------
    specification : as for `load_network`, of one that sees or reads; pretrained weights are not
        loaded, but a transformers network needs its configuration file
    layers : patterns allowed

    Raises
    ------
    ValueError
        As `load_network` and `Network.run`.
    """
    # a local transformers folder contains the architecture too; given features are a file
    told_by_files = (specification["library"], kind_of_weights(specification)) in (
        ("transformers", PATH),
        ("file", PATH),
    )
    network = load_network(specification, device="cpu", measured_only=not told_by_files)
    if isinstance(network, GivenFeatures):
        # nothing is computed
        return NetworkCost({one: network.width(one) for one in network.expand(layers)}, 0.0, 0)
    stimulus: Any = CAPTION
    if network.caption_length is None:
        stimulus = Image.fromarray(np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8))
    inputs, layers = network.preprocess([stimulus]), network.expand(layers)
    with FlopCounterMode(display=False) as counter:
        features = network.run(inputs, layers)
    parameters = sum(p.numel() * p.element_size() for p in network.module.parameters())
    widths = {layer: values.shape[1] for layer, values in features.items()}
    return NetworkCost(widths, float(counter.get_total_flops()), parameters)
