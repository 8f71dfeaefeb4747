"""Reading what comes from outside: whatever a library says of a damaged file, we say by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError


@contextmanager
def reading(path: Path | str, fault: str, mend: str) -> Iterator[None]:
    """Tell whatever goes wrong inside as a fault of the file.

    Libraries raise nearly anything on bytes that nobody foresaw. A lack of memory is the machine's.

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


def read_yaml(path: Path, mend: str) -> Any:
    """What a YAML file says, as plain values.

    Raises
    ------
    InputError
        Not YAML, or a key stands there twice.
    """
    with reading(path, "not valid YAML", mend), open(path, encoding="utf-8") as file:
        # _UniqueKeys is a safe loader, which ruff cannot see through its name
        return yaml.load(file, Loader=_UniqueKeys)  # noqa: S506


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
