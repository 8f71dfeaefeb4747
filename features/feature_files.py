"""Files with features of a user's own: matrices (image, feature), and the ids of their images.

Without torch: files are also checked by what needs none. Headers are read at once, ids when they
are first needed, and of NPY and HDF5 only the rows that are asked for.
"""

from __future__ import annotations

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pandas as pd

from features.layers import Layer

# the array of files that hold one matrix
ONLY = "features"
# rows of a chosen part of a file that are read as one slice if they are at least so dense
DENSE = 0.25
ROWS_PER_BLOCK = 1024


class FeatureFileError(ValueError):
    """Fault of a file of features: the message names the file, the array and how to correct it."""


@dataclass(frozen=True)
class Header:
    """Shape and type of a stored array."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{' × '.join(map(str, self.shape))}, {self.dtype}"


class Stored(ABC):
    """The arrays of a file.

    Attributes
    ----------
    headers : {array: its shape and type}, the ids among them if they are inside
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers: Mapping[str, Header] = {}

    @abstractmethod
    def read(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Read the rows of an array, sorted and each once, or all of it."""


class _Npy(Stored):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with open(path, "rb") as file:
            self.headers = {ONLY: _npy_header(file)}

    def read(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        values = np.load(self.path, mmap_mode="r")
        return np.array(values if rows is None else values[rows])


class _Npz(Stored):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with zipfile.ZipFile(path) as archive:
            self.headers = {
                name.removesuffix(".npy"): _npy_header(archive.open(name))
                for name in archive.namelist()
            }

    def read(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        values = _npz_array(self.path, self.path.stat().st_mtime_ns, name)
        return values if rows is None else values[rows]


@lru_cache(maxsize=1)
def _npz_array(path: Path, modified: int, name: str) -> np.ndarray:
    """Read an array of an archive, of which no part can be read alone."""
    with np.load(path) as archive:
        return archive[name]


class _Hdf5(Stored):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with h5py.File(path) as file:
            self.headers = {
                name: Header(dataset.shape or (), dataset.dtype)
                for name, dataset in file.items()
                if isinstance(dataset, h5py.Dataset)
            }

    def read(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        with h5py.File(self.path) as file:
            dataset = file[name]
            if rows is None or not len(rows):
                return dataset[() if rows is None else slice(0)]
            first, last = rows[0], rows[-1] + 1
            if len(rows) >= DENSE * (last - first):
                return dataset[first:last][rows - first]
            return dataset[rows]


class _Table(Stored):
    """A column of ids, and features in the others."""

    def __init__(self, path: Path, ids: str) -> None:
        super().__init__(path)
        self.frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        if self.frame.index.name is not None:
            # Parquet keeps which column was the index
            self.frame = self.frame.reset_index()
        self.frame.columns = self.frame.columns.astype(str)
        columns = [name for name in self.frame if name != ids]
        self.features = self.frame[columns]
        for name in columns:
            if name.startswith("Unnamed:") or not _holds_numbers(self.frame[name]):
                raise FeatureFileError(
                    f"{path}: column `{name}` holds no numbers, or has no name, as the index that "
                    "pandas writes. Keep a column of ids, which `image_ids` names, and features"
                )
        self.headers = {ONLY: Header(self.features.shape, np.dtype(np.float64))}
        if ids in self.frame:
            self.headers[ids] = Header((len(self.frame),), self.frame[ids].to_numpy().dtype)

    def read(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        values = self.features if name == ONLY else self.frame[name]
        chosen = values if rows is None else values.iloc[rows]
        return chosen.to_numpy(np.float64, na_value=np.nan)


def _holds_numbers(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)


def _npy_header(file: IO[bytes]) -> Header:
    versions = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, dtype = versions[np.lib.format.read_magic(file)](file)
    return Header(shape, dtype)


FORMATS: dict[str, type[Stored]] = {".npy": _Npy, ".npz": _Npz, ".h5": _Hdf5, ".hdf5": _Hdf5}
TABLES = (".csv", ".parquet")


class FeatureFile:
    """Features of images, by the ids of the images.

    Parameters
    ----------
    path : NPY, NPZ, HDF5, Parquet or CSV
    image_ids : path of an NPY file with the ids, or name of the array or column of `path` with them

    Raises
    ------
    FeatureFileError
        A file is missing or cannot be read.
    """

    def __init__(self, path: Path, image_ids: str) -> None:
        self.path, self.image_ids = path, image_ids
        self.ids_path = ids_file(image_ids)
        suffixes = (*FORMATS, *TABLES)
        if path.suffix not in suffixes:
            raise FeatureFileError(
                f"{path}: its ending is none of {', '.join(suffixes)}. Write it as one of these"
            )
        with _reading(path):
            table = path.suffix in TABLES
            self._stored = _Table(path, image_ids) if table else FORMATS[path.suffix](path)

    @cached_property
    def arrays(self) -> dict[str, Header]:
        """Arrays but for the ids."""
        own = self.image_ids if self.ids_path is None else None
        return {name: header for name, header in self._stored.headers.items() if name != own}

    @cached_property
    def ids(self) -> np.ndarray:
        """Ids of the images (row,) int64, in the order of the file.

        Raises
        ------
        FeatureFileError
            There are none, or they are no whole numbers, or one is there twice.
        """
        where, values = self._read_ids()
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise FeatureFileError(
                f"{where}: ids are {values.dtype} of shape {values.shape}; write one whole number "
                "for each image"
            )
        with np.errstate(invalid="ignore"):
            ids = values.astype(np.int64)
        wrong = values[(ids != values) | (ids < 0)]
        if len(wrong):
            raise FeatureFileError(
                f"{where}: {wrong[0]} is no id of an image; write whole numbers from 0"
            )
        found, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            twice = found[counts > 1]
            raise FeatureFileError(
                f"{where}: {len(twice)} ids are there more than once ({in_words(twice)}); keep one "
                "row for each image"
            )
        return ids

    def _read_ids(self) -> tuple[str, np.ndarray]:
        """Read the ids, and say where they are."""
        if self.ids_path is not None:
            with _reading(self.ids_path):
                return str(self.ids_path), np.load(self.ids_path)
        if self.image_ids not in self._stored.headers:
            raise FeatureFileError(
                f"{self.path}: has no ids named `{self.image_ids}`. Name the array or column with "
                f"the ids, or an NPY file of ids, in `image_ids`. {self._listed()}"
            )
        with _reading(self.path):
            return f"{self.path}: {self.image_ids}", self._stored.read(self.image_ids)

    def matching(self, layers: Iterable[Layer]) -> list[str]:
        """Return the arrays that match names and patterns, each once.

        Raises
        ------
        FeatureFileError
            There is no such array, or it is no matrix of numbers with a row for each id.
        """
        found: dict[str, None] = {}
        for layer in layers:
            matched = layer.matching(map(Layer, self.arrays))
            if not matched:
                raise FeatureFileError(
                    f"{self.path}: has no array `{layer}`; correct `layer:` of the feature space. "
                    f"{self._listed()}"
                )
            found |= dict.fromkeys(one.name for one in matched)
        for name in found:
            self._require_matrix(name)
        return list(found)

    def _require_matrix(self, name: str) -> None:
        header, where = self.arrays[name], f"{self.path}: {name}"
        if set(name) & set(":/"):
            raise FeatureFileError(f"{where}: a layer's name has no `:` or `/`; rename the array")
        if header.dtype.kind not in "biuf":
            raise FeatureFileError(f"{where} holds {header.dtype}, no numbers; write it as float32")
        if len(header.shape) != 2 or not header.shape[1]:
            raise FeatureFileError(
                f"{where} has shape {header.shape}; write a matrix (image, feature), for example "
                "by array.reshape(len(array), -1)"
            )
        if header.shape[0] != len(self.ids):
            raise FeatureFileError(
                f"{where} has {header.shape[0]} rows, but there are {len(self.ids)} ids; write one "
                "id for each row"
            )

    def read(self, name: str, ids: np.ndarray) -> np.ndarray:
        """Read the features (image, feature) float32 of images, in the order of `ids`."""
        places = np.searchsorted(self.ids, ids, sorter=self._order)
        rows, back = np.unique(self._order[places], return_inverse=True)
        with _reading(self.path):
            values = self._stored.read(name, rows)
        with np.errstate(over="ignore"):
            return values.astype(np.float32)[back]

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.ids)

    def blocks(self, name: str, ids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ids and features of images, some at a time, in the order of the file."""
        chosen = self.ids[np.isin(self.ids, ids)]
        for start in range(0, len(chosen), ROWS_PER_BLOCK):
            here = chosen[start : start + ROWS_PER_BLOCK]
            yield here, self.read(name, here)

    def _listed(self) -> str:
        listed = [f"`{name}` ({header})" for name, header in self.arrays.items()]
        return f"It has {', '.join(listed) or 'no arrays'}"


def open_features(specification: Mapping[str, Any]) -> FeatureFile:
    """Open the file that the specification of a network names as its weights.

    Without `image_ids`, the array or column of ids has the name of their numbering, the stimulus.
    """
    image_ids = specification.get("image_ids", specification["stimulus"])
    return FeatureFile(Path(specification["weights"]).expanduser(), image_ids)


def ids_file(image_ids: str) -> Path | None:
    """Return the path of a separate file with ids; None if they are inside the file of features."""
    return Path(image_ids).expanduser() if image_ids.endswith(".npy") else None


def in_words(ids: np.ndarray, shown: int = 5) -> str:
    """List the first few ids."""
    listed = ", ".join(map(str, ids[:shown].tolist()))
    return f"{listed}, …" if len(ids) > shown else listed


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Report any exception inside the block as a fault of the file.

    Libraries raise almost any exception on malformed files. A lack of memory is not such a fault.
    """
    if not path.is_file():
        raise FeatureFileError(f"{path}: not found. Correct the path, or write the file there")
    try:
        yield
    except (FeatureFileError, MemoryError):
        raise
    except Exception as error:
        message: Any = " ".join(str(error).split())[:200] or type(error).__name__
        raise FeatureFileError(
            f"{path}: cannot be read ({message}): truncated, damaged or another format than its "
            "ending says. Write it again"
        ) from error
