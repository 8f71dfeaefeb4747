"""What networks are shown: one batch of stimuli after the other, by the name of their kind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.nsd.coco import read_captions
from pipeline.nsd.instances import label_matrix, read_categories, read_instances
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.object_texts import all_objects, objects_in_captions, top_object
from pipeline.nsd.stimuli import read_images

Texts = list[list[str]]
HASHED_AT_A_TIME = 64


def read_stimuli(
    layout: NSDLayout, nsd_id: np.ndarray, kind: str, batch_size: int
) -> Iterator[Any]:
    """Batches of stimuli in the order of `nsd_id`.

    Parameters
    ----------
    kind : "image" (arrays uint8), a key of `TEXTS` (lists of texts per image), or of `VECTORS`
    """
    if kind == "image":
        yield from read_images(layout, nsd_id, batch_size)
        return
    stimuli: Sequence[Any] = (TEXTS.get(kind) or VECTORS[kind])(layout, nsd_id)
    for start in range(0, len(nsd_id), batch_size):
        yield stimuli[start : start + batch_size]


def stimulus_hashes(layout: NSDLayout, nsd_id: np.ndarray, kind: str) -> np.ndarray:
    """(image,) uint64, the beginning of the SHA-256 of what a network is shown of each image.

    Features of an image are used again only if this is the same: pictures and annotations may have
    been replaced.
    """
    hashes = [
        hashlib.sha256(_content(stimulus)).digest()[:8]
        for batch in read_stimuli(layout, nsd_id, kind, HASHED_AT_A_TIME)
        for stimulus in batch
    ]
    return np.frombuffer(b"".join(hashes), np.uint64)


def _content(stimulus: Any) -> bytes:
    """A picture or a row of numbers as it is in memory; texts as they are read."""
    if isinstance(stimulus, list):
        return "\n".join(stimulus).encode()
    return np.ascontiguousarray(stimulus).tobytes()


def _all_objects(layout: NSDLayout, nsd_id: np.ndarray) -> Texts:
    return all_objects(read_instances(layout, nsd_id), nsd_id)


def _top_object(layout: NSDLayout, nsd_id: np.ndarray) -> Texts:
    return top_object(read_instances(layout, nsd_id), nsd_id)


def _objects_in_captions(layout: NSDLayout, nsd_id: np.ndarray) -> Texts:
    instances = read_instances(layout, nsd_id)
    return objects_in_captions(instances, nsd_id, read_captions(layout, nsd_id))


def _indicators(column: str) -> Callable[[NSDLayout, np.ndarray], np.ndarray]:
    def read(layout: NSDLayout, nsd_id: np.ndarray) -> np.ndarray:
        labels = list(dict.fromkeys(read_categories(layout)[column]))
        return label_matrix(read_instances(layout, nsd_id), nsd_id, labels, column)

    return read


TEXTS: dict[str, Callable[[NSDLayout, np.ndarray], Texts]] = {
    "captions": read_captions,
    "all_objects": _all_objects,
    "top_object": _top_object,
    "objects_in_captions": _objects_in_captions,
}
VECTORS: dict[str, Callable[[NSDLayout, np.ndarray], np.ndarray]] = {
    "categories": _indicators("category"),
    "supercategories": _indicators("supercategory"),
    "identity": lambda layout, nsd_id: nsd_id,
}
