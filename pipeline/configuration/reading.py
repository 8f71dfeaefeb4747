"""Reading and checking a configuration; one message reports every wrong key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.configuration.catalogue import with_catalogue
from pipeline.configuration.features import GIVEN, RUN
from pipeline.configuration.settings_files import read_settings
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.reading import reading

# keys of earlier releases, and what they are called now
RENAMED = {
    "contrasts": "comparisons",
    "splits.share": "test_fraction",
    "preferred_layer.share": "fraction",
    # voxels are selected by a reliability that does not depend on the test responses
    **{
        f"{section}.{old}": "min_reliability"
        for section in (
            *("preferred_layer", "error_consistency"),
            *("interpretation", "representational_similarity"),
        )
        for old in ("least_ceiling", "min_noise_ceiling")
    },
    "interpretation.least_voxels": "min_voxels",
    "representational_similarity.least_voxels": "min_voxels",
    "representational_similarity.comparison": "measure",
}
# what names may consist of, in words
PATTERNS = {
    r"^[A-Za-z0-9_-]+$": "use letters, digits, _ and - only",
    r"^[A-Za-z0-9]+$": "use letters and digits only",
    r"^[A-Za-z][A-Za-z0-9_]*$": "begin with a letter, and use letters, digits and _ only",
}
# keys that are gone, and what to do
REMOVED = {
    "scatter.longest_hours": "remove it, and set `voxel_chunks` to a number; `snakemake preflight` "
    "reports how long a fit takes",
    "significance.permutations": "remove it; permutations are no longer drawn, see "
    "docs/significance.md",
}


def parse_configuration(values: Mapping[str, Any], source: str = "configuration") -> Configuration:
    """Check a configuration.

    Raises
    ------
    InputError
        The configuration is wrong: one line for each key.
    """
    # the catalogue is added to values that have not been checked yet
    with reading(source, "not a configuration", "Correct it."):
        try:
            return Configuration.model_validate(with_catalogue(values))
        except ValidationError as error:
            problems = [one for one in error.errors() if not _has_its_old_name(one, values)]
            lines = [_describe(problem) for problem in problems]
            raise InputError(f"{source}: " + "\n".join(lines)) from None


def _has_its_old_name(problem: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Return whether a missing key is given by its old name, which is reported already."""
    key = ".".join(str(part) for part in problem["loc"])
    return problem["type"] == "missing" and any(RENAMED.get(old) == key for old in values)


def _describe(problem: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"] if part not in (RUN, GIVEN))
    message = re.sub(r"^Value error, ", "", problem["msg"])
    renamed = RENAMED.get(re.sub(r"^variants\.\w+\.", "", key))
    if problem["type"] == "extra_forbidden" and renamed:
        message = f"this key is called `{renamed}` now"
    elif problem["type"] == "extra_forbidden" and key in REMOVED:
        message = REMOVED[key]
    elif problem["type"] == "extra_forbidden":
        message = "unknown key; check its spelling, or remove it"
    elif problem["type"] == "missing":
        message = "this key is missing; add it (config/demo.yaml has an example)"
    elif (key, problem["input"]) == ("encoding.solver", "own"):
        message = "this project's solver is called `native` now"
    elif problem["type"] != "value_error":
        pattern = problem.get("ctx", {}).get("pattern")
        message = f"{PATTERNS.get(pattern, message)} (got {problem['input']!r})"
    return f"{key}: {message}" if key else message


def read_configuration(path: Path | str) -> Configuration:
    """Read and check a YAML configuration file."""
    return parse_configuration(read_settings(Path(path)), str(path))
