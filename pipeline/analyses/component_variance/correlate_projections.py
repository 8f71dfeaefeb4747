"""Correlate voxels' projections on components with the unique variance of feature spaces."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

import pandas as pd

from pipeline.analyses.component_variance.tables import COLUMNS, ROW_COLUMNS, variance_rows
from pipeline.analyses.weight_components.tables import COLUMNS as COMPONENT_COLUMNS
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import read_result
from pipeline.results.tables import write_table
from pipeline.tables import columns
from pipeline.tables.regions import in_atlas_order, read_rois


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    projections: given.InputFiles  # of each subject
    partitions: given.InputFiles  # of each subject, all comparisons
    rois: given.InputFiles  # of each subject
    configuration: Annotated[dict[str, Any], given.Setting("component_variance")]
    out: given.OutputFile


def main() -> None:
    """Correlate in all subjects and write the table."""
    arguments = Arguments.read()
    rois = read_rois(arguments.rois)
    projections = {
        result.configuration["subject"]: result
        for result in (read_result(path) for path in arguments.projections)
    }
    rows = itertools.chain.from_iterable(
        variance_rows(
            projections[subject],
            partition,
            rois[subject][rois[subject]["atlas"].isin(arguments.configuration["atlases"])],
        )
        for partition in map(read_result, arguments.partitions)
        for subject in [partition.configuration["subject"]]
    )
    table = in_atlas_order(pd.DataFrame(rows, columns=ROW_COLUMNS), rois.values())
    inputs = {
        f"{kind}/{number}": path
        for kind in ("projections", "partitions", "rois")
        for number, path in enumerate(getattr(arguments, kind))
    }
    provenance = make_provenance("correlate_projections", arguments.configuration, inputs)
    described = {**columns.COLUMNS, **COMPONENT_COLUMNS, **COLUMNS}
    write_table(arguments.out, table, described, provenance)


if __name__ == "__main__":
    run_stage(main)
