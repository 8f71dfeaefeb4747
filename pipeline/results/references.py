"""Datasets that refer to rows of datasets in other files (virtual datasets of HDF5)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pipeline.results.result_file import ResultFile

# attribute of a file: paths of the files to which it refers, relative to its own folder
SOURCES = "sources"


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix in a file, and their position in the matrix that refers to them.

    Attributes
    ----------
    path : file with the matrix
    dataset : name of the matrix
    shape : shape of the matrix
    rows : (row,) rows of the matrix
    target_rows : (row,) corresponding rows of the referring matrix
    column : column of the referring matrix that corresponds to the first of the matrix
    """

    path: Path
    dataset: str
    shape: tuple[int, int]
    rows: np.ndarray
    target_rows: np.ndarray
    column: int = 0


def refer_to_rows(
    file: ResultFile,
    path: Path,
    name: str,
    dimensions: Sequence[str],
    shape: tuple[int, int],
    blocks: Iterable[Rows],
) -> h5py.Dataset:
    """Add a float32 matrix that refers to rows in other files.

    Rows of a missing file read as NaN; `storage.open_result` refuses such a file.

    Parameters
    ----------
    file : file opened for writing, which will be moved to `path`
    name, dimensions, shape : name, names of dimensions and shape of the matrix
    """
    layout = h5py.VirtualLayout(shape, np.float32)
    # without times the same call writes the same bytes
    layout.dcpl.set_obj_track_times(False)
    sources = set(file.attrs.get(SOURCES, ()))
    for block in blocks:
        # HDF5 resolves links of folders before `..`
        target = os.path.relpath(os.path.realpath(block.path), os.path.realpath(path.parent))
        source = h5py.VirtualSource(target, block.dataset, block.shape)
        columns = slice(block.column, block.column + block.shape[1])
        for run in _runs(block.rows, block.target_rows):
            first, n_rows = block.rows[run.start], run.stop - run.start
            row = block.target_rows[run.start]
            layout[row : row + n_rows, columns] = source[first : first + n_rows]
        sources.add(target)
    file.attrs[SOURCES] = sorted(sources)
    dataset = file.create_virtual_dataset(name, layout, fillvalue=np.nan)
    dataset.attrs["dtype"] = np.bytes_(b"float32")
    return file.name_dimensions(dataset, dimensions)


def _runs(rows: np.ndarray, target_rows: np.ndarray) -> Iterator[slice]:
    """Yield ranges of rows that are adjacent in both matrices."""
    breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(target_rows) != 1)) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return (slice(*pair) for pair in itertools.pairwise(edges) if pair[0] < pair[1])


def sources_of(file: h5py.File, path: Path) -> list[Path]:
    """Return the paths of the files to which an open file refers."""
    sources = file.attrs.get(SOURCES, ())
    return [Path(os.path.realpath(path.parent / source)) for source in sources]
