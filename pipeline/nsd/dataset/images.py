"""NSD's images, with COCO's captions and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.configuration.coco_categories import CATEGORIES, SUPERCATEGORIES
from pipeline.dataset.images import Images
from pipeline.nsd.coco import read_captions
from pipeline.nsd.design import read_design, read_image_table, seen_by_all
from pipeline.nsd.instances import label_matrix, read_categories, read_instances
from pipeline.nsd.layout import FEWEST_SESSIONS, IMAGE_SIZE, NSDLayout
from pipeline.nsd.object_texts import all_objects, objects_in_captions, top_object
from pipeline.nsd.stimuli import read_images

Texts = list[list[str]]
LABEL_LEVELS = {"category": list(CATEGORIES), "supercategory": list(SUPERCATEGORIES)}


@dataclass(frozen=True)
class NSDImages(Images):
    """NSD's 73,000 images; an image's number is its 0-based nsdId."""

    layout: NSDLayout
    simulated: bool
    label_levels = LABEL_LEVELS
    size = (IMAGE_SIZE, IMAGE_SIZE)

    @classmethod
    def open(cls, folder: Path) -> NSDImages:
        """Open the images of an NSD copy."""
        layout = NSDLayout(folder)
        return cls(layout, layout.is_simulated)

    def seen(self, subject: str) -> np.ndarray:
        """List the images of a subject's completed trials."""
        return read_design(self.layout, subject).images

    def shared(self) -> np.ndarray:
        """List the 1,000 images that all subjects share (shared1000)."""
        return np.flatnonzero(read_image_table(self.layout)["shared1000"])

    def shared_by(self, subjects: Sequence[str], n_sessions: int | None = None) -> np.ndarray:
        """List shared images that all saw three times: shared515 for the eight subjects.

        Shared images have the same trials in every subject.
        """
        designs = [read_design(self.layout, subject) for subject in subjects]
        numbers = [design.first(n_sessions).n_sessions for design in designs]
        return seen_by_all(designs[0], min(FEWEST_SESSIONS, *numbers))

    def pictures(self, nsd_id: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        """Yield batches (image, 425, 425, 3) uint8."""
        return read_images(self.layout, nsd_id, batch_size)

    def texts(self, nsd_id: np.ndarray, kind: str) -> Texts:
        """Read COCO's captions, or labels of its objects written as text."""
        return TEXTS[kind](self.layout, nsd_id)

    def ids(self, kind: str) -> np.ndarray:
        """List NSD's numbers from 0 or from 1 (73KID), or COCO's, of the 73,000 images."""
        table = read_image_table(self.layout)
        numbers = table["cocoId"] if kind == "coco_id" else table["nsdId"] + (kind == "73KID")
        return numbers.to_numpy(np.int64)

    def labels(self, nsd_id: np.ndarray) -> Mapping[str, pd.DataFrame]:
        """Read the categories and supercategories of visible objects."""
        categories, instances = read_categories(self.layout), read_instances(self.layout, nsd_id)
        names = {level: list(dict.fromkeys(categories[level])) for level in self.label_levels}
        return {
            level: pd.DataFrame(label_matrix(instances, nsd_id, labels, level), columns=labels)
            for level, labels in names.items()
        }


def _all_objects(layout: NSDLayout, nsd_id: np.ndarray) -> Texts:
    return all_objects(read_instances(layout, nsd_id), nsd_id)


def _top_object(layout: NSDLayout, nsd_id: np.ndarray) -> Texts:
    return top_object(read_instances(layout, nsd_id), nsd_id)


def _objects_in_captions(layout: NSDLayout, nsd_id: np.ndarray) -> Texts:
    instances = read_instances(layout, nsd_id)
    return objects_in_captions(instances, nsd_id, read_captions(layout, nsd_id))


TEXTS: dict[str, Callable[[NSDLayout, np.ndarray], Texts]] = {
    "captions": read_captions,
    "all_objects": _all_objects,
    "top_object": _top_object,
    "objects_in_captions": _objects_in_captions,
}
