"""Datasets that are rows of other files' datasets, without copying them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.results.result_file import ResultFile

# attribute of a file: which others it refers to, relative to its own folder
SOURCES = "sources"


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix in a file, and where they go.

    Attributes
    ----------
    path : the file
    dataset : its matrix's name
    shape : of the whole matrix
    rows : (row,) of the matrix
    places : (row,) where they go in the matrix that refers to them
    column : where their first column goes
    """

    path: Path
    dataset: str
    shape: tuple[int, int]
    rows: np.ndarray
    places: np.ndarray
    column: int = 0


def refer_to_rows(
    file: ResultFile,
    place: Path,
    name: str,
    dimensions: Sequence[str],
    shape: tuple[int, int],
    blocks: Iterable[Rows],
) -> h5py.Dataset:
    """Write a float32 matrix that is rows of other files' (a virtual dataset of HDF5).

    Where a file is missing that it refers to, it reads as NaN; `storage.open_result` refuses it.

    Parameters
    ----------
    file : open to be written, to be moved to `place` when it is whole
    name, dimensions, shape : of the matrix
    """
    layout = h5py.VirtualLayout(shape, np.float32)
    # or the same call would not give the same bytes
    layout.dcpl.set_obj_track_times(False)
    sources = set(file.attrs.get(SOURCES, ()))
    for block in blocks:
        # HDF5 follows links of folders before it goes up
        path = os.path.relpath(os.path.realpath(block.path), os.path.realpath(place.parent))
        source = h5py.VirtualSource(path, block.dataset, block.shape)
        columns = slice(block.column, block.column + block.shape[1])
        for run in _runs(block.rows, block.places):
            first, n_rows = block.rows[run.start], run.stop - run.start
            there = block.places[run.start]
            layout[there : there + n_rows, columns] = source[first : first + n_rows]
        sources.add(path)
    file.attrs[SOURCES] = sorted(sources)
    dataset = file.create_virtual_dataset(name, layout, fillvalue=np.nan)
    dataset.attrs["dtype"] = np.bytes_(b"float32")
    return file.name_dimensions(dataset, dimensions)


def _runs(rows: np.ndarray, places: np.ndarray) -> Iterator[slice]:
    """Neighbours that stay neighbours."""
    breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(places) != 1)) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return (slice(*pair) for pair in itertools.pairwise(edges) if pair[0] < pair[1])


def sources_of(file: h5py.File, path: Path) -> list[Path]:
    """The files that one refers to."""
    told = file.attrs.get(SOURCES, ())
    return [Path(os.path.realpath(path.parent / source)) for source in told]
