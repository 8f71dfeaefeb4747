"""ImageNet networks from torchvision, each built as torchvision builds it with those weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torchvision
from torchvision.models import WeightsEnum

from features.networks.base import Inputs, Network, require_images
from features.networks.weights import PATH, Checkpoint, seed_untrained, weights_error

WEIGHTS, TAGGED = ("pretrained", "untrained", PATH), ("pretrained", PATH)
# the study's, where an architecture has several; where it is lacking, torchvision's own choice
USUAL_TAG = "IMAGENET1K_V1"
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
    """List the names of architectures."""
    return torchvision.models.list_models(module=torchvision.models)


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown tag, or another stimulus than images."""
    require_images(specification)
    published_weights(specification["architecture"], specification.get("pretrained_tag"))


def published_weights(architecture: str, tag: str | None = None) -> WeightsEnum:
    """Weights that torchvision publishes, with their transforms; by default `USUAL_TAG`.

    Raises
    ------
    ValueError
        torchvision has no such tag of the architecture.
    """
    published = torchvision.models.get_model_weights(architecture)
    if tag is None:
        return published.__members__.get(USUAL_TAG, published.DEFAULT)
    if tag not in published.__members__:
        raise ValueError(
            f"{architecture}: unknown pretrained_tag '{tag}'. torchvision has "
            f"{', '.join(published.__members__)}"
        )
    return published[tag]


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`.

    A local checkpoint has the form, and goes with the transforms, of the tag's weights.
    """
    architecture = specification["architecture"]
    published = published_weights(architecture, specification.get("pretrained_tag"))
    seed_untrained(specification)
    try:
        if specification["weights"] == "untrained":
            module = _untrained(architecture, published)
        else:
            with _read_from(local, cache):
                module = torchvision.models.get_model(architecture, weights=published)
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
        preprocessing=str(transform),
        checkpoint=None
        if specification["weights"] == "untrained"
        else Checkpoint(published.url, published.name),
        forward=forward,
        outputs=("logits",),
        layer_names=LAYER_NAMES.get(architecture, {}),
    )


def _untrained(architecture: str, published: WeightsEnum) -> torch.nn.Module:
    # transformers are built for pictures of one size: that of the transforms
    size = {"image_size": published.meta["min_size"][0]} if architecture[:4] == "vit_" else {}
    return torchvision.models.get_model(architecture, weights=None, **size)


@contextmanager
def _read_from(local: Path | None, cache: Path | None) -> Iterator[None]:
    """Let torchvision's constructors read weights from a file, or from their download in a folder.

    They decide more by the weights than what is in them (whether the input is transformed once
    more, which heads there are, what old checkpoints' layers are called now), and take no file.
    """
    download = WeightsEnum.get_state_dict

    def read(weights: WeightsEnum, *arguments: Any, **options: Any) -> Mapping[str, Any]:
        if local is not None:
            return _with_auxiliary_heads(
                type(weights), torch.load(local, map_location="cpu", weights_only=True)
            )
        return download(weights, *arguments, model_dir=cache and str(cache), **options)

    WeightsEnum.get_state_dict = read
    try:
        yield
    finally:
        WeightsEnum.get_state_dict = download


def _with_auxiliary_heads(
    published: type[WeightsEnum], state: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Add the auxiliary heads that torchvision drops, and saved GoogLeNets thus lack."""
    if published is not torchvision.models.GoogLeNet_Weights or any(k[:3] == "aux" for k in state):
        return state
    complete = torchvision.models.googlenet(weights=None, init_weights=False).state_dict()
    return {**{name: value for name, value in complete.items() if name[:3] == "aux"}, **state}
