"""COCO annotations of the simulated images, in coordinates of the uncropped pictures."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.configuration.coco_categories import CATEGORIES
from pipeline.simulation.scenes import SIZE, Stimulus

# (width, height) of uncropped pictures; 640 × 427 is cropped by half a pixel
ORIGINAL_SIZES = ((640, 480), (640, 427), (480, 640), (500, 500))
SPLITS = ("train2017", "val2017")
# NSD cut about a sixth of its pictures at one side alone
OFF_CENTRE = 6
# every seventh caption of COCO is typed with white space around it or a line break in it
TYPED, TYPED_EVERY = ("{} ", "{}\n", " {}", "{}\n\n"), 7


def coco_table(n_images: int, shared: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """Draw COCO's id, split and crop of every image; shared images are in train2017."""
    split = np.where(generator.uniform(size=n_images) < 0.1, SPLITS[1], SPLITS[0])
    split[shared] = SPLITS[0]
    sizes = generator.integers(0, len(ORIGINAL_SIZES), n_images)
    sizes[:2] = 1, 0
    return pd.DataFrame(
        {
            "cocoId": generator.choice(np.arange(9, 600_000), n_images, replace=False),
            "cocoSplit": split,
            "cropBox": [
                str(_crop_box(*ORIGINAL_SIZES[size], row)) for row, size in enumerate(sizes)
            ],
            "width": [ORIGINAL_SIZES[size][0] for size in sizes],
            "height": [ORIGINAL_SIZES[size][1] for size in sizes],
        }
    )


def _crop_box(width: int, height: int, row: int) -> tuple[float, float, float, float]:
    """Compute the fractions (top, bottom, left, right) cut off to make a square, typed as in NSD.

    Every sixth picture is cut at one side alone: alternately at its end and at its beginning.
    """
    cut = abs(width - height) / 2 / max(width, height)
    before, after = cut, cut
    if row % OFF_CENTRE == OFF_CENTRE - 1:
        before, after = ((0.0, 2 * cut), (2 * cut, 0.0))[row // OFF_CENTRE % 2]
    return (0, 0, before, after) if width >= height else (before or 0, after, 0, 0)


def annotation_files(
    split: str, table: pd.DataFrame, stimuli: Mapping[int, Stimulus]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the content of the captions and instances files of one split, by row of `table`."""
    rows = [row for row in table.index[table["cocoSplit"] == split] if row in stimuli]
    images: list[dict[str, Any]] = [
        {
            "id": int(table.loc[r, "cocoId"]),
            "file_name": f"{table.loc[r, 'cocoId']:012d}.jpg",
            "width": int(table.loc[r, "width"]),
            "height": int(table.loc[r, "height"]),
        }
        for r in rows
    ]
    captions: list[dict[str, Any]] = []
    shapes: list[tuple[int, str, Any]] = []
    for row, image in zip(rows, images, strict=True):
        for text in stimuli[row].captions:
            number = len(captions) + 1
            captions.append(
                {"image_id": image["id"], "id": number, "caption": _as_typed(text, number)}
            )
        if stimuli[row].objects:
            found = _shapes(row, stimuli[row], image, table.loc[row, "cropBox"])
            shapes += [(image["id"], *shape) for shape in found]
    instances = [
        {"id": number, **_instance(*shape)} for number, shape in enumerate(shapes, start=1)
    ]
    categories = [
        {"id": number, "name": name, "supercategory": group}
        for name, (number, group) in CATEGORIES.items()
    ]
    return (
        {"images": images, "annotations": captions},
        {"images": images, "annotations": instances, "categories": categories},
    )


def _as_typed(text: str, number: int) -> str:
    """Return a caption with the white space that annotators left."""
    every, which = number % TYPED_EVERY, number // TYPED_EVERY % len(TYPED)
    return text if every else TYPED[which].format(text)


def _shapes(
    row: int, stimulus: Stimulus, image: dict[str, Any], crop_box: str
) -> Iterator[tuple[str, Any]]:
    """Yield categories and segmentations of a picture's objects, and of some outside the crop.

    Every picture with margins has a bench there, which the crop removes completely or partly; every
    fourth picture has a crowd, given as a run-length mask. Neither is drawn.
    """
    size = image["width"], image["height"]
    side = min(size)
    top, _, left, _ = ast.literal_eval(crop_box)
    origin = left * size[0], top * size[1]
    scale = side / SIZE
    for number, (category, box) in enumerate(stimulus.objects):
        x, y, width, height = (value * scale for value in box)
        parts = _parts(x + origin[0], y + origin[1], width, height, 1 + (row + number) % 2)
        yield category, parts
    if max(size) > side:
        across, down = (max((n - side) / 2 * (0.8 if row % 3 else 1.5), 40.0) for n in size)
        # where nothing is cut off at the beginning, something is at the end
        first = max(origin) > 0
        x, y = (2.0, 2.0) if first else (size[0] - 2 - across, size[1] - 2 - down)
        yield "bench", _parts(x, y, across, down, 1)
    if row % 4 == 0:
        yield "person", _mask(image["width"], image["height"], (5, 7, side // 2, side // 3))


def _parts(x: float, y: float, width: float, height: float, n_parts: int) -> list[list[float]]:
    """Fill a box with octagons side by side."""
    corners = ((0.3, 0), (0.7, 0), (1, 0.3), (1, 0.7), (0.7, 1), (0.3, 1), (0, 0.7), (0, 0.3))
    step = width / n_parts
    return [
        [value for u, v in corners for value in (x + (part + u) * step, y + v * height)]
        for part in range(n_parts)
    ]


def _mask(width: int, height: int, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """Encode a box (x, y, width, height) as lengths of runs down the columns, 0 first."""
    x, y, across, down = box
    above, below = x * height + y, height - down
    counts = [above]
    for column in range(across):
        counts += [down, below if column < across - 1 else 0]
    counts[-1] = width * height - sum(counts)
    return {"counts": counts, "size": [height, width]}


def _instance(image_id: int, category: str, segmentation: Any) -> dict[str, Any]:
    crowd = isinstance(segmentation, dict)
    if crowd:
        height, _ = segmentation["size"]
        counts = segmentation["counts"]
        area = float(sum(counts[1::2]))
        x, y, down = counts[0] // height, counts[0] % height, counts[1]
        bounds = [x, y, len(counts[1::2]), down]
    else:
        parts = [np.reshape(part, (-1, 2)) for part in segmentation]
        area = float(sum(_area(part) for part in parts))
        low, high = np.concatenate(parts).min(axis=0), np.concatenate(parts).max(axis=0)
        bounds = [*low.tolist(), *(high - low).tolist()]
    return {
        "image_id": image_id,
        "category_id": CATEGORIES[category][0],
        "bbox": bounds,
        "segmentation": segmentation,
        "area": area,
        "iscrowd": int(crowd),
    }


def _area(points: np.ndarray) -> float:
    """Compute the area of a polygon (corner, 2) by the shoelace formula."""
    x, y = points.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
