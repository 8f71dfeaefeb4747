"""Texts of images in a user's own table, which networks read in the place of COCO's captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.reading import reading

COLUMNS = ("nsd_id", "caption")
HINT = "Write columns nsd_id and caption, separated by tabs, with a row for each text."


def read_own_texts(path: Path, nsd_id: np.ndarray) -> list[list[str]]:
    """Read the texts of each image, at least one, in the order of the table.

    Parameters
    ----------
    path : table with columns nsd_id and caption; an image may have several rows
    nsd_id : (image,)

    Raises
    ------
    InputError
        The file is not such a table, a text is empty, or an image has none.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found. Correct `texts`.")
    with reading(path, "not a table of tab-separated columns", HINT):
        # quotation marks belong to a text
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    if lacking := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{path}: lacks the column {' and '.join(lacking)}. {HINT}")
    texts = table["caption"].str.strip()
    _require(path, table["nsd_id"].str.fullmatch(r"\d{1,9}"), "nsd_id is not 0, 1, 2, …")
    _require(path, texts != "", "the caption is empty")
    of_image = texts.groupby(table["nsd_id"].astype(np.int64)).apply(list)
    if len(without := np.setdiff1d(nsd_id, of_image.index)):
        counted = np.isin(nsd_id + 1, of_image.index).all()
        also = " It seems to be counted from 1, as NSD's 73KID is: subtract 1." if counted else ""
        raise InputError(
            f"{path}: has no caption of {len(without)} of the study's {len(nsd_id)} images, first "
            f"nsd_id {without[0]}. Add a row for each.{also}"
        )
    return of_image[nsd_id].tolist()


def _require(path: Path, right: pd.Series, wrong: str) -> None:
    """Raise, naming the first wrong line, unless all are right."""
    if not right.all():
        raise InputError(f"{path}: {wrong} in line {np.argmin(right) + 2}. Correct it.")
