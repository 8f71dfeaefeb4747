"""Write the tables of image-wise accuracy and of error consistency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd

from pipeline.analyses.identification.tables import (
    COLUMNS,
    CONSISTENCY_COLUMNS,
    IMAGE_COLUMNS,
    error_consistency_rows,
    image_accuracy_rows,
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

    identification: given.InputFiles
    rois: given.InputFiles  # of the subjects
    significance: Annotated[dict[str, Any], given.Setting("significance")]
    out: given.OutputFiles  # consistency, accuracy


def main() -> None:
    """Write both tables."""
    arguments = Arguments.read()
    consistency: list[dict[str, object]] = []
    accuracy: list[dict[str, object]] = []
    for path in arguments.identification:
        result = read_result(path)
        consistency += error_consistency_rows(result, arguments.significance)
        accuracy += image_accuracy_rows(result)
    seed = arguments.significance["seed"]
    inputs = {path.stem: path for path in arguments.identification}
    configuration = {"significance": arguments.significance}
    provenance = make_provenance("write_identification_tables", configuration, inputs, seed=seed)
    frames = [
        pd.DataFrame(consistency, columns=CONSISTENCY_COLUMNS),
        pd.DataFrame(accuracy, columns=IMAGE_COLUMNS),
    ]
    rois = [read_table(path) for path in arguments.rois]
    for path, frame in zip(arguments.out, frames, strict=True):
        write_table(path, in_atlas_order(frame, rois), {**columns.COLUMNS, **COLUMNS}, provenance)


if __name__ == "__main__":
    run_stage(main)
