"""Reading configuration files, before their content is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.reading import read_yaml

EXAMPLE = "config/demo.yaml is a complete example."


def read_settings(path: Path) -> dict[str, Any]:
    """Read the keys and values of a configuration file.

    Raises
    ------
    InputError
        The file is missing, a folder, empty or not YAML, or has a key twice.
    """
    if not path.exists():
        raise InputError(f"{path}: not found. {EXAMPLE}")
    if path.is_dir():
        raise InputError(f"{path}: a folder, not a configuration file. {EXAMPLE}")
    values = read_yaml(path, f"Correct it; {EXAMPLE}")
    if values is None:
        raise InputError(f"{path}: an empty configuration file. {EXAMPLE}")
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a configuration (expected keys and values). {EXAMPLE}")
    return values
