"""A configuration, read and checked; every offending key told in one message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.configuration.catalogue import with_catalogue
from pipeline.configuration.settings_files import read_settings
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.reading import reading


def parse_configuration(values: Mapping[str, Any], source: str = "configuration") -> Configuration:
    """Check a configuration.

    Raises
    ------
    InputError
        With one line for every offending key.
    """
    # the catalogue is looked up in what was not checked yet
    with reading(source, "not a configuration", "Correct it."):
        try:
            return Configuration.model_validate(with_catalogue(values))
        except ValidationError as error:
            lines = [_describe(problem, values) for problem in error.errors()]
            raise InputError(f"{source}: " + "\n".join(lines)) from None


def _describe(problem: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    message = re.sub(r"^Value error, ", "", problem["msg"])
    if problem["type"] == "extra_forbidden":
        message = "unknown key; check its spelling, or remove it"
    elif problem["type"] == "missing":
        message = "this key is missing; add it (config/demo.yaml shows each)"
    elif problem["type"] != "value_error":
        message += f" (got {problem['input']!r})"
    return f"{key}: {message}" if key else message


def read_configuration(path: Path | str) -> Configuration:
    """Read and check a YAML configuration file."""
    return parse_configuration(read_settings(Path(path)), str(path))
