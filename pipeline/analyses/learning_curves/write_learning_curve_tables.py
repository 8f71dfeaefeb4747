"""Write the tables of learning curves and of models that overtake one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pandas as pd

from pipeline.analyses.learning_curves.tables import (
    COLUMNS,
    OVERTAKING_COLUMNS,
    learning_curve_rows,
    overtaking_rows,
)
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table, write_table
from pipeline.tables import columns
from pipeline.tables.regions import in_atlas_order


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    curves: given.InputFiles
    rois: given.InputFiles  # of the subjects
    level: Annotated[float, given.Setting("significance.level")]  # of the intervals
    out: given.OutputFiles  # curves, overtaking


def main() -> None:
    """Write both tables."""
    arguments = Arguments.read()
    results = [read_result(path) for path in arguments.curves]
    curves = [row for result in results for row in learning_curve_rows(result)]
    overtaking = [row for result in results for row in overtaking_rows(result, arguments.level)]
    inputs = {path.stem: path for path in arguments.curves}
    provenance = make_provenance("write_learning_curve_tables", {"level": arguments.level}, inputs)
    frames = [pd.DataFrame(curves), pd.DataFrame(overtaking, columns=OVERTAKING_COLUMNS)]
    rois = [read_table(path) for path in arguments.rois]
    for path, frame in zip(arguments.out, frames, strict=True):
        write_table(path, in_atlas_order(frame, rois), {**columns.COLUMNS, **COLUMNS}, provenance)


if __name__ == "__main__":
    run_stage(main)
