"""HDF5 files whose arrays have named dimensions, as netCDF 4 has them, and checksums.

A dimension is a dataset of its name (a dimension scale of HDF5): its labels, such as the ids of
voxels; without labels, its length alone. Any program that reads netCDF 4 by h5netcdf reads them:

    xarray.open_dataset("results/demo/encoding/subj01/all/bert.h5", engine="h5netcdf")

An array's attributes say how its values are to be read, whatever is stored: `dtype`, and
`scale_factor` where they are stored in other units. Today nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from pipeline.results.chunk_shapes import chunks_of_rows

Dimensions = str | Sequence[str]
# {name: (dimensions, values)}
Arrays = dict[str, tuple[Dimensions, Any]]
# attributes that say how stored values are read
HOW_READ = ("_Encoding", "dtype", "scale_factor")
# as netCDF 4 marks a dimension that is a length alone
WITHOUT_LABELS = "This is a netCDF dimension but not a netCDF variable."


class ResultFile(h5py.File):
    """A file to be written, in which every array has names of its dimensions, and checksums.

    The latter are `fletcher32` of each chunk, which HDF5 compares when it is read, and HDF5's own
    of what describes arrays (its format 1.10). Text has a fixed length: of any length, it would
    lie outside of chunks.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w", libver=("v110", "v110"))
        # open until all is written: of an array that is closed before, h5py ignores what fails
        self.arrays: list[h5py.Dataset] = []

    def create_dataset(self, *arguments: Any, **options: Any) -> h5py.Dataset:
        """As `h5py.Group.create_dataset`."""
        self.arrays.append(super().create_dataset(*arguments, **options))
        return self.arrays[-1]

    def add(
        self,
        name: str,
        dimensions: Dimensions,
        data: Any = None,
        *,
        shape: Sequence[int] = (),
        dtype: Any = None,
        **options: Any,
    ) -> h5py.Dataset:
        """An array, of `data` or to be filled in parts.

        Parameters
        ----------
        dimensions : names; an array whose only dimension has its own name holds the labels of
            that, and is added before others that have it
        options : of `h5py.Group.create_dataset`

        Raises
        ------
        TypeError
            Neither numbers nor text.
        ValueError
            A dimension has another length than in the arrays before.
        """
        if data is not None:
            data = np.asarray(data)
            shape, dtype = data.shape, dtype or data.dtype
        meant = np.dtype(dtype)
        # netCDF has no truth values
        stored = np.dtype(np.int8) if meant.kind == "b" else meant
        if text := meant.kind in "UO":
            data = _encoded(data)
            stored = data.dtype
        # HDF5 has none for a number alone
        if shape and 0 not in shape:
            options = {"chunks": chunks_of_rows(tuple(shape), stored.itemsize)} | options
            options["fletcher32"] = True
        dataset = self.create_dataset(name, tuple(shape), stored, data, **options)
        # of fixed length: text of any length has no checksum
        if text:
            dataset.attrs["_Encoding"] = np.bytes_(b"utf-8")
        else:
            dataset.attrs["dtype"] = np.bytes_(meant.name.encode())
        return self.name_dimensions(dataset, dimensions)

    def add_like(self, other: h5py.Dataset, shape: Sequence[int]) -> h5py.Dataset:
        """An array to be filled, as another file has it but for its shape."""
        name, chunks = other.name.removeprefix("/"), other.chunks
        if chunks is not None:
            chunks = tuple(map(min, chunks, shape))
        made = {} if chunks is None else {"chunks": chunks, "fletcher32": True}
        dataset = self.create_dataset(name, tuple(shape), other.dtype, **made)
        for key in filter(other.attrs.__contains__, HOW_READ):
            dataset.attrs[key] = other.attrs[key]
        return self.name_dimensions(dataset, dimensions_of(other))

    def name_dimensions(self, dataset: h5py.Dataset, dimensions: Dimensions) -> h5py.Dataset:
        """The array, of whose dimensions these are the names."""
        names = (dimensions,) if isinstance(dimensions, str) else tuple(dimensions)
        if names == (dataset.name.removeprefix("/"),):
            dataset.make_scale(names[0])
            return dataset
        for axis, (name, length) in enumerate(zip(names, dataset.shape, strict=True)):
            if name not in self:
                scale = self.create_dataset(name, (length,), ">f4")
                scale.make_scale(f"{WITHOUT_LABELS}{length:10d}")
            if self[name].shape != (length,):
                raise ValueError(
                    f"{dataset.name} has {length} of {name}, arrays before it {self[name].shape}"
                )
            dataset.dims[axis].attach_scale(self[name])
        return dataset


def _encoded(values: np.ndarray) -> np.ndarray:
    if strange := [value for value in values.flat if not isinstance(value, str)]:
        raise TypeError(f"{strange[0]!r} is neither a number nor text")
    text = np.char.encode(values.astype(str), "utf-8")
    # netCDF takes single bytes for letters of a text
    return text.astype(h5py.string_dtype("utf-8", max(2, text.itemsize)))


def open_data(file: h5py.File) -> xr.Dataset:
    """The arrays of an open file, which are read when they are asked for."""
    store = xr.backends.H5NetCDFStore(h5netcdf.File(file, "r"))
    return xr.open_dataset(store, decode_times=False)


def array_names(file: h5py.File) -> list[str]:
    """Names of all arrays, labels of dimensions first."""
    marked = {name: bytes(file[name].attrs.get("NAME", b"")).decode() for name in file}
    arrays = [name for name in file if not marked[name].startswith(WITHOUT_LABELS)]
    return sorted(arrays, key=lambda name: not file[name].is_scale)


def dimensions_of(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Names of the dimensions of an array."""
    if dataset.is_scale:
        return (dataset.name.removeprefix("/"),)
    return tuple(scales[0].name.removeprefix("/") for scales in dataset.dims)


def decoded(dataset: h5py.Dataset, values: np.ndarray) -> np.ndarray:
    """What is meant by values as an array stores them, for who reads it in parts."""
    scale = dataset.attrs.get("scale_factor")
    scaled = values if scale is None else values * scale
    return scaled.astype(dataset.attrs["dtype"].decode(), copy=False)
