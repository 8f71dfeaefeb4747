"""Write the tables: correlations, partitions, tests over subjects, best voxels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import pandas as pd

from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import by_identity, make_provenance
from pipeline.results.storage import aligned_result, read_result
from pipeline.results.tables import write_table
from pipeline.tables.columns import COLUMNS
from pipeline.tables.regions import in_atlas_order, read_rois
from pipeline.tables.tables import (
    PARTITION_COLUMNS,
    best_voxel_row,
    correlation_rows,
    group_table,
    model_table,
    partition_rows,
    subject_of,
)


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    models: Annotated[list[str], given.Setting("models")]  # models to compare
    rois: given.InputFiles
    encoding: given.InputFiles
    significance: given.InputFiles
    partitions: given.InputFiles
    out: given.OutputFiles


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    rois = read_rois(arguments.rois)
    tests = by_identity(arguments.significance)
    correlations: list[dict[str, object]] = []
    partitions: list[dict[str, object]] = []
    best: list[dict[str, object]] = []
    for path in arguments.encoding:
        result = read_result(path)
        labelled = rois[subject_of(result)]
        tested = aligned_result(tests[result.identity], result)
        correlations += correlation_rows(result, tested, labelled)
        best.append(best_voxel_row(result, labelled))
    for path in arguments.partitions:
        result = read_result(path)
        tested = aligned_result(tests[result.identity], result)
        partitions += partition_rows(result, tested, rois[subject_of(result)])
    provenance = make_provenance(
        "write_tables",
        {"models": arguments.models},
        {"/".join(path.with_suffix("").parts[-4:]): path for path in _inputs(arguments)},
    )
    labels = [*rois.values()]
    correlation_table = in_atlas_order(pd.DataFrame(correlations), labels)
    partition_table = in_atlas_order(pd.DataFrame(partitions, columns=PARTITION_COLUMNS), labels)
    frames = {
        "correlations": correlation_table,
        "partitions": partition_table,
        "group": group_table(partition_table),
        "best_voxels": pd.DataFrame(best),
        "models": model_table(correlation_table, arguments.models),
    }
    for path in arguments.out:
        write_table(path, frames[path.stem], COLUMNS, provenance)


def _inputs(arguments: Arguments) -> Iterable[Path]:
    return [*arguments.encoding, *arguments.significance, *arguments.partitions]


if __name__ == "__main__":
    run_stage(main)
