"""Result files: ids and provenance inside, written atomically, identical for identical inputs.

A reader never meets half a file, nor one that was altered (see `integrity.py`). Nothing
volatile (dates, host names, absolute paths) is stored, so the same inputs and configuration give
the same bytes.
"""

from __future__ import annotations

import importlib.metadata
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
from pipeline.jobs.frozen_run import record, running_stage
from pipeline.results.accounts import (
    MADE,
    account_path,
    provenance_of,
    read_account,
    read_made,
    verify_beside,
)
from pipeline.results.integrity import (
    DELETE,
    atomic_path,
    content_hash,
    label,
    verify_checksum,
    verify_inputs,
    verify_place,
    verify_unless_older,
)
from pipeline.results.references import sources_of
from pipeline.results.result_file import Dimensions, ResultFile, array_names, open_data

PACKAGES = (
    "numpy",
    "torch",
    "open_clip_torch",
    "torchvision",
    "transformers",
    "himalaya",
    "scikit-learn",
    "nibabel",
    "h5py",
)
# of tables and maps, which have an account beside them
DESCRIBED = frozenset({".tsv", ".parquet", ".gz", ".gii"})
# what a file is of: those of its configuration that it has are attributes of it
IDENTITY = ("subject", "variant", "model", "comparison", "space", "network")
# what h5py raises when it reads one
OF_A_DAMAGED_FILE = (OSError, KeyError, AttributeError, RuntimeError, ValueError, TypeError)


Identity = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Result:
    """The arrays of one result file and the account of how they came to be."""

    path: Path
    data: xr.Dataset
    provenance: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        values, told = self.data[name].values, self.data[name].attrs
        meant = str if values.dtype.kind == "O" else told.get("dtype", values.dtype)
        return values.astype(meant, copy=False)

    @property
    def configuration(self) -> dict[str, Any]:
        """What the stage told of its settings, and what the result is of."""
        return self.provenance["configuration"]

    @property
    def identity(self) -> Identity:
        """What it is of, such as its subject and model, wherever its file lies."""
        return tuple(identity_in(self.provenance).items())

    def by_label(self, name: str) -> dict[str, np.ndarray]:
        """{label of the first dimension: its values} of an array."""
        labels = self[str(self.data[name].dims[0])].tolist()
        return dict(zip(labels, self[name], strict=True))

    def ordered(self, dimension: str, labels: np.ndarray, asker: Path | str) -> Result:
        """The same with a dimension's labels in this order, whatever the order in its file.

        Raises
        ------
        InputError
            It lacks one; the message names the file and who asks.
        """
        rows = positions(self[dimension], labels, self.path, asker)
        return replace(self, data=self.data.isel({dimension: rows}))


def canonical(value: Any) -> str:
    """JSON text that is the same whatever the order of the keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@contextmanager
def create_result(
    path: Path | str, provenance: Mapping[str, Any], replace: bool = True
) -> Iterator[ResultFile]:
    """An open HDF5 file to stream a result into; it appears at `path` when the block ends well.

    Parameters
    ----------
    replace : whether it takes the place of what is there by then

    Raises
    ------
    OSError
        With one of `FULL` as its `errno` if the disk is full.
    """
    with atomic_path(path, replace) as temporary:
        try:
            with ResultFile(temporary) as file:
                # of fixed length, as text in `ResultFile`
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


def _errno(error: Exception) -> int | None:
    """HDF5 tells the number in words when it cannot close a file."""
    told = re.search(r"errno = (\d+)", str(error))
    return int(told[1]) if told else getattr(error, "errno", None)


def write_result(
    path: Path | str,
    arrays: xr.Dataset | Mapping[str, tuple[Dimensions, Any]],
    provenance: Mapping[str, Any],
) -> None:
    """Write arrays with named dimensions.

    Parameters
    ----------
    arrays : {name: (dimensions, values)} as `xarray.Dataset` takes them: an array whose only
        dimension has its own name holds the labels of that
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
    """A result file open for reading in parts, its damages told in words.

    Raises
    ------
    InputError
        Missing, altered, of another place, or made of other files than those that are there.
    """
    path = Path(path)
    verify_unless_older(path)
    read, opened = [path], False
    try:
        with h5py.File(path, "r") as file:
            if not {"provenance", "file"} <= set(file.attrs):
                raise InputError(f"{path}: an HDF5 file, but not a result of this pipeline.")
            verify_place(path, file.attrs["file"].decode())
            verify_inputs(path, provenance_in(file).get("inputs", {}))
            for source in sources_of(file, path):
                _verify_source(source, path)
                read.append(source)
            opened = True
            yield file
    except OF_A_DAMAGED_FILE as error:
        # if HDF5 met a false checksum, the file that has it is named
        for one in read:
            verify_checksum(one)
        if opened:
            raise
        raise InputError(f"{path}: damaged ({error}); {DELETE}.") from None


def provenance_in(file: h5py.File) -> dict[str, Any]:
    """The provenance in an open result."""
    return json.loads(file.attrs["provenance"])


def _verify_source(source: Path, path: Path) -> None:
    """Raise if a file is missing or altered whose rows another consists of."""
    follows = f"{path} consists of rows of {source.name}: delete it as well."
    if not source.is_file():
        raise InputError(f"{source}: missing. Delete what is made of it, run snakemake. {follows}")
    try:
        with open_result(source):
            return
    except InputError as error:
        raise InputError(f"{error} {follows}") from None


def verify(path: Path) -> None:
    """Read any result whole, and raise if it was altered or does not belong where it is.

    Raises
    ------
    InputError
    """
    verify_checksum(path)
    if path.suffix == ".h5":
        with open_result(path):
            return
    if path.suffix == ".json":
        read_account(path)
    if path.suffix in DESCRIBED:
        verify_beside(path)


def read_provenance(path: Path | str) -> dict[str, Any]:
    """Read the provenance inside a result (HDF5) or beside it (the JSON of a table).

    Raises
    ------
    InputError
        The file has none, or is missing or altered.
    """
    found = find_provenance(path)
    if found is None:
        raise InputError(f"{path}: has no provenance, so no stage of this pipeline wrote it.")
    return found


def find_provenance(path: Path | str) -> dict[str, Any] | None:
    """Read the provenance of a file as `read_provenance` does; None if it is not a result."""
    path = Path(path)
    if path.suffix == ".h5":
        with open_result(path) as file:
            return provenance_in(file)
    if path.suffix == ".tsv" and account_path(path).exists():
        return verify_beside(path)["provenance"]
    return None


def identity_in(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What a result is of, such as its subject and model, as its provenance tells it."""
    told = provenance.get("configuration", {})
    return {name: told[name] for name in IDENTITY if isinstance(told.get(name), str)}


def by_identity(paths: Iterable[Path]) -> dict[Identity, Path]:
    """Files of results by what they are of, see `Result.identity`."""
    return {tuple(identity_in(read_provenance(path)).items()): path for path in paths}


def read_record(path: Path) -> dict[str, Any] | None:
    """What a result (HDF5, JSON) records of the stage that made it, as `record` gave it."""
    if path.suffix == ".h5":
        return read_provenance(path)
    return read_made(path) if path.suffix == ".json" else None


def make_provenance(
    stage: str,
    configuration: Mapping[str, Any],
    inputs: Mapping[str, Path | str],
    *,
    seed: int | None = None,
    simulated: bool | None = None,
    untrained: Sequence[str] | None = None,
    weights: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """The account a result carries: settings, code, versions, seed, hash of each input.

    `configuration` is what the stage tells of how it understood the settings that it took. That
    data are simulated, which networks are untrained and what the weights of every feature space are
    ({space: {"state", "label"}}, see `space_weights.py`) is inherited from the inputs, so
    that no later stage can forget to say it; `simulated`, `untrained` and `weights` add what this
    stage itself knows.
    """
    inherited = [found for path in inputs.values() if (found := find_provenance(path))]
    names = set(untrained or ()).union(*(found["untrained"] for found in inherited))
    return {
        **record(stage),
        "configuration": dict(configuration),
        "versions": package_versions(),
        "inputs": {
            name: {"file": label(path), "sha256": content_hash(path)}
            for name, path in inputs.items()
        },
        "seed": seed,
        "simulated": bool(simulated) or any(found["simulated"] for found in inherited),
        "untrained": sorted(names),
        "weights": {
            **{name: told for found in inherited for name, told in found["weights"].items()},
            **(weights or {}),
        },
    }


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON for people: indented, sorted keys; numpy numbers allowed."""
    write_text(path, json.dumps(_plain(value), indent=2, sort_keys=True) + "\n")


def _plain(value: Any) -> Any:
    """What JSON can say, of numpy's numbers and of paths too."""
    return json.loads(json.dumps(value, default=_as_json))


def _as_json(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def write_text(path: Path | str, text: str) -> None:
    """Write text, such as a page."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def write_account(path: Path | str, account: Mapping[str, Any]) -> None:
    """Write a JSON that says by which stage it was made, if not by a provenance of its own."""
    stage = running_stage()
    made = {MADE: record(stage)} if stage and not provenance_of(account) else {}
    write_json(path, {**account, **made})


def write_table(
    path: Path | str,
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    provenance: Mapping[str, Any],
) -> None:
    """Write a TSV, and beside it a JSON that describes every column.

    Raises
    ------
    KeyError
        A column has no description.
    """
    path = Path(path)
    described = {name: columns[name] for name in frame.columns}
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format="%.6g")
    account = {"columns": described, "provenance": provenance}
    write_account(account_path(path), account)


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a TSV written by `write_table`.

    Raises
    ------
    InputError
        Missing, altered, or edited by hand.
    """
    path = Path(path)
    verify_beside(path)
    return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)


def described_columns(path: Path | str) -> dict[str, str]:
    """{column: what it means} of a TSV written by `write_table`."""
    return read_account(account_path(Path(path)))["columns"]


def positions(
    ids: np.ndarray, wanted: np.ndarray, source: Path | str, asker: Path | str
) -> np.ndarray:
    """Row numbers of the `wanted` ids in `ids`: files are joined by id, never by position.

    Parameters
    ----------
    ids : (row,) unique in any order, the ids that `source` holds
    wanted : (n,) the ids that `asker` needs

    Raises
    ------
    InputError
        An id is missing; the message names both files.
    """
    ids, wanted = np.asarray(ids), np.asarray(wanted)
    order = np.argsort(ids, kind="stable")
    places = np.searchsorted(ids, wanted, sorter=order)
    rows = order[np.clip(places, 0, len(ids) - 1)] if len(ids) else places
    found = ids[rows] == wanted if len(ids) else np.zeros(len(wanted), bool)
    if not found.all():
        raise InputError(
            f"{source}: lacks {np.count_nonzero(~found)} of the {len(wanted)} ids in {asker} "
            f"(first: {wanted[~found][0]}). They come from different runs; delete the older one "
            "and run snakemake again."
        )
    return rows


def read_pooled(paths: Sequence[Path], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids and rows of all images that several files have, each once, in the order of the ids.

    Parameters
    ----------
    paths : of each subject
    name : of an array (image, …) in each
    """
    results = [read_result(path, [name]) for path in paths]
    nsd_id = np.concatenate([result["image"] for result in results])
    images, first = np.unique(nsd_id, return_index=True)
    return images, np.concatenate([result[name] for result in results])[first]


def aligned_result(path: Path | str, like: Result) -> Result:
    """A result with its voxels in the order of another's, whatever the order in its file.

    Raises
    ------
    InputError
        It lacks a voxel of the other; the message names both files.
    """
    return read_result(path).ordered("voxel", like["voxel"], like.path)
