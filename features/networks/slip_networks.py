"""SLIP, SimCLR and CLIP on YFCC, from the checkpoints that Mu et al. (2022, ECCV) released.

They hold a ViT whose layers are named as timm names them, beside heads of each objective: `visual`
is what the ViT gives (SimCLR's features), `embedding` its projection into the space shared with
text (SLIP's and CLIP's).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import timm
import torch
import torchvision

from features.networks.base import Inputs, Network, require_images
from features.networks.weights import PATH, Checkpoint, seed_untrained, weights_error

WEIGHTS, TAGGED = ("untrained", PATH), ()
ARCHITECTURES = {
    "ViT-S-16": "vit_small_patch16_224",
    "ViT-B-16": "vit_base_patch16_224",
    "ViT-L-16": "vit_large_patch16_224",
}
EMBEDDING_WIDTH = 512
PREFIX, PROJECTION = "visual.", "image_projection"
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VisionTower(torch.nn.Module):
    """A ViT, and its projection into the space shared with text where there is one."""

    def __init__(self, architecture: str, projects: bool) -> None:
        super().__init__()
        self.visual = timm.create_model(ARCHITECTURES[architecture], num_classes=0)
        width = cast(int, self.visual.num_features)
        projection = torch.randn(width, EMBEDDING_WIDTH) * width**-0.5 if projects else None
        self.image_projection = None if projection is None else torch.nn.Parameter(projection)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the layers of images."""
        visual = self.visual(images)
        if self.image_projection is None:
            return {"visual": visual}
        return {"visual": visual, "embedding": visual @ self.image_projection}


def architectures() -> list[str]:
    """List the names of architectures."""
    return list(ARCHITECTURES)


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for another stimulus than images, or weights that no library downloads."""
    require_images(specification)
    if specification["weights"] == "pretrained":
        raise ValueError(
            f"{specification['architecture']}: give the path of a checkpoint released at "
            "github.com/facebookresearch/SLIP as `weights:`"
        )


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`; weights are a released checkpoint, or untrained."""
    architecture = specification["architecture"]
    state = {} if local is None else _read(architecture, local, cache)
    seed_untrained(specification)
    module = VisionTower(architecture, projects=local is None or PROJECTION in state)
    if local is not None:
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise weights_error(architecture, local, error, cache) from error
    transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(224),
            torchvision.transforms.CenterCrop(224),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize(IMAGENET_MEAN, IMAGENET_DEVIATION),
        ]
    )

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        return module(inputs["image"])

    projects = module.image_projection is not None
    return Network(
        name=architecture,
        module=module,
        device=device,
        preprocess=lambda images: {"image": torch.stack([transform(i) for i in images])},
        preprocessing=str(transform),
        checkpoint=None if local is None else Checkpoint(str(local)),
        forward=forward,
        outputs=("visual", "embedding") if projects else ("visual",),
    )


def _read(architecture: str, path: Path, cache: Path | None) -> dict[str, torch.Tensor]:
    """Read the vision tower of a checkpoint, which was saved from several GPUs."""
    try:
        # the checkpoints hold their command line's arguments; nothing else is unpickled
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
        state = {name.removeprefix("module."): v for name, v in content["state_dict"].items()}
    except Exception as error:
        raise weights_error(architecture, path, error, cache) from error
    return {n: v for n, v in state.items() if n.startswith(PREFIX) or n == PROJECTION}
