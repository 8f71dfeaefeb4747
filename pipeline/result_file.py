"""HDF5 files whose arrays have checksums inside, the same bytes whenever they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.chunk_shapes import chunks_of_rows


class ResultFile(h5py.File):
    """An HDF5 file in which every array has checksums, which HDF5 compares when it is read.

    They are `fletcher32` of each chunk, and HDF5's own of what describes arrays (its format 1.10).
    Text has a fixed length: of any length, it would lie outside of chunks.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w", libver=("v110", "v110"))

    def create_dataset(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        data: Any = None,
        **options: Any,
    ) -> h5py.Dataset:
        """As `h5py.Group.create_dataset`."""
        if data is not None:
            data = _storable(np.asarray(data))
            shape, dtype = data.shape, dtype or data.dtype
        shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        # HDF5 has none for a number alone
        if shape and 0 not in shape:
            options["fletcher32"] = True
            if options.get("chunks") is None:
                options["chunks"] = chunks_of_rows(shape, np.dtype(dtype).itemsize)
        return super().create_dataset(name, shape, dtype, data, **options)

    def __setitem__(self, name: str, values: Any) -> None:
        # h5py's own would write in which second the groups in a name were made
        self.create_dataset(name, data=values)


def _storable(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "UO":
        return values
    if strange := [value for value in values.flat if not isinstance(value, str)]:
        raise TypeError(f"{strange[0]!r} is neither a number nor text")
    text = np.char.encode(values.astype(str), "utf-8")
    return text.astype(h5py.string_dtype("utf-8", max(1, text.dtype.itemsize)))
