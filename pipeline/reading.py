"""Read files from outside, and report any fault with the name of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError


@contextmanager
def reading(path: Path | str, fault: str, hint: str) -> Iterator[None]:
    """Report any exception inside the block as a fault of the file.

    Libraries raise almost any exception on malformed files. A lack of memory is not such a fault.

    Parameters
    ----------
    fault : such as "truncated or damaged", "not a CSV table"
    hint : sentence that says how to correct it

    Raises
    ------
    InputError
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        # the message of a KeyError is only the key
        text = repr(error) if isinstance(error, LookupError) else str(error)
        message = " ".join(text.split()) or type(error).__name__
        raise InputError(f"{path}: {fault} ({message}). {hint}") from error


def read_yaml(path: Path, hint: str) -> Any:
    """Read a YAML file as plain values.

    Raises
    ------
    InputError
        The file is not YAML, or a key occurs twice.
    """
    with reading(path, "not valid YAML", hint), open(path, encoding="utf-8") as file:
        # _UniqueKeys is a safe loader, which ruff does not recognise
        return yaml.load(file, Loader=_UniqueKeys)  # noqa: S506


class _UniqueKeys(yaml.SafeLoader):
    """Loader that refuses a repeated key, of which PyYAML silently takes the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping after checking its keys."""
        found: set[tuple[str, str]] = set()
        # `<<` may occur several times
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in found and key.value != "<<":
                problem = f"the key {key.value} stands there twice"
                raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
            found.add((key.tag, key.value))
        return super().construct_mapping(node, deep)
