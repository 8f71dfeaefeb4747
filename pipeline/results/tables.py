"""Tables as TSV, each with a JSON that describes its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.results.integrity import atomic_path
from pipeline.results.metadata import (
    metadata_path,
    read_metadata,
    verify_with_metadata,
    write_metadata,
)


def write_table(
    path: Path | str,
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    provenance: Mapping[str, Any],
) -> None:
    """Write a TSV, and beside it a JSON that describes every column.

    Parameters
    ----------
    columns : {column or table.column: description}; the latter applies to the table of that name

    Raises
    ------
    KeyError
        A column has no description.
    """
    path = Path(path)
    described = {
        name: columns.get(f"{path.stem}.{name}") or columns[name] for name in frame.columns
    }
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format="%.6g")
    write_metadata(metadata_path(path), {"columns": described, "provenance": provenance})


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a TSV written by `write_table`.

    Raises
    ------
    InputError
        Missing, altered, or edited by hand.
    """
    path = Path(path)
    verify_with_metadata(path)
    return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)


def described_columns(path: Path | str) -> dict[str, str]:
    """Read {column: its description} of a TSV written by `write_table`."""
    return read_metadata(metadata_path(Path(path)))["columns"]
