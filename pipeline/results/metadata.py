"""JSON files that say what tables, maps and pages contain and how they were made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.jobs.frozen_run import record, running_stage
from pipeline.results.integrity import atomic_path, verify_checksum, verify_inputs

# key of the record of the stage, in metadata without provenance
MADE = "made"


def metadata_path(path: Path) -> Path:
    """Return the path of the JSON that describes a table or a map.

    pandas and R read a folder of Parquet as one table and skip names with an underscore.
    """
    before = "_" if path.suffix == ".parquet" else ""
    return path.with_name(before + path.name.split(".")[0] + ".json")


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Read metadata as they were passed to `write_metadata`.

    Raises
    ------
    InputError
        Missing, altered, or made from other files than those that exist.
    """
    return {key: value for key, value in _read(Path(path)).items() if key != MADE}


def read_stage(path: Path) -> dict[str, Any] | None:
    """Read what metadata record of the stage that made them."""
    metadata = _read(path)
    return provenance_of(metadata) or metadata.get(MADE)


def provenance_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance in metadata; empty if they have none. BIDS's keys are capitalised."""
    return metadata.get("provenance") or metadata.get("Provenance") or {}


def _read(path: Path) -> dict[str, Any]:
    verify_checksum(path)
    metadata = json.loads(path.read_bytes())
    verify_inputs(path, provenance_of(metadata).get("inputs", {}))
    return metadata


def verify_with_metadata(path: Path) -> dict[str, Any]:
    """Verify a table or a map and its metadata, and return the latter.

    Raises
    ------
    InputError
        One of them is missing or altered, or was made from other files than those that exist.
    """
    verify_checksum(path)
    metadata = metadata_path(path)
    if not metadata.exists():
        raise InputError(
            f"{path}: its description, {metadata.name}, is missing. Delete the file and run "
            "snakemake again."
        )
    return _read(metadata)


def write_metadata(path: Path | str, metadata: Mapping[str, Any]) -> None:
    """Write metadata with a record of the running stage, unless they have provenance."""
    stage = running_stage()
    made = {MADE: record(stage)} if stage and not provenance_of(metadata) else {}
    write_json(path, {**metadata, **made})


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON for people: indented, sorted keys; numpy numbers allowed."""
    plain = json.loads(json.dumps(value, default=_as_json))
    write_text(path, json.dumps(plain, indent=2, sort_keys=True) + "\n")


def _as_json(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def write_text(path: Path | str, text: str) -> None:
    """Write text, such as a page."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)
