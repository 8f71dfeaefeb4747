"""Features that drive simulated voxels, computed by calling each library directly.

`features/` is not used, so that the simulated brain does not share its errors.
"""

from __future__ import annotations

import importlib.resources
import logging
from collections.abc import Callable, Sequence
from multiprocessing.pool import ThreadPool
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from pipeline.simulation.settings import PlantedSpace

BATCH = 8
T = TypeVar("T")


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
        ("timm", "image"): _timm_images,
        ("transformers", "captions"): _transformer_captions,
    }[space.library, space.stimulus]
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


def _timm_images(
    name: str, space: PlantedSpace, images: Images, captions: Sequence[Sequence[str]]
) -> np.ndarray:
    import timm

    # what timm's models have in common is declared nowhere
    model: Any = timm.create_model(space.architecture, pretrained=space.weights == "pretrained")
    model.eval()
    if space.weights not in ("pretrained", "untrained"):
        # by their order, whatever the names: `features` goes by the names
        timm.models.load_checkpoint(model, _local_path(space.weights), remap=True)
    model.reset_classifier(0)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    return _in_batches(name, images, lambda batch: model(_prepare(batch, transform)))


def _transformer_captions(
    name: str, space: PlantedSpace, images: Images, captions: Sequence[Sequence[str]]
) -> np.ndarray:
    import transformers

    source = space.architecture if space.weights == "pretrained" else _local_path(space.weights)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    model = transformers.AutoModel.from_pretrained(source, dtype=torch.float32).eval()
    # here, as tokenizers are not made for threads
    tokenized = [
        tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        for texts in captions
    ]

    def mean_state(tokens: transformers.BatchEncoding) -> torch.Tensor:
        states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        return ((states * mask).sum(1) / mask.sum(1)).mean(0, keepdim=True)

    return _in_threads(name, mean_state, tokenized)


def _local_path(weights: str) -> str:
    if not weights.startswith("package:"):
        return weights
    package, inside = weights.removeprefix("package:").split("/", 1)
    return str(importlib.resources.files(package) / inside)


def _in_batches(
    name: str, images: Images, compute: Callable[[np.ndarray], torch.Tensor]
) -> np.ndarray:
    batches = [slice(start, start + BATCH) for start in range(0, len(images), BATCH)]
    return _in_threads(name, lambda batch: compute(images[batch]), batches)


def _in_threads(name: str, compute: Callable[[T], torch.Tensor], items: Sequence[T]) -> np.ndarray:
    """Concatenate what is computed of each item, in as many threads as torch would use for one.

    torch's own threads wait for each other in every operation: while other programs run on the same
    cores, most of the time.
    """

    @torch.inference_mode()
    def computed(item: T) -> np.ndarray:
        return compute(item).numpy()

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with ThreadPool(n_threads) as pool:
        found = pool.imap(computed, items)
        rows = [*tqdm(found, f"planting {name}", len(items), unit="batch")]
    torch.set_num_threads(n_threads)
    return np.concatenate(rows)


def _prepare(batch: np.ndarray, transform: Callable[[Image.Image], torch.Tensor]) -> torch.Tensor:
    return torch.stack([transform(Image.fromarray(image)) for image in batch])
