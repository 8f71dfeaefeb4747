"""COCO's captions of the images."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.design import read_image_table
from pipeline.nsd.layout import NSDLayout

COCO_MEND = "Fetch annotations_trainval2017.zip from COCO and unpack it there."


def read_captions(layout: NSDLayout, nsd_id: np.ndarray) -> list[list[str]]:
    """All captions of each image (about five; some have more), whitespace tidied.

    The annotation file is the one that `cocoSplit` names: NSD has images of both splits.

    Raises
    ------
    InputError
        An annotation file is missing or damaged, or images have no caption.
    """
    table = read_image_table(layout).loc[np.asarray(nsd_id)]
    captions = {
        split: _captions_by_coco_id(layout.annotations("captions", split))
        for split in sorted(table["cocoSplit"].unique())
    }
    keys = zip(table["cocoSplit"], table["cocoId"], strict=True)
    found = [captions[split].get(coco_id, []) for split, coco_id in keys]
    empty = [int(image) for image, texts in zip(table.index, found, strict=True) if not texts]
    if empty:
        split = table.loc[empty[0], "cocoSplit"]
        raise InputError(
            f"{layout.annotations('captions', split)}: no caption of {len(empty)} images (first: "
            f"nsdId {empty[0]}, COCO {table.loc[empty[0], 'cocoId']}). {COCO_MEND}"
        )
    return found


def _captions_by_coco_id(path: Path) -> dict[int, list[str]]:
    if not path.is_file():
        raise InputError(f"{path}: not found. {COCO_MEND}")
    try:
        annotations = json.loads(path.read_text())["annotations"]
        captions: dict[int, list[str]] = defaultdict(list)
        for annotation in sorted(annotations, key=lambda annotation: annotation["id"]):
            text = " ".join(annotation["caption"].split())
            if text:
                captions[annotation["image_id"]].append(text)
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a COCO captions file ({error!r}). {COCO_MEND}") from error
    return captions
