"""COCO annotations of the simulated images, in the coordinates of the uncropped pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.simulation.scenes import SIZE, Stimulus

# the COCO ids of the categories that are drawn
CATEGORIES = {
    "person": (1, "person"),
    "car": (3, "vehicle"),
    "bus": (6, "vehicle"),
    "boat": (9, "vehicle"),
    "stop sign": (13, "outdoor"),
    "bird": (16, "animal"),
    "dog": (18, "animal"),
    "horse": (19, "animal"),
    "sheep": (20, "animal"),
    "cow": (21, "animal"),
    "umbrella": (28, "accessory"),
    "sports ball": (37, "sports"),
    "kite": (38, "sports"),
    "bottle": (44, "kitchen"),
    "banana": (52, "food"),
    "pizza": (59, "food"),
    "chair": (62, "furniture"),
    "clock": (85, "indoor"),
}
# (width, height) of uncropped pictures; 640 × 427 is cropped by half a pixel
ORIGINAL_SIZES = ((640, 480), (640, 427), (480, 640), (500, 500))
SPLITS = ("train2017", "val2017")


def coco_table(n_images: int, shared: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """Columns cocoId, cocoSplit and cropBox of every image; shared images are of train2017."""
    split = np.where(generator.uniform(size=n_images) < 0.1, SPLITS[1], SPLITS[0])
    split[shared] = SPLITS[0]
    sizes = generator.integers(0, len(ORIGINAL_SIZES), n_images)
    sizes[:2] = 1, 0
    return pd.DataFrame(
        {
            "cocoId": generator.choice(np.arange(9, 600_000), n_images, replace=False),
            "cocoSplit": split,
            "cropBox": [str(_crop_box(*ORIGINAL_SIZES[size])) for size in sizes],
            "width": [ORIGINAL_SIZES[size][0] for size in sizes],
            "height": [ORIGINAL_SIZES[size][1] for size in sizes],
        }
    )


def _crop_box(width: int, height: int) -> tuple[float, float, float, float]:
    """(top, bottom, left, right) fractions cut off to make a square."""
    if width >= height:
        cut = (width - height) / 2 / width
        return (0, 0, cut or 0, cut or 0)
    cut = (height - width) / 2 / height
    return (cut, cut, 0, 0)


def annotations(
    split: str, table: pd.DataFrame, stimuli: Sequence[Stimulus]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The captions and instances files of one split."""
    rows = table.index[table["cocoSplit"] == split]
    images = [
        {
            "id": int(table.loc[r, "cocoId"]),
            "width": int(table.loc[r, "width"]),
            "height": int(table.loc[r, "height"]),
        }
        for r in rows
    ]
    captions, instances = [], []
    for row, image in zip(rows, images, strict=True):
        for text in stimuli[row].captions:
            number = len(captions) + 1
            captions.append({"image_id": image["id"], "id": number, "caption": text})
        for category, box in stimuli[row].objects:
            number = len(instances) + 1
            instances.append(_instance(number, category, box, image))
    categories = [
        {"id": number, "name": name, "supercategory": group}
        for name, (number, group) in CATEGORIES.items()
    ]
    return (
        {"images": images, "annotations": captions},
        {"images": images, "annotations": instances, "categories": categories},
    )


def _instance(
    number: int, category: str, box: tuple[float, float, float, float], image: dict[str, int]
) -> dict[str, Any]:
    side = min(image["width"], image["height"])
    left, top = (image["width"] - side) / 2, (image["height"] - side) / 2
    scale = side / SIZE
    x, y, width, height = (value * scale for value in box)
    x, y = x + left, y + top
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {
        "image_id": image["id"],
        "id": number,
        "category_id": CATEGORIES[category][0],
        "bbox": [x, y, width, height],
        "segmentation": [corners],
        "area": width * height,
        "iscrowd": 0,
    }
