"""JSON files that say what tables, maps and pages contain and how they came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.results.integrity import verify_checksum, verify_inputs

# what an account without a provenance says of the stage that made it
MADE = "made"


def account_path(path: Path) -> Path:
    """The JSON that describes a table or a map.

    A folder of Parquet is one table to pandas and R, which pass over names with an underscore.
    """
    before = "_" if path.suffix == ".parquet" else ""
    return path.with_name(before + path.name.split(".")[0] + ".json")


def read_account(path: Path | str) -> dict[str, Any]:
    """An account as it was given to be written.

    Raises
    ------
    InputError
        Missing, altered, or made of other files than those that are there.
    """
    return {key: value for key, value in _read(Path(path)).items() if key != MADE}


def read_made(path: Path) -> dict[str, Any] | None:
    """What an account says of the stage that made it."""
    account = _read(path)
    return provenance_of(account) or account.get(MADE)


def provenance_of(account: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance in an account; empty if it has none. BIDS's keys are capitalised."""
    return account.get("provenance") or account.get("Provenance") or {}


def _read(path: Path) -> dict[str, Any]:
    verify_checksum(path)
    account = json.loads(path.read_bytes())
    verify_inputs(path, provenance_of(account).get("inputs", {}))
    return account


def verify_beside(path: Path) -> dict[str, Any]:
    """The account of a table or a map, both of which are as they were written.

    Raises
    ------
    InputError
        One of them is missing or altered, or was made of other files than those that are there.
    """
    verify_checksum(path)
    account = account_path(path)
    if not account.exists():
        raise InputError(
            f"{path}: {account.name}, which tells what it must contain, is not beside it. Delete "
            "the file and run snakemake again."
        )
    return _read(account)
