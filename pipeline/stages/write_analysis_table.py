"""Write the tables of an optional analysis, with rows of each of its results."""

from __future__ import annotations

from typing import Annotated, Any

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


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    analysis: given.Parameter  # the folder whose `tables.py` has `TABLES`
    settings: Annotated[dict[str, Any], given.Setting()]  # its `table_settings`
    rois: given.InputFiles  # of the subjects
    results: given.InputFiles
    out: given.OutputFiles  # named by tables


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    tables = parts("tables")[arguments.analysis]
    rois = read_rois(arguments.rois)
    results = [read_result(path) for path in arguments.results]
    inputs = {"/".join(path.with_suffix("").parts[-2:]): path for path in arguments.results}
    inputs |= {f"rois/{path.stem}": path for path in arguments.rois}
    settings = arguments.settings
    configuration = {"analysis": arguments.analysis, **settings}
    seed = settings.get("seed")
    provenance = make_provenance("write_analysis_table", configuration, inputs, seed=seed)
    for path in arguments.out:
        rows_of, names = tables.TABLES[path.stem]
        rows = [r for one in results for r in rows_of(one, rois[subject_of(one)], settings)]
        frame = in_atlas_order(pd.DataFrame(rows, columns=names), rois.values())
        write_table(path, frame, {**columns.COLUMNS, **tables.COLUMNS}, provenance)


if __name__ == "__main__":
    run_stage(main)
