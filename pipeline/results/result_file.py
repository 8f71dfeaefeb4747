"""HDF5 files whose arrays have checksums and named dimensions, as in netCDF 4.

A dimension is a dataset of the same name (a dimension scale of HDF5) with its labels, such as the
ids of voxels, or only its length. Programs that read netCDF 4 can read these files:

    xarray.open_dataset("results/demo/encoding/subj01/all/bert.h5", engine="h5netcdf")

Attributes of an array say how to read the stored values: `dtype`, which may be more precise than
what is stored, and `scale_factor` if values are stored in other units (no stage does so yet).
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
# attributes that say how to read stored values
ENCODING_ATTRIBUTES = ("_Encoding", "dtype", "scale_factor")
# mark of netCDF 4 for a dimension without labels
WITHOUT_LABELS = "This is a netCDF dimension but not a netCDF variable."


class ResultFile(h5py.File):
    """A new file in which every array has checksums and names of its dimensions.

    HDF5 verifies a `fletcher32` of each chunk when it is read, and (in its format 1.10) a checksum
    of the description of each array. Text has a fixed length, as text of variable length is stored
    outside of chunks.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w", libver=("v110", "v110"))
        # kept open until all is written: h5py ignores errors of arrays that are closed before
        self.arrays: list[h5py.Dataset] = []

    def create_dataset(self, *arguments: Any, **options: Any) -> h5py.Dataset:
        """Create a dataset as `h5py.Group.create_dataset` does."""
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
        stored: Any = None,
        **options: Any,
    ) -> h5py.Dataset:
        """Add an array with `data`, or an empty one to be written in parts.

        Parameters
        ----------
        dtype : of the values as they are read
        stored : of the values in the file, by default the same
        dimensions : names of dimensions; an array whose only dimension has its own name holds the
            labels of that dimension, and is added before other arrays with it
        options : options of `h5py.Group.create_dataset`

        Raises
        ------
        TypeError
            Data are neither numbers nor text.
        ValueError
            A dimension has another length than in the arrays added before.
        """
        if data is not None:
            data = np.asarray(data)
            shape, dtype = data.shape, dtype or data.dtype
        given = np.dtype(dtype)
        # netCDF has no booleans
        stored = np.dtype(stored or (np.int8 if given.kind == "b" else given))
        if text := given.kind in "UO":
            data = _encoded(data)
            stored = data.dtype
        # scalars and empty arrays have no chunks
        if shape and 0 not in shape:
            options = {"chunks": chunks_of_rows(tuple(shape), stored.itemsize)} | options
            options["fletcher32"] = True
        dataset = self.create_dataset(name, tuple(shape), stored, data, **options)
        # byte strings of fixed length, as attributes of variable length have no checksum
        if text:
            dataset.attrs["_Encoding"] = np.bytes_(b"utf-8")
        else:
            dataset.attrs["dtype"] = np.bytes_(given.name.encode())
        return self.name_dimensions(dataset, dimensions)

    def add_like(self, other: h5py.Dataset, shape: Sequence[int]) -> h5py.Dataset:
        """Add an empty array like that of another file, but with this shape."""
        name, chunks = other.name.removeprefix("/"), other.chunks
        if chunks is not None:
            chunks = tuple(map(min, chunks, shape))
        options = {} if chunks is None else {"chunks": chunks, "fletcher32": True}
        dataset = self.create_dataset(name, tuple(shape), other.dtype, **options)
        for key in filter(other.attrs.__contains__, ENCODING_ATTRIBUTES):
            dataset.attrs[key] = other.attrs[key]
        return self.name_dimensions(dataset, dimensions_of(other))

    def name_dimensions(self, dataset: h5py.Dataset, dimensions: Dimensions) -> h5py.Dataset:
        """Name the dimensions of an array, and return it."""
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
    # netCDF interprets strings of one byte as characters of a text
    return text.astype(h5py.string_dtype("utf-8", max(2, text.itemsize)))


def open_data(file: h5py.File) -> xr.Dataset:
    """Open the arrays of an open file lazily."""
    store = xr.backends.H5NetCDFStore(h5netcdf.File(file, "r"))
    return xr.open_dataset(store, decode_times=False)


def array_names(file: h5py.File) -> list[str]:
    """Return the names of all arrays, labels of dimensions first."""
    marked = {name: bytes(file[name].attrs.get("NAME", b"")).decode() for name in file}
    arrays = [name for name in file if not marked[name].startswith(WITHOUT_LABELS)]
    return sorted(arrays, key=lambda name: not file[name].is_scale)


def dimensions_of(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Return the names of the dimensions of an array."""
    if dataset.is_scale:
        return (dataset.name.removeprefix("/"),)
    return tuple(scales[0].name.removeprefix("/") for scales in dataset.dims)


def decoded(dataset: h5py.Dataset, values: np.ndarray) -> np.ndarray:
    """Decode values read from an array by its attributes."""
    scale = dataset.attrs.get("scale_factor")
    scaled = values if scale is None else values * scale
    return scaled.astype(dataset.attrs["dtype"].decode(), copy=False)
