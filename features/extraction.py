"""Stimuli in, feature matrices out, one batch after the other."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from features.layers import Layer
from features.networks.base import Network

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
# batches that are being prepared while the network computes
AHEAD = 3


def image_features(
    network: Network, batches: Iterable[np.ndarray], layers: Sequence[Layer], threads: int = 1
) -> Iterator[dict[Layer, np.ndarray]]:
    """Features of images, batch by batch, all layers in one pass.

    Decoding and the network's own preprocessing run ahead of it, in threads.

    Parameters
    ----------
    network : one that sees
    batches : arrays (image, height, width, 3) uint8 RGB
    threads : that prepare batches

    Yields
    ------
    {layer: (image, feature) float32} for each batch

    Raises
    ------
    ValueError
        Images of another shape or dtype, an unknown layer, features that are not finite.
    """

    def prepare(batch: np.ndarray) -> dict[str, Any]:
        if batch.ndim != 4 or batch.shape[-1] != 3 or batch.dtype != np.uint8:
            raise ValueError(
                f"images must be uint8 (image, height, width, 3), not {batch.dtype} {batch.shape}"
            )
        return network.preprocess([Image.fromarray(image) for image in batch])

    layers = network.expand(layers)
    for inputs in ahead(prepare, batches, threads):
        yield network.run(inputs, layers)


def vector_features(
    network: Network, batches: Iterable[Sequence[Any]], layers: Sequence[Layer]
) -> Iterator[dict[Layer, np.ndarray]]:
    """Features of stimuli that are vectors or numbers already; see `features.networks.vectors`."""
    layers = network.expand(layers)
    for batch in batches:
        yield network.run(network.preprocess(batch), layers)


def caption_features(
    network: Network,
    captions: Iterable[Sequence[Sequence[str]]],
    layers: Sequence[Layer],
    captions_per_pass: int = 64,
) -> Iterator[dict[Layer, np.ndarray]]:
    """Features of images by texts about them: the mean over each image's texts.

    Parameters
    ----------
    network : one that reads
    captions : batches of images, each a list of its texts
    captions_per_pass : texts in one forward pass

    Yields
    ------
    {layer: (image, feature) float32} for each batch

    Raises
    ------
    ValueError
        An image has no text or an empty one, an unknown layer, features that are not finite.
    """
    if network.caption_length is None:
        raise ValueError(f"{network.name} does not read captions")
    layers, truncated = network.expand(layers), 0
    for batch in captions:
        if not all(len(texts) for texts in batch):
            raise ValueError("an image has no caption")
        distinct = sorted({text for texts in batch for text in texts})
        lengths = {text: network.caption_length(text) for text in distinct}
        if not all(lengths.values()):
            raise ValueError(f"{network.name}: a caption without a token")
        limit = network.context_length or max(lengths.values())
        truncated += sum(length > limit for length in lengths.values())
        read = {text: min(length, limit) for text, length in lengths.items()}
        passes = _passes(read, captions_per_pass)
        parts = [network.run(network.preprocess(texts), layers) for texts in passes]
        row = {text: i for i, text in enumerate(itertools.chain(*passes))}
        yield {
            layer: _mean_per_image(np.concatenate([part[layer] for part in parts]), batch, row)
            for layer in layers
        }
    if truncated:
        logger.warning(
            "%s: %d captions exceed %d tokens and were truncated",
            network.name,
            truncated,
            network.context_length,
        )


def _passes(lengths: Mapping[str, int], largest: int) -> list[list[str]]:
    """Texts that go through the network together, of one number of tokens each.

    No text is padded because of another: many networks read their padding in spite of a mask
    (FNet mixes all positions, ConvBERT and CANINE convolve them).
    """
    texts = sorted(lengths, key=lambda text: (lengths[text], text))
    equal = [list(group) for _, group in itertools.groupby(texts, key=lengths.__getitem__)]
    return [group[i : i + largest] for group in equal for i in range(0, len(group), largest)]


def fitting_batch_size(
    network: Network, stimulus: Any, layers: Sequence[Layer], largest: int
) -> int:
    """Return the largest of `largest`, half of it, a quarter, … that fits the device's memory.

    Parameters
    ----------
    stimulus : one, as the network's `preprocess` takes them
    """
    example = network.preprocess([stimulus])
    size = largest
    while size > 1:
        repeated = {key: value.expand(size, *value.shape[1:]) for key, value in example.items()}
        if network.fits(repeated, layers):
            break
        size //= 2
    return size


def _mean_per_image(
    features: np.ndarray, batch: Sequence[Sequence[str]], row: dict[str, int]
) -> np.ndarray:
    return np.stack([features[[row[text] for text in texts]].mean(axis=0) for texts in batch])


def ahead(
    function: Callable[[T], R], items: Iterable[T], threads: int = 1, depth: int = AHEAD
) -> Iterator[R]:
    """Results of a function in the order of the items, a few of them computed in advance.

    Never more than `depth` results wait, however many items there are.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
