"""Reading what comes from outside: whatever a library says of a damaged file, we say by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError

# what Deflate can make of a byte at most
LARGEST_RATIO = 1032
# values; the study as published has some hundreds
LARGEST_YAML = 100_000
COMPRESSED = frozenset({".gz", ".mgz"})


@contextmanager
def reading(path: Path | str, fault: str, mend: str) -> Iterator[None]:
    """Tell whatever goes wrong inside as a fault of the file.

    Libraries raise nearly anything on bytes that nobody foresaw. A lack of memory is no fault of a
    file whose sizes were checked.

    Parameters
    ----------
    fault : `truncated or damaged`, `not a CSV table`
    mend : a sentence

    Raises
    ------
    InputError
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        # a missing key says nothing but itself
        text = repr(error) if isinstance(error, LookupError) else str(error)
        told = " ".join(text.split()) or type(error).__name__
        raise InputError(f"{path}: {fault} ({told}). {mend}") from error


def require_room(path: Path, shape: Iterable[int], item_bytes: int, mend: str) -> int:
    """Bytes that a file declares, if it can hold them: nothing is allocated that is not there.

    Raises
    ------
    InputError
        A size is negative, or the whole is larger than the file.
    """
    shape = tuple(int(n) for n in shape)
    declared, found = math.prod(shape) * item_bytes, path.stat().st_size
    most = found * LARGEST_RATIO if path.suffix in COMPRESSED else found
    if min(shape, default=0) < 0 or declared > most:
        raise InputError(
            f"{path}: truncated or damaged (declares {shape} of {item_bytes} bytes each, but has "
            f"{found} bytes). {mend}"
        )
    return declared


def read_yaml(path: Path, mend: str) -> Any:
    """What a YAML file says, as plain values.

    Raises
    ------
    InputError
        Not YAML, a key stands there twice, or its aliases stand for more than anybody would write.
    """
    with reading(path, "not valid YAML", mend), open(path, encoding="utf-8") as file:
        content = yaml.load(file, Loader=_UniqueKeys)
        if _size(content, {}) > LARGEST_YAML:
            raise ValueError("its aliases stand for too much")
    return content


class _UniqueKeys(yaml.SafeLoader):
    """YAML, of which other readers take the last of several values of a key without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: set[tuple[str, str]] = set()
        # `<<` may stand for several mappings
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in found and key.value != "<<":
                told = f"the key {key.value} stands there twice"
                raise yaml.MarkedYAMLError(None, None, told, key.start_mark)
            found.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def _size(value: Any, known: dict[int, float]) -> float:
    """Values within a value, each counted as often as an alias names it; infinite in a circle."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = math.inf
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(value)]
