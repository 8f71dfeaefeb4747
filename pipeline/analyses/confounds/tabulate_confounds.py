"""Tabulate the attributes in which the feature spaces of every comparison differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from pipeline.analyses.confounds.tables import COLUMNS, confound_rows, summarise
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.space_weights import weights_label
from pipeline.results.storage import open_result
from pipeline.results.tables import write_table
from pipeline.tables import columns

NAMES = ("comparison", "attribute", "status", "values")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    comparisons: Annotated[
        dict[str, dict[str, dict[str, Any]]], given.Setting("confounds")
    ]  # {comparison: {space: {attribute: value}}}
    features: given.InputFiles
    out: given.OutputFile


def main() -> None:
    """Write the table and print a summary of each comparison."""
    arguments = Arguments.read()
    paths = {path.stem: path for path in arguments.features}
    measured = {space: _measured(space, path) for space, path in paths.items()}
    rows = []
    for comparison, spaces in arguments.comparisons.items():
        stated = {s: {**facts, **measured[s]} for s, facts in spaces.items()}
        found = list(confound_rows(comparison, stated))
        print(summarise(found))
        rows += found
    provenance = make_provenance("tabulate_confounds", arguments.comparisons, paths)
    write_table(
        arguments.out, pd.DataFrame(rows, columns=NAMES), {**columns.COLUMNS, **COLUMNS}, provenance
    )


def _measured(space: str, path: Path) -> dict[str, object]:
    """Attributes that are read from the features themselves."""
    with open_result(path) as file:
        width = file["features"].shape[1]
    return {"dimensions": width, "weights": weights_label(read_provenance(path), space)}


if __name__ == "__main__":
    run_stage(main)
