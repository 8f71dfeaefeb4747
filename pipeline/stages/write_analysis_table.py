"""Write the table of an optional analysis: rows of each of its results, per region."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pipeline.analyses.parts import parts
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import read_result
from pipeline.results.tables import write_table
from pipeline.tables import columns
from pipeline.tables.regions import in_atlas_order, read_rois
from pipeline.tables.tables import subject_of


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    analysis: given.Parameter  # the folder whose `tables.py` has `rows`
    rois: given.InputFiles  # of the subjects
    results: given.InputFiles
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    tables = parts("tables")[arguments.analysis]
    rois = read_rois(arguments.rois)
    results = [read_result(path) for path in arguments.results]
    rows = [row for result in results for row in tables.rows(result, rois[subject_of(result)])]
    inputs = {"/".join(path.with_suffix("").parts[-2:]): path for path in arguments.results}
    inputs |= {f"rois/{path.stem}": path for path in arguments.rois}
    provenance = make_provenance("write_analysis_table", {"analysis": arguments.analysis}, inputs)
    # a table that may have no row states its columns
    names = getattr(tables, "ROW_COLUMNS", None)
    frame = in_atlas_order(pd.DataFrame(rows, columns=names), rois.values())
    write_table(arguments.out, frame, {**columns.COLUMNS, **tables.COLUMNS}, provenance)


if __name__ == "__main__":
    run_stage(main)
