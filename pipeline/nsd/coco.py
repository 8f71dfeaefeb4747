"""COCO's annotation files, and the captions of the images."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.design import read_image_table
from pipeline.nsd.layout import NSDLayout
from pipeline.reading import reading

SPLITS = ("train2017", "val2017")
TEXTS = ("caption", "name", "supercategory")
COCO_HINT = "Fetch annotations_trainval2017.zip from COCO and unpack it there."


def read_annotations(
    path: Path, fields: Mapping[str, Sequence[str]]
) -> dict[str, list[dict[str, Any]]]:
    """Read lists of a COCO file.

    Parameters
    ----------
    fields : {list of the file (annotations, images, categories): fields its entries must have}

    Raises
    ------
    InputError
        The file is missing or damaged, or an entry lacks one of the fields.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found. {COCO_HINT}")
    with reading(path, "not a COCO annotation file", COCO_HINT):
        content = json.loads(path.read_text())
        for part, names in fields.items():
            for name, entry in itertools.product(names, content[part]):
                if not _is_valid(name, entry[name]):
                    raise ValueError(f"{name} of an entry of {part} is {entry[name]!r:.80}")
    return {part: content[part] for part in fields}


def _is_valid(name: str, value: Any) -> bool:
    if name in TEXTS:
        return isinstance(value, str)
    if name == "segmentation":
        return isinstance(value, list | dict)
    return isinstance(value, int) and value >= 0


def read_captions(layout: NSDLayout, nsd_id: np.ndarray) -> list[list[str]]:
    """Read all captions of each image (about five; some have more), with single spaces.

    `cocoSplit` names the annotation file: NSD has images of both splits.

    Raises
    ------
    InputError
        An annotation file is missing or damaged, a caption occurs twice, or images have none.
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
            f"nsdId {empty[0]}, COCO {table.loc[empty[0], 'cocoId']}). {COCO_HINT}"
        )
    return found


def _captions_by_coco_id(path: Path) -> dict[int, list[str]]:
    captions: dict[int, list[str]] = defaultdict(list)
    fields = {"annotations": ("id", "image_id", "caption")}
    annotations = read_annotations(path, fields)["annotations"]
    previous = None
    for annotation in sorted(annotations, key=lambda annotation: annotation["id"]):
        if annotation["id"] == previous:
            raise InputError(f"{path}: caption {previous} is there twice. {COCO_HINT}")
        previous = annotation["id"]
        # annotators typed line breaks and double spaces
        if text := " ".join(annotation["caption"].split()):
            captions[annotation["image_id"]].append(text)
    return captions
