"""Write the table of layers: scores and preferences per ROI."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pipeline.analyses.layers.tables import COLUMNS, layer_rows
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

    rois: given.InputFiles
    layers: given.InputFiles
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    rois = read_rois(arguments.rois)
    results = [read_result(path) for path in arguments.layers]
    rows = [row for result in results for row in layer_rows(result, rois[subject_of(result)])]
    inputs = {"/".join(path.with_suffix("").parts[-3:]): path for path in arguments.layers}
    provenance = make_provenance("write_layer_table", {}, inputs)
    frame = in_atlas_order(pd.DataFrame(rows), rois.values())
    write_table(arguments.out, frame, {**columns.COLUMNS, **COLUMNS}, provenance)


if __name__ == "__main__":
    run_stage(main)
