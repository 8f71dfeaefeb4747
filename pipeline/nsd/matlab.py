"""MATLAB files (version 5) whose sizes are checked before a reader believes them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pipeline.reading import LARGEST_RATIO

Order = Literal["little", "big"]
# where the first variable begins; where the order of bytes is told, and how
HEADER, ORDER, LITTLE = 128, 126, b"IM"
TAG = 8
# types of elements
MATRIX, COMPRESSED = 14, 15
# classes of matrices that hold other matrices: cells, structures, objects
NESTING = (1, 2, 3)
# of matrices in matrices; a hostile file has as many as it has tags
DEEPEST = 16


def require_sizes(path: Path) -> None:
    """Raise if an element says that it is larger than what it lies in.

    Raises
    ------
    ValueError
    """
    content = path.read_bytes()
    order = "little" if content[ORDER:HEADER] == LITTLE else "big"
    for kind, element in _elements(content[HEADER:], order):
        if kind == COMPRESSED:
            for inner, matrix in _elements(_inflated(element), order):
                _require_matrix(inner, matrix, order, 0)
        else:
            _require_matrix(kind, element, order, 0)


def _inflated(element: bytes) -> bytes:
    inflated = zlib.decompressobj().decompress(element, LARGEST_RATIO * len(element) + 1)
    if not inflated:
        raise ValueError("a compressed element that is empty")
    return inflated


def _require_matrix(kind: int, element: bytes, order: Order, depth: int) -> None:
    if kind != MATRIX:
        return
    if depth > DEEPEST:
        raise ValueError(f"matrices in matrices, more than {DEEPEST} deep")
    parts = list(_elements(element, order))
    for inner, part in parts:
        _require_matrix(inner, part, order, depth + 1)
    if len(parts) < 2 or len(parts[0][1]) < 4:
        return
    flags, dimensions = parts[0][1], parts[1][1]
    nests = int.from_bytes(flags[:4], order) & 0xFF in NESTING
    sizes = [_number(dimensions[i : i + 4], order) for i in range(0, len(dimensions), 4)]
    if nests and math.prod(sizes) * TAG > len(element):
        raise ValueError(f"{sizes} matrices in a matrix of {len(element)} bytes")


def _elements(content: bytes, order: Order) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of the elements that lie one behind the other."""
    place = 0
    while place + TAG <= len(content):
        kind, size = (_number(content[place + i : place + i + 4], order) for i in (0, 4))
        if kind >> 16:
            # up to four bytes, in the tag itself
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + TAG
        else:
            start = place + TAG
            end = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > min(end, len(content)):
            raise ValueError(f"an element of {size} bytes, where {len(content) - start} follow")
        yield kind, content[start : start + size]
        place = end


def _number(content: bytes, order: Order) -> int:
    return int.from_bytes(content, order)
