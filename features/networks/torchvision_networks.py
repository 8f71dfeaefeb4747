"""ImageNet networks from torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision

from features.networks.base import Inputs, Network, require_images
from features.networks.weights import seed_untrained, weights_error

# the names that the literature uses; AlexNet's layers after their ReLU
CONVOLUTIONS = {"conv1": 1, "conv2": 4, "conv3": 7, "conv4": 9, "conv5": 11}
LAYER_NAMES: dict[str, dict[str, str]] = {
    "alexnet": {
        **{name: f"features.{number}" for name, number in CONVOLUTIONS.items()},
        "fc6": "classifier.2",
        "fc7": "classifier.5",
    },
    "resnet50": {"stem": "maxpool"},
    "vit_b_32": {f"block_{i}": f"encoder.layers.encoder_layer_{i}" for i in range(12)},
}


def architectures() -> list[str]:
    return torchvision.models.list_models(module=torchvision.models)


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for another stimulus than images."""
    require_images(specification)


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`."""
    architecture, weights = specification["architecture"], specification["weights"]
    # the study's networks, and the preprocessing that every later version shares
    published = torchvision.models.get_model_weights(architecture)["IMAGENET1K_V1"]
    seed_untrained(specification)
    try:
        module = torchvision.models.get_model(architecture, weights=None)
        if weights == "pretrained":
            folder = cache and str(cache)
            module.load_state_dict(published.get_state_dict(model_dir=folder, check_hash=True))
        if local is not None:
            module.load_state_dict(torch.load(local, map_location="cpu", weights_only=True))
    except Exception as error:
        raise weights_error(architecture, local or published.url, error, cache) from error
    transform = published.transforms()

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        return {"logits": module(inputs["image"])}

    return Network(
        name=architecture,
        module=module,
        device=device,
        preprocess=lambda images: {"image": torch.stack([transform(image) for image in images])},
        forward=forward,
        outputs=("logits",),
        layer_names=LAYER_NAMES.get(architecture, {}),
    )
