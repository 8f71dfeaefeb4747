"""COCO's objects as far as they are visible after NSD's crop, and the labels of images."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.nsd.clipping import Rectangle, clip_mask, clip_polygons
from pipeline.nsd.coco import COCO_HINT, SPLITS, read_annotations
from pipeline.nsd.design import read_image_table
from pipeline.nsd.files import HINT
from pipeline.nsd.layout import IMAGE_SIZE, NSDLayout

Content = dict[str, list[dict[str, Any]]]
CATEGORY_FIELDS = {"categories": ("id", "name", "supercategory")}
INSTANCE_FIELDS = {
    "annotations": ("id", "image_id", "category_id", "iscrowd", "segmentation"),
    "images": ("id", "width", "height"),
    **CATEGORY_FIELDS,
}
CATEGORY_COLUMNS = ["category_id", "category", "supercategory"]
PICTURE_COLUMNS = ["crowd", "x", "y", "width", "height", "visible_area", "visible_share"]


def read_categories(layout: NSDLayout) -> pd.DataFrame:
    """Read COCO's 80 categories: category_id, category, supercategory.

    Raises
    ------
    InputError
        A file is missing or damaged, or the two splits differ.
    """
    paths = [layout.annotations("instances", split) for split in SPLITS]
    tables = [_categories(read_annotations(path, CATEGORY_FIELDS)) for path in paths]
    if not tables[0].equals(tables[1]):
        raise InputError(f"{paths[1]}: other categories than {paths[0].name}. {COCO_HINT}")
    return tables[0]


def read_instances(layout: NSDLayout, nsd_id: np.ndarray) -> pd.DataFrame:
    """Read every instance that is visible after the crop, in pixels of the presented image.

    Annotations refer to the uncropped picture: segmentations (polygons, or run-length masks of
    crowds) are clipped by `cropBox` and scaled to 425 pixels.

    Parameters
    ----------
    nsd_id : (image,)

    Returns
    -------
    One row per visible instance, sorted by image and annotation: nsd_id, annotation_id,
    category_id, category, supercategory, crowd (bool), box of the visible part (x, y, width,
    height), visible_area (square pixels) and visible_share (fraction of the instance's area that
    is visible). Images without instances have no rows.

    Raises
    ------
    InputError
        A file is missing or damaged, an image is not in the file of its split, or a segmentation,
        a category or a cropBox is invalid.
    """
    table = read_image_table(layout).loc[np.asarray(nsd_id)]
    parts = [
        _split_instances(layout, split, rows)
        for split, rows in table.groupby("cocoSplit", sort=True)
    ]
    instances = pd.concat(parts, ignore_index=True)
    return instances.sort_values(["nsd_id", "annotation_id"], ignore_index=True)


def label_matrix(
    instances: pd.DataFrame,
    nsd_id: np.ndarray,
    labels: Sequence[str],
    column: str = "category",
    smallest_area: float = 0.0,
    crowds: bool = True,
) -> np.ndarray:
    """Indicate the categories or supercategories of each image.

    Parameters
    ----------
    instances : from `read_instances`
    nsd_id : (image,) rows of the result; an image without instances is a row of zeros
    labels : columns of the result, names of categories or supercategories
    column : "category" or "supercategory"
    smallest_area : visible area that an instance must exceed, in square pixels of 425 × 425
    crowds : whether groups that COCO marks as crowds count

    Returns
    -------
    (image, label) uint8, 1 where at least one instance is visible
    """
    counted = instances[instances["visible_area"] > smallest_area]
    if not crowds:
        counted = counted[~counted["crowd"]]
    counted = counted[counted["nsd_id"].isin(nsd_id)]
    rows = pd.Index(nsd_id).get_indexer(counted["nsd_id"])
    columns = pd.Index(labels).get_indexer(counted[column])
    matrix = np.zeros((len(nsd_id), len(labels)), dtype=np.uint8)
    matrix[rows[columns >= 0], columns[columns >= 0]] = 1
    return matrix


def _categories(content: Content) -> pd.DataFrame:
    listed = pd.DataFrame(content["categories"])
    table = listed.rename(columns={"id": "category_id", "name": "category"})
    return table.sort_values("category_id", ignore_index=True)[CATEGORY_COLUMNS]


def _split_instances(layout: NSDLayout, split: str, images: pd.DataFrame) -> pd.DataFrame:
    path = layout.annotations("instances", split)
    content = read_annotations(path, INSTANCE_FIELDS)
    crops = _crops(layout, path, images, content)
    found = [a for a in content["annotations"] if a["image_id"] in crops]
    frame = pd.DataFrame(
        {
            "nsd_id": [crops[a["image_id"]][0] for a in found],
            "annotation_id": [a["id"] for a in found],
            "category_id": [a["category_id"] for a in found],
            "crowd": [bool(a["iscrowd"]) for a in found],
        }
    )
    if (repeated := frame["annotation_id"].duplicated()).any():
        number = frame.loc[repeated, "annotation_id"].iloc[0]
        raise InputError(f"{path}: annotation {number} is there twice. {COCO_HINT}")
    frame = frame.merge(_categories(content), on="category_id", how="left")
    if (unknown := frame["category"].isna()).any():
        row = frame[unknown].iloc[0]
        raise InputError(
            f"{path}: annotation {row['annotation_id']} is of category {row['category_id']}, which "
            f"the file does not list. {COCO_HINT}"
        )
    rectangles = [crops[a["image_id"]][1] for a in found]
    clipped = _clip(path, found, rectangles)
    return _in_picture(frame, clipped, rectangles)


def _crops(
    layout: NSDLayout, path: Path, images: pd.DataFrame, content: Content
) -> dict[int, tuple[int, Rectangle]]:
    """Compute {COCO id: (nsd_id, rectangle that is kept)} for the images of one split."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    crops = {}
    for nsd_id, row in images.iterrows():
        if row["cocoId"] not in sizes:
            raise InputError(f"{path}: lacks image {row['cocoId']} (nsdId {nsd_id}). {COCO_HINT}")
        rectangle = _rectangle(row["cropBox"], *sizes[row["cocoId"]])
        if rectangle is None:
            width, height = sizes[row["cocoId"]]
            raise InputError(
                f"{layout.image_table}: cropBox {row['cropBox']} of nsdId {nsd_id} does not leave "
                f"a square of the {width} × {height} pixels in {path.name}; expected "
                f"fractions (top, bottom, left, right). {HINT}"
            )
        crops[row["cocoId"]] = nsd_id, rectangle
    return crops


def _rectangle(crop_box: str, width: int, height: int) -> Rectangle | None:
    """Apply `cropBox`, fractions cut off each side; None if the result is not a square."""
    try:
        top, bottom, left, right = (float(value) for value in ast.literal_eval(crop_box))
    except (ValueError, SyntaxError, TypeError):
        return None
    rectangle = left * width, top * height, (1 - right) * width, (1 - bottom) * height
    across, down = rectangle[2] - rectangle[0], rectangle[3] - rectangle[1]
    return rectangle if across > 1 and abs(across - down) <= 1 else None


def _clip(
    path: Path, annotations: Sequence[dict[str, Any]], crops: Sequence[Rectangle]
) -> np.ndarray:
    """Clip all instances: (instance, 6) as of `clip_polygons`."""
    clipped = np.zeros((len(annotations), 6))
    polygons = []
    for row, annotation in enumerate(annotations):
        segmentation = annotation["segmentation"]
        try:
            if isinstance(segmentation, dict):
                clipped[row] = clip_mask(segmentation, crops[row])
            elif any(len(part) % 2 for part in segmentation):
                raise ValueError("a polygon of an odd number of coordinates")
            elif not all(np.isfinite(np.asarray(part, np.float64)).all() for part in segmentation):
                raise ValueError("a coordinate that is not finite")
            else:
                polygons.append(row)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(
                f"{path}: segmentation of annotation {annotation['id']} is neither polygons nor "
                f"a run-length mask ({error}). {COCO_HINT}"
            ) from error
    clipped[polygons] = clip_polygons(
        [annotations[row]["segmentation"] for row in polygons], [crops[row] for row in polygons]
    )
    return clipped


def _in_picture(
    frame: pd.DataFrame, clipped: np.ndarray, crops: Sequence[Rectangle]
) -> pd.DataFrame:
    """Scale to the presented image, and drop instances that are not visible."""
    crop = np.array(crops, dtype=np.float64).reshape(-1, 4)
    scale = IMAGE_SIZE / (crop[:, 2] - crop[:, 0])
    complete, visible, left, top, right, bottom = clipped.T
    frame = frame.assign(
        x=(left - crop[:, 0]) * scale,
        y=(top - crop[:, 1]) * scale,
        width=(right - left) * scale,
        height=(bottom - top) * scale,
        visible_area=visible * scale**2,
        visible_share=np.divide(visible, complete, out=np.zeros_like(complete), where=complete > 0),
    )
    columns = ["nsd_id", "annotation_id", *CATEGORY_COLUMNS, *PICTURE_COLUMNS]
    return frame.loc[visible > 0, columns]
