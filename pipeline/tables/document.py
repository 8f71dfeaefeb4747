"""The documentation of the tables' columns, from their one description: docs/tables.md."""

from __future__ import annotations

from pipeline.tables.columns import COLUMNS

HEAD = """# Columns of the tables

Written by `python -m pipeline.tables.document > docs/tables.md`; the same words are in the JSON
beside each table, in the metadata of each Parquet file and in the report.

Tables are tidy: one row per subject × region × model or component. `n/a` is a missing value.

| column | meaning |
|---|---|
"""


def columns_page() -> str:
    """The page as Markdown."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in sorted(COLUMNS.items())]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(columns_page(), end="")
