"""Result files: ids and provenance inside, written atomically, identical for identical inputs.

A reader never meets half a file, nor one that was altered (see `integrity.py`). Nothing
volatile (dates, host names, absolute paths) is stored, so the same inputs and configuration give
the same bytes on the same machine.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import FULL, InputError
from pipeline.results.integrity import (
    DELETE,
    atomic_path,
    label,
    verify_checksum,
    verify_inputs,
    verify_location,
    verify_unless_older,
)
from pipeline.results.references import sources_of
from pipeline.results.result_file import Dimensions, ResultFile, array_names, open_data

# keys of the configuration that identify a result; they are attributes of its file
IDENTITY = ("subject", "variant", "model", "comparison", "space", "network")
# exceptions that h5py raises when it reads a damaged file
DAMAGED_FILE_ERRORS = (OSError, KeyError, AttributeError, RuntimeError, ValueError, TypeError)

Identity = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Result:
    """The arrays of one result file and the provenance of how they were made."""

    path: Path
    data: xr.Dataset
    provenance: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        values, attributes = self.data[name].values, self.data[name].attrs
        dtype = str if values.dtype.kind == "O" else attributes.get("dtype", values.dtype)
        return values.astype(dtype, copy=False)

    @property
    def configuration(self) -> dict[str, Any]:
        """Settings of the stage, and the identity of the result."""
        return self.provenance["configuration"]

    @property
    def identity(self) -> Identity:
        """Names and values that identify the result, such as its subject and model."""
        return tuple(identity_in(self.provenance).items())

    def by_label(self, name: str) -> dict[str, np.ndarray]:
        """Return {label of the first dimension: its values} of an array."""
        labels = self[str(self.data[name].dims[0])].tolist()
        return dict(zip(labels, self[name], strict=True))

    def ordered(self, dimension: str, labels: np.ndarray, requested_by: Path | str) -> Result:
        """Return the result with the labels of a dimension in the requested order.

        Raises
        ------
        InputError
            The result lacks one; the message names its file and `requested_by`.
        """
        rows = positions(self[dimension], labels, self.path, requested_by)
        return replace(self, data=self.data.isel({dimension: rows}))


def canonical(value: Any) -> str:
    """Return JSON text with sorted keys, which does not depend on their order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@contextmanager
def create_result(
    path: Path | str, provenance: Mapping[str, Any], replace: bool = True
) -> Iterator[ResultFile]:
    """Open an HDF5 file to stream a result into; it appears at `path` if the block succeeds.

    Parameters
    ----------
    replace : replace a file that exists at `path` when the block ends

    Raises
    ------
    OSError
        With one of `FULL` as its `errno` if the disk is full.
    """
    with atomic_path(path, replace) as temporary:
        try:
            with ResultFile(temporary) as file:
                # text of fixed length, see `ResultFile`
                file.attrs["provenance"] = np.bytes_(canonical(provenance).encode())
                file.attrs["file"] = np.bytes_(label(path).encode())
                for name, value in identity_in(provenance).items():
                    file.attrs[name] = np.bytes_(value.encode())
                yield file
                file.flush()
        except (OSError, RuntimeError) as error:
            if (number := _errno(error)) not in FULL:
                raise
            raise OSError(number, os.strerror(number), str(path)) from error


def _errno(error: BaseException | None) -> int | None:
    """Return the number of a system error, which HDF5 writes into the message of its own.

    If closing the file fails too, HDF5's last message has no number, but the one before has.
    """
    while error is not None:
        if found := re.search(r"errno = (\d+)", str(error)):
            return int(found[1])
        if isinstance(error, OSError):
            return error.errno
        error = error.__context__
    return None


def write_result(
    path: Path | str,
    arrays: xr.Dataset | Mapping[str, tuple[Dimensions, Any]],
    provenance: Mapping[str, Any],
) -> None:
    """Write arrays with named dimensions.

    Parameters
    ----------
    arrays : {name: (dimensions, values)} as in `xarray.Dataset`: an array whose only dimension has
        its own name holds the labels of that dimension
    """
    data = arrays if isinstance(arrays, xr.Dataset) else xr.Dataset(arrays)
    with create_result(path, provenance) as file:
        for name in sorted(data.variables, key=lambda name: name not in data.dims):
            file.add(str(name), [str(one) for one in data[name].dims], data[name].values)


def read_result(path: Path | str, names: Iterable[str] | None = None) -> Result:
    """Read a result file, or only the named arrays of it and the labels of their dimensions.

    Raises
    ------
    InputError
        The file is missing, damaged, not a result file, or lacks a named array.
    """
    path = Path(path)
    with open_result(path) as file:
        names = array_names(file) if names is None else list(names)
        missing = [name for name in names if name not in file]
        if missing:
            raise InputError(
                f"{path}: lacks {', '.join(missing)}. The file was written by another version; "
                "delete it and run snakemake again."
            )
        return Result(path, open_data(file)[names].load(), provenance_in(file))


@contextmanager
def open_result(path: Path | str) -> Iterator[h5py.File]:
    """Open a result file for reading in parts, and report damage as an error that names it.

    Raises
    ------
    InputError
        Missing, altered, moved, or made from other files than those that exist.
    """
    path = Path(path)
    verify_unless_older(path)
    read, opened = [path], False
    try:
        with h5py.File(path, "r") as file:
            if not {"provenance", "file"} <= set(file.attrs):
                raise InputError(f"{path}: an HDF5 file, but not a result of this pipeline.")
            verify_location(path, file.attrs["file"].decode())
            verify_inputs(path, provenance_in(file).get("inputs", {}))
            for source in sources_of(file, path):
                _verify_source(source, path)
                read.append(source)
            opened = True
            yield file
    except DAMAGED_FILE_ERRORS as error:
        # if HDF5 met a false checksum, the file that has it is named
        for one in read:
            verify_checksum(one)
        if opened:
            raise
        raise InputError(f"{path}: damaged ({error}); {DELETE}.") from None


def provenance_in(file: h5py.File) -> dict[str, Any]:
    """Return the provenance in an open result."""
    return json.loads(file.attrs["provenance"])


def _verify_source(source: Path, path: Path) -> None:
    """Raise if a file that another refers to is missing or altered."""
    follows = f"{path} consists of rows of {source.name}: delete it as well."
    if not source.is_file():
        raise InputError(f"{source}: missing. Delete what is made of it, run snakemake. {follows}")
    try:
        with open_result(source):
            return
    except InputError as error:
        raise InputError(f"{error} {follows}") from None


def identity_in(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the names and values that identify a result, such as its subject and model."""
    settings = provenance.get("configuration", {})
    return {name: settings[name] for name in IDENTITY if isinstance(settings.get(name), str)}


def positions(
    ids: np.ndarray, requested: np.ndarray, source: Path | str, requested_by: Path | str
) -> np.ndarray:
    """Return the rows of the requested ids: files are joined by id, never by position.

    Parameters
    ----------
    ids : (row,) unique ids in `source`, in any order
    requested : (n,) ids that `requested_by` needs

    Raises
    ------
    InputError
        An id is missing; the message names both files.
    """
    rows = pd.Index(ids).get_indexer(requested)
    lacking = np.asarray(requested)[rows < 0]
    if len(lacking):
        raise InputError(
            f"{source}: lacks {len(lacking)} of the {len(requested)} ids in {requested_by} "
            f"(first: {lacking[0]}). They come from different runs; delete the older one "
            "and run snakemake again."
        )
    return rows


def read_pooled(paths: Sequence[Path], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the ids and rows of all images in several files, each image once, ordered by id.

    Parameters
    ----------
    paths : files, one per subject
    name : name of an array (image, …) in each file
    """
    results = [read_result(path, [name]) for path in paths]
    nsd_id = np.concatenate([result["image"] for result in results])
    images, first = np.unique(nsd_id, return_index=True)
    return images, np.concatenate([result[name] for result in results])[first]


def aligned_result(path: Path | str, like: Result) -> Result:
    """Read a result with its voxels in the order of another result.

    Raises
    ------
    InputError
        The result lacks a voxel of the other; the message names both files.
    """
    return read_result(path).ordered("voxel", like["voxel"], like.path)
