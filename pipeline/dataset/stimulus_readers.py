"""Inputs of networks: stimuli of one kind, batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from pipeline.configuration.settings import Numbering
from pipeline.dataset.images import Images
from pipeline.dataset.own_texts import read_own_texts

# captions, and labels written as text
TEXTS = ("captions", "first_caption", "all_objects", "top_object", "objects_in_captions")
# {kind: level of the labels whose indicators stand for an image}
LEVELS = {"categories": "category", "supercategories": "supercategory"}
# ids of images, by which features of a file are found
NUMBERINGS: tuple[str, ...] = get_args(Numbering)
VECTORS = (*LEVELS, "identity", *NUMBERINGS)
HASHED_AT_A_TIME = 64


def read_stimuli(
    images: Images, nsd_id: np.ndarray, kind: str, batch_size: int, texts: Path | None = None
) -> Iterator[Any]:
    """Yield batches of stimuli in the order of `nsd_id`.

    Parameters
    ----------
    kind : "image" (arrays uint8), one of `TEXTS` (lists of texts per image), or of `VECTORS`
    texts : table of a user's own texts, in the place of captions
    """
    if kind == "image":
        yield from images.pictures(nsd_id, batch_size)
        return
    own = None if texts is None else read_own_texts(texts, nsd_id)
    stimuli = _read_all(images, nsd_id, kind) if own is None else own
    for start in range(0, len(nsd_id), batch_size):
        yield stimuli[start : start + batch_size]


def _read_all(images: Images, nsd_id: np.ndarray, kind: str) -> Sequence[list[str]] | np.ndarray:
    """Read the texts or vectors of all images, which are small enough to be read at once."""
    if kind in TEXTS:
        return read_texts(images, nsd_id, kind)
    if kind == "identity":
        return nsd_id
    if kind in NUMBERINGS:
        return images.ids(kind)[nsd_id]
    return images.labels(nsd_id)[LEVELS[kind]].to_numpy()


def read_texts(images: Images, nsd_id: np.ndarray, kind: str) -> list[list[str]]:
    """Read the texts of each image, one of `TEXTS`."""
    if kind == "first_caption":
        return [captions[:1] for captions in images.texts(nsd_id, "captions")]
    return images.texts(nsd_id, kind)


def stimulus_hashes(
    images: Images, nsd_id: np.ndarray, kind: str, texts: Path | None = None
) -> np.ndarray:
    """Hash each stimulus: (image,) uint64, the first 8 bytes of its SHA-256.

    Stored features of an image are used again only if the hash is the same, because pictures and
    annotations may have been replaced.
    """
    hashes = [
        hashlib.sha256(_content(stimulus)).digest()[:8]
        for batch in read_stimuli(images, nsd_id, kind, HASHED_AT_A_TIME, texts)
        for stimulus in batch
    ]
    return np.frombuffer(b"".join(hashes), np.uint64)


def _content(stimulus: Any) -> bytes:
    """Return the bytes of a picture or a row of numbers in memory, or of texts in UTF-8."""
    if isinstance(stimulus, list):
        return "\n".join(stimulus).encode()
    return np.ascontiguousarray(stimulus).tobytes()
