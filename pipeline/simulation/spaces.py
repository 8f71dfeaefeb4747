"""Features that drive simulated voxels, computed by calling each library directly.

`features/` is not used, so that the simulated brain does not share its errors.
"""

from __future__ import annotations

import importlib.resources
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from pipeline.simulation.settings import PlantedSpace

BATCH = 8


class Images(Protocol):
    """Images (image, 425, 425, 3) in memory or in a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, images: slice, /) -> np.ndarray: ...


def planted_features(
    name: str, space: PlantedSpace, images: Images, captions: Sequence[Sequence[str]]
) -> np.ndarray:
    """Compute features (image, feature) float64 of one space.

    Parameters
    ----------
    images : (image, 425, 425, 3) uint8, sliced in batches
    captions : the captions of each image
    """
    if space.seed is not None:
        torch.manual_seed(space.seed)
    compute = {
        ("open_clip", "image"): _clip_images,
        ("torchvision", "image"): _torchvision_images,
        ("transformers", "captions"): _transformer_captions,
    }[space.library, space.stimulus]
    with torch.inference_mode():
        return np.asarray(compute(name, space, images, captions), dtype=np.float64)


def _clip_images(
    name: str, space: PlantedSpace, images: Images, captions: Sequence[Sequence[str]]
) -> np.ndarray:
    import open_clip

    pretrained = {"untrained": None, "pretrained": "openai"}.get(space.weights, space.weights)
    # open_clip warns about random weights, even if they are requested
    logging.disable(logging.WARNING if pretrained is None else logging.NOTSET)
    model, _, transform = open_clip.create_model_and_transforms(
        space.architecture, pretrained=pretrained
    )
    logging.disable(logging.NOTSET)
    model.eval()
    return _in_batches(name, images, lambda batch: model.encode_image(_prepare(batch, transform)))


def _torchvision_images(
    name: str, space: PlantedSpace, images: Images, captions: Sequence[Sequence[str]]
) -> np.ndarray:
    import torchvision

    weights = torchvision.models.get_model_weights(space.architecture).IMAGENET1K_V1
    chosen = weights if space.weights == "pretrained" else None
    model = torchvision.models.get_model(space.architecture, weights=chosen).eval()
    if space.architecture.startswith("resnet"):
        model.fc = torch.nn.Identity()
    else:
        model.classifier = model.classifier[:-1]
    return _in_batches(name, images, lambda batch: model(_prepare(batch, weights.transforms())))


def _transformer_captions(
    name: str, space: PlantedSpace, images: Images, captions: Sequence[Sequence[str]]
) -> np.ndarray:
    import transformers

    source = space.weights
    if source.startswith("package:"):
        package, inside = source.removeprefix("package:").split("/", 1)
        source = str(importlib.resources.files(package) / inside)
    elif source == "pretrained":
        source = space.architecture
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    model = transformers.AutoModel.from_pretrained(source, dtype=torch.float32).eval()
    rows = []
    for texts in tqdm(captions, desc=f"planting {name}", unit="image"):
        tokens = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        rows.append(((states * mask).sum(1) / mask.sum(1)).mean(0).numpy())
    return np.array(rows)


def _in_batches(
    name: str, images: Images, compute: Callable[[np.ndarray], torch.Tensor]
) -> np.ndarray:
    starts = tqdm(range(0, len(images), BATCH), desc=f"planting {name}", unit="batch")
    return np.concatenate([compute(images[start : start + BATCH]).numpy() for start in starts])


def _prepare(batch: np.ndarray, transform: Callable[[Image.Image], torch.Tensor]) -> torch.Tensor:
    return torch.stack([transform(Image.fromarray(image)) for image in batch])
