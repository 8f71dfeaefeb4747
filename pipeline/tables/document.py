"""Reference of the tables' columns, for the documentation and the report."""

from __future__ import annotations

from pipeline.analyses.parts import parts
from pipeline.tables.columns import COLUMNS

HEAD = """# Columns of the tables

The JSON file beside each table, the metadata of each Parquet file and the report contain the same
descriptions.

Tables are tidy: one row per subject × region × model or component. `n/a` is a missing value. A
name such as `group.component` is a column (`component`) with a meaning of its own in the table
`group`.
"""
HEADER = "| column | meaning |\n|---|---|\n"


def every_column() -> dict[str, dict[str, str]]:
    """{heading: {column: description}} of the study's own tables and those of each analysis."""
    found = {"All tables": dict(sorted(COLUMNS.items()))}
    for name, module in parts("tables").items():
        found[f"Tables of {name.replace('_', ' ')}"] = dict(sorted(module.COLUMNS.items()))
    return found


def columns_page() -> str:
    """Write the page as Markdown."""
    sections = [
        f"\n## {heading}\n\n{HEADER}"
        + "".join(f"| `{name}` | {meaning} |\n" for name, meaning in columns.items())
        for heading, columns in every_column().items()
    ]
    return HEAD + "".join(sections)
