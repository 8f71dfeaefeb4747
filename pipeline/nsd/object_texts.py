"""Labels of images as text: controls for captions (Wang et al. 2023)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

TEMPLATE = "a photo of {}"
# text of an image without any of COCO's categories
NOTHING = "a photo"
# captions rarely say "person"
PERSONS = (
    *("person", "people", "man", "men", "woman", "women", "boy", "girl", "child", "children"),
    *("player", "guy", "lady", "kid", "baby", "skier", "surfer", "rider", "batter"),
)


def all_objects(instances: pd.DataFrame, nsd_id: np.ndarray) -> list[list[str]]:
    """Write a text per image that names every visible category once, the largest first."""
    areas = _areas(instances)
    return [[_say(list(areas.get(image, {})))] for image in nsd_id.tolist()]


def top_object(instances: pd.DataFrame, nsd_id: np.ndarray) -> list[list[str]]:
    """Write a text per image that names the category with the largest visible area."""
    areas = _areas(instances)
    return [[_say(list(areas.get(image, {}))[:1])] for image in nsd_id.tolist()]


def objects_in_captions(
    instances: pd.DataFrame, nsd_id: np.ndarray, captions: Sequence[Sequence[str]]
) -> list[list[str]]:
    """Write a text per image that names the visible categories which its captions mention."""
    areas = _areas(instances)
    texts = []
    for image, own in zip(nsd_id.tolist(), captions, strict=True):
        said = " ".join(own).lower()
        named = [category for category in areas.get(image, {}) if _mentions(said, category)]
        texts.append([_say(named)])
    return texts


def _areas(instances: pd.DataFrame) -> dict[int, dict[str, float]]:
    """Sum visible areas as {image: {category: area}}, the largest first."""
    total = instances.groupby(["nsd_id", "category"])["visible_area"].sum().reset_index()
    # equal areas in alphabetical order
    total = total.sort_values(["nsd_id", "visible_area", "category"], ascending=[True, False, True])
    areas: dict[int, dict[str, float]] = {}
    for image, category, area in total.itertuples(index=False):
        areas.setdefault(int(image), {})[category] = area
    return areas


def _say(categories: Sequence[str]) -> str:
    return TEMPLATE.format(", ".join(categories)) if categories else NOTHING


def _mentions(text: str, category: str) -> bool:
    """Return whether a text names a category, in the singular or the plural."""
    words = PERSONS if category == "person" else (category,)
    return any(re.search(rf"\b{re.escape(word)}(s|es)?\b", text) for word in words)
