"""The files of a dataset of plain matrices; each reader reports a fault with the file's name."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd

from pipeline.configuration.settings import ATLAS, COMPOSITE, WHOLE
from pipeline.dataset.kinds import IMAGES
from pipeline.errors import InputError
from pipeline.reading import reading

CAPTIONS = "captions.tsv"
# of each subject; HDF5 files hold the array as `responses`
RESPONSES, SHOWN, CEILING = ("responses.npy", "responses.h5"), "images.npy", "noise_ceiling.npy"
MASK, REGIONS = "mask.nii.gz", "regions.tsv"
DAMAGED, HINT = "truncated or damaged", "Write it again (docs/datasets.md)."


def read_images(folder: Path) -> pd.DataFrame:
    """Read the table of images.

    Returns
    -------
    Index `image` (integers from 0, sorted); column `shared` (bool) and, if there are pictures,
    `picture` (path below the folder)

    Raises
    ------
    InputError
        The table is missing, or a row is wrong.
    """
    path = folder / IMAGES
    table = _read_table(path, ["image"])
    image = _whole_numbers(path, table["image"])
    if len(twice := image[image.duplicated()]):
        raise InputError(f"{path}: image {twice.iloc[0]} is listed twice. List each once.")
    shared = table.get("shared", pd.Series("0", table.index))
    if not shared.isin(["0", "1"]).all():
        wrong = shared[~shared.isin(["0", "1"])].iloc[0]
        raise InputError(f"{path}: column shared has '{wrong}'; write 1 for test images, else 0.")
    read = pd.DataFrame({"image": image, "shared": shared == "1"})
    if "picture" in table:
        read["picture"] = table["picture"]
    return read.set_index("image").sort_index()


def read_captions(folder: Path) -> pd.DataFrame:
    """Read captions: columns image and caption; an image may have several rows."""
    path = folder / CAPTIONS
    table = _read_table(path, ["image", "caption"])
    if (empty := table["caption"].str.strip() == "").any():
        raise InputError(f"{path}: line {np.argmax(empty) + 2} has no caption. Remove it.")
    return table.assign(image=_whole_numbers(path, table["image"]))


def read_shown(folder: Path, subject: str) -> np.ndarray:
    """Read the images (row,) int64 of a subject's rows of responses, as they were shown.

    Raises
    ------
    InputError
        The file is missing, or names images that the dataset does not have.
    """
    path = folder / subject / SHOWN
    shown = _read_array(path)
    if shown.ndim != 1 or shown.dtype.kind not in "iu":
        raise InputError(
            f"{path}: {shown.dtype} of shape {shown.shape}; write one whole number for each row of "
            "responses, the image that was shown."
        )
    unknown = np.setdiff1d(shown, read_images(folder).index)
    if len(unknown):
        raise InputError(
            f"{path}: {folder / IMAGES} does not list {len(unknown)} of its images, first "
            f"{unknown[0]}. Images are counted as there; add them, or correct the numbers."
        )
    return shown.astype(np.int64)


class ResponseMatrix:
    """Responses (row, voxel) of a subject, of which blocks of voxels are read.

    Raises
    ------
    InputError
        The file is missing or not a matrix of numbers.
    """

    def __init__(self, folder: Path, subject: str) -> None:
        found = [path for name in RESPONSES if (path := folder / subject / name).is_file()]
        if len(found) != 1:
            expected = " or ".join(RESPONSES)
            raise InputError(
                f"{folder / subject}: has {len(found)} files of responses. Write one, {expected}."
            )
        (self.path,) = found
        self.shape, dtype = self._header()
        if len(self.shape) != 2 or dtype.kind not in "fiu":
            raise InputError(
                f"{self.path}: {dtype} of shape {self.shape}; write numbers, a row for each "
                "presentation of an image and a column for each voxel."
            )

    def columns(self, voxels: slice) -> np.ndarray:
        """Read (row, voxel) float32 of some columns, NaN where there is no response."""
        with reading(self.path, DAMAGED, HINT):
            if self.path.suffix == ".npy":
                values = np.load(self.path, mmap_mode="r")[:, voxels]
            else:
                with h5py.File(self.path) as file:
                    values = file["responses"][:, voxels]
        values = np.asarray(values, dtype=np.float32)
        if np.isinf(values).any():
            raise InputError(f"{self.path}: has infinite values. Write NaN where none is known.")
        return values

    def _header(self) -> tuple[tuple[int, ...], np.dtype]:
        with reading(self.path, DAMAGED, HINT):
            if self.path.suffix == ".npy":
                values = np.load(self.path, mmap_mode="r")
                return values.shape, values.dtype
            with h5py.File(self.path) as file:
                return file["responses"].shape, file["responses"].dtype


def read_mask(
    folder: Path, subject: str, n_voxels: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read where the columns of responses lie in the brain.

    Without a mask the voxels are a row in space.

    Returns
    -------
    (voxel,) C-order indices of the nonzero voxels of the mask, sorted; `grid_shape`, `affine`
    """
    path = folder / subject / MASK
    if not path.is_file():
        return np.arange(n_voxels), {"grid_shape": np.array([n_voxels, 1, 1]), "affine": np.eye(4)}
    with reading(path, DAMAGED, HINT):
        image = nibabel.Nifti1Image.from_filename(path)
        inside, affine = np.asanyarray(image.dataobj) > 0, image.affine
    found = np.count_nonzero(inside)
    if inside.ndim != 3 or found != n_voxels:
        raise InputError(
            f"{path}: {found} voxels of a grid {inside.shape} are above 0, but responses have "
            f"{n_voxels} columns. Write a volume with as many, in C order of (X, Y, Z)."
        )
    return np.flatnonzero(inside), {"grid_shape": np.array(inside.shape), "affine": affine}


def read_ceiling(folder: Path, subject: str, n_voxels: int) -> np.ndarray | None:
    """Read the noise ceiling (voxel,) of single presentations, 0 to 1; None if there is no file."""
    path = folder / subject / CEILING
    if not path.is_file():
        return None
    ceiling = _read_array(path)
    numbers = ceiling.dtype.kind in "fiu"
    if ceiling.shape != (n_voxels,) or not (numbers and ((ceiling >= 0) & (ceiling < 1)).all()):
        raise InputError(
            f"{path}: {ceiling.dtype} of shape {ceiling.shape}; write for each of {n_voxels} "
            "voxels the explainable fraction of the variance of a single presentation, from 0 to "
            "below 1, without NaN."
        )
    return ceiling.astype(np.float64)


def read_regions(folder: Path, subject: str, n_voxels: int) -> pd.DataFrame:
    """Read the regions of voxels: columns column (of responses, from 0), atlas, roi, hemisphere.

    A voxel may be in several regions; without a file there are none.
    """
    path, columns = folder / subject / REGIONS, ["column", "atlas", "roi"]
    if not path.is_file():
        return pd.DataFrame(columns=[*columns, "hemisphere"])
    table = _read_table(path, columns)
    table["column"] = _whole_numbers(path, table["column"])
    if (beyond := table["column"] >= n_voxels).any():
        raise InputError(
            f"{path}: there is no column {table.loc[beyond, 'column'].iloc[0]}; responses have "
            f"{n_voxels}, counted from 0."
        )
    for name in table["atlas"].unique():
        if name in (WHOLE, COMPOSITE) or not re.fullmatch(ATLAS, name):
            raise InputError(
                f"{path}: '{name}' cannot be the name of an atlas; write letters, digits, - and _, "
                f"but not {WHOLE} or {COMPOSITE}, which tables use."
            )
    if (table["roi"].str.strip() == "").any():
        raise InputError(f"{path}: a row has no name in column roi. Name each region.")
    if "hemisphere" not in table:
        table["hemisphere"] = ""
    return table


def read_region_names(folder: Path) -> dict[str, list[str]]:
    """Read {atlas: names of its regions} of all subjects, in the order of their tables."""
    paths = sorted(folder.glob(f"*/{REGIONS}"))
    tables = [_read_table(path, ["atlas", "roi"]) for path in paths]
    names: dict[str, list[str]] = {}
    for table in tables:
        for atlas, name in zip(table["atlas"], table["roi"], strict=True):
            names.setdefault(atlas, [])
            if name not in names[atlas]:
                names[atlas].append(name)
    return names


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of tab-separated text."""
    if not path.is_file():
        raise InputError(f"{path}: not found. {HINT}")
    with reading(path, "not a table of tab-separated columns", HINT):
        # captions have quotes of their own
        table = pd.read_csv(
            path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE
        )
    if missing := [name for name in columns if name not in table]:
        raise InputError(
            f"{path}: lacks the column {' and '.join(missing)}; it has {', '.join(table)}. {HINT}"
        )
    if table.empty:
        raise InputError(f"{path}: has no row. {HINT}")
    return table


def _read_array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"{path}: not found. {HINT}")
    with reading(path, DAMAGED, HINT):
        found = np.load(path)
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path}: is an archive of arrays (NPZ). Write it by `numpy.save`.")
    return found


def _whole_numbers(path: Path, values: pd.Series) -> pd.Series:
    """Convert text to whole numbers from 0."""
    right = values.str.fullmatch(r"\d{1,9}")
    if not right.all():
        line = int(np.argmin(right.to_numpy())) + 2
        raise InputError(
            f"{path}: {values.name} in line {line} is '{values[~right].iloc[0]}'; write a whole "
            "number from 0."
        )
    return values.astype(np.int64)
