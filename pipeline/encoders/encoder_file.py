"""Files of encoders, in the format of safetensors: a header in JSON, then dense arrays.

The format is that of https://github.com/huggingface/safetensors: eight bytes with the length of the
header (little-endian), the header, and the arrays one after another. The header is written first,
and the arrays are mapped into memory, so that weights of all voxels need not fit into memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from pipeline.errors import InputError
from pipeline.results.integrity import atomic_path, require_file, verify_checksum

# version of the format, raised when names, shapes or meanings change
FORMAT = "nsd-encoding-model 1"
# key of the header's metadata, whose values are text
METADATA = "encoder"
TYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "uint8": "U8",
    "bool": "BOOL",
}
ALIGNMENT = 8


@contextmanager
def create_encoder(
    path: Path | str,
    arrays: Mapping[str, tuple[str, Sequence[int]]],
    metadata: Mapping[str, Any],
) -> Iterator[dict[str, np.ndarray]]:
    """Create a file, and yield its arrays to be filled; it appears at `path` if the block succeeds.

    Parameters
    ----------
    arrays : {name: (dtype, shape)}
    metadata : values that JSON can hold
    """
    description = json.dumps({**metadata, "format": FORMAT})
    header: dict[str, Any] = {"__metadata__": {METADATA: description}}
    places, end = {}, 0
    # arrays of large numbers first: each then begins at a multiple of its own size
    for name in sorted(arrays, key=lambda name: -np.dtype(arrays[name][0]).itemsize):
        dtype, shape = arrays[name][0], [int(length) for length in arrays[name][1]]
        start, end = end, end + math.prod(shape) * np.dtype(dtype).itemsize
        places[name] = slice(start, end)
        header[name] = {"dtype": TYPES[dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    beginning = len(text).to_bytes(8, "little") + text
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(beginning)
            file.truncate(len(beginning) + end)
        whole = np.memmap(temporary, np.uint8, "r+")
        content = whole[len(beginning) :]
        yield {
            name: content[here].view(arrays[name][0]).reshape(arrays[name][1])
            for name, here in places.items()
        }
        whole.flush()


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Read the metadata of an encoder without its arrays.

    Raises
    ------
    InputError
        As `read_encoder`.
    """
    return _read(Path(path), [])[0]


def read_encoder(
    path: Path | str, names: Sequence[str] | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the metadata of an encoder, and all or the named arrays.

    Raises
    ------
    InputError
        The file is missing, damaged, no encoder, or of another version of the format.
    """
    path = Path(path)
    if path.suffix != ".safetensors" or not path.is_file():
        raise InputError(
            f"{path}: is no encoder, whose files are called <model>.safetensors. `snakemake "
            "encoders` writes those of the models listed in the configuration, such as "
            "`encoders: {models: [clip_rn50]}`."
        )
    verify_checksum(path)
    return _read(path, names)


def _read(path: Path, names: Sequence[str] | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with safe_open(require_file(path), framework="numpy") as file:
            found = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            if found.get("format") != FORMAT:
                raise InputError(
                    f"{path}: its format is {found.get('format', 'unknown')}, and this version "
                    f"reads {FORMAT}. Make it with `snakemake encoders` of this version."
                )
            chosen = file.keys() if names is None else names
            return found, {name: file.get_tensor(name) for name in chosen}
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: no readable encoder ({error}). Copy or download it again, or make it with "
            "`snakemake encoders`."
        ) from None
