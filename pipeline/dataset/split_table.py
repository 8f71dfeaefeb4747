"""A user's own table of training and test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.reading import reading

SETS = ("train", "test")
# folds of test images, in tables of this project and of others
NO_FOLD = ("", "-1", "n/a", "nan", "NaN")
FEWEST_TEST_IMAGES = 3
HINT = "Write columns nsd_id and set, separated by tabs; a column fold is optional."


def is_table(test: str) -> bool:
    """Return whether `splits.test` is a table of the user's."""
    return test.endswith(".tsv")


def read_split_table(path: Path, n_folds: int) -> pd.DataFrame:
    """Read a table of training and test images.

    Returns
    -------
    Index nsd_id; column `set` (train, test) and, if the table has one, `fold` (0…n_folds - 1; -1
    for test images)

    Raises
    ------
    InputError
        A column lacks, or a row is wrong; the message names the first.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found. Correct `splits.test`.")
    with reading(path, "not a table of tab-separated columns", HINT):
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    _require_columns(path, table)
    _require(path, table, "nsd_id", table["nsd_id"].str.fullmatch(r"\d{1,9}"), "0, 1, 2, …")
    _require(path, table, "set", table["set"].isin(SETS), "train or test")
    table["nsd_id"] = table["nsd_id"].astype(np.int64)
    if (twice := table["nsd_id"].duplicated()).any():
        raise InputError(
            f"{path}: image {table.loc[twice, 'nsd_id'].iloc[0]} is listed twice, "
            f"{twice.sum()} images in all. List each once."
        )
    read = table.set_index("nsd_id")[["set"]]
    return read if "fold" not in table else read.assign(fold=_folds(path, table, n_folds))


def require_images(
    path: Path, table: pd.DataFrame, n_images: int, seen: dict[str, np.ndarray], n_folds: int
) -> None:
    """Raise unless a table's images exist, and suffice for every subject.

    Parameters
    ----------
    table : see `read_split_table`
    n_images : number of images of the dataset
    seen : {subject: its images}
    """
    listed = table.index.to_numpy()
    # images of NSD are also counted from 1, as 73KID
    every = np.unique(np.concatenate([*seen.values()]))
    if np.isin(listed - 1, every).all() and not np.isin(listed, every).all():
        raise InputError(
            f"{path}: nsd_id seems to be counted from 1, as NSD's 73KID is: subjects saw every "
            "image before a listed one, but not every listed one. Subtract 1."
        )
    if (outside := listed[listed >= n_images]).size:
        raise InputError(
            f"{path}: there is no image {outside[0]}; images are 0 to {n_images - 1}, counted from "
            "0 (NSD's 73KID minus 1)."
        )
    for subject, images in seen.items():
        own = table[np.isin(listed, images)]
        n_test = np.count_nonzero(own["set"] == "test")
        if n_test < FEWEST_TEST_IMAGES:
            raise InputError(
                f"{path}: {subject} saw {n_test} of its test images, but at least "
                f"{FEWEST_TEST_IMAGES} are needed. List more, or leave {subject} out."
            )
        train = own[own["set"] == "train"]
        n_found = train["fold"].nunique() if "fold" in own else len(train)
        if n_found < n_folds:
            what = "folds" if "fold" in own else "training images"
            raise InputError(
                f"{path}: {subject} saw {n_found} of its {what}, too few for `splits.folds: "
                f"{n_folds}`. List more images, or lower `folds`."
            )


def _require_columns(path: Path, table: pd.DataFrame) -> None:
    missing = [name for name in ("nsd_id", "set") if name not in table]
    if missing:
        also = " 73KID counts from 1: subtract 1 for nsd_id." if "73KID" in table else ""
        raise InputError(
            f"{path}: lacks the column {' and '.join(missing)}; it has {', '.join(table)}.{also} "
            f"{HINT}"
        )


def _require(path: Path, table: pd.DataFrame, column: str, right: pd.Series, expected: str) -> None:
    """Raise, naming the first wrong row, unless a column is right everywhere."""
    if not right.all():
        row = int(np.flatnonzero(~right)[0])
        raise InputError(
            f"{path}: {column} in line {row + 2} is '{table[column].iloc[row]}', expected "
            f"{expected}. Correct it."
        )


def _folds(path: Path, table: pd.DataFrame, n_folds: int) -> np.ndarray:
    test = table["set"] == "test"
    named = [str(fold) for fold in range(n_folds)]
    right = table["fold"].isin(named) & ~test | table["fold"].isin(NO_FOLD) & test
    expected = f"0 to {n_folds - 1} of training images (`splits.folds: {n_folds}`), none of others"
    _require(path, table, "fold", right, expected)
    return table["fold"].where(~test, "-1").astype(np.int64).to_numpy()
