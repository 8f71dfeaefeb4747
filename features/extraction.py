"""Stimuli in, feature matrices out, one batch after the other."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from features.networks import Network

logger = logging.getLogger(__name__)


def image_features(
    network: Network, batches: Iterable[np.ndarray], layer: str, pooling: str | None = None
) -> Iterator[np.ndarray]:
    """Features of images, batch by batch.

    Parameters
    ----------
    network : one whose stimulus is "image"
    batches : arrays (image, height, width, 3) uint8 RGB
    layer, pooling : see `Network.run`

    Yields
    ------
    (image, feature) float32 for each batch

    Raises
    ------
    ValueError
        Images of another shape or dtype; features that are not finite.
    """
    _require_stimulus(network, "image")
    for batch in batches:
        if batch.ndim != 4 or batch.shape[-1] != 3 or batch.dtype != np.uint8:
            raise ValueError(
                f"images must be uint8 (image, height, width, 3), not {batch.dtype} {batch.shape}"
            )
        yield network.run([Image.fromarray(image) for image in batch], layer, pooling)


def caption_features(
    network: Network,
    captions: Iterable[Sequence[Sequence[str]]],
    layer: str,
    pooling: str | None = None,
    captions_per_pass: int = 64,
) -> Iterator[np.ndarray]:
    """Features of images by their captions: the mean over each image's captions.

    Parameters
    ----------
    network : one whose stimulus is "captions"
    captions : batches of images, each a list of its captions
    layer, pooling : see `Network.run`
    captions_per_pass : captions in one forward pass

    Yields
    ------
    (image, feature) float32 for each batch

    Raises
    ------
    ValueError
        An image has no caption; features that are not finite.
    """
    _require_stimulus(network, "captions")
    truncated = 0
    for batch in captions:
        if not all(len(texts) for texts in batch):
            raise ValueError("an image has no caption")
        distinct = sorted({text for texts in batch for text in texts})
        # captions of like length share a pass: less padding
        lengths = {text: network.caption_length(text) for text in distinct}
        distinct.sort(key=lambda text: (lengths[text], text))
        truncated += sum(length > network.context_length for length in lengths.values())
        passes = range(0, len(distinct), captions_per_pass)
        features = np.concatenate(
            [network.run(distinct[i : i + captions_per_pass], layer, pooling) for i in passes]
        )
        row = {text: i for i, text in enumerate(distinct)}
        yield np.stack([features[[row[t] for t in texts]].mean(axis=0) for texts in batch])
    if truncated:
        logger.warning(
            "%s: %d captions exceed %d tokens and were truncated",
            network.name,
            truncated,
            network.context_length,
        )


def _require_stimulus(network: Network, stimulus: str) -> None:
    if network.stimulus != stimulus:
        raise ValueError(f"{network.name} takes {network.stimulus}, not {stimulus}")
