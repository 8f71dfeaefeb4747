"""Count the subjects in whom each region is significant."""

from __future__ import annotations

from pipeline.analyses.replication.tables import COLUMNS, replication_table
from pipeline.analyses.roi_intervals.tables import COLUMNS as INTERVAL_COLUMNS
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.tables import read_table, write_table
from pipeline.tables import columns
from pipeline.tables.tables import LEVEL


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    intervals: given.InputFile
    out: given.OutputFile


def main() -> None:
    """Count subjects and write the table."""
    arguments = Arguments.read()
    provenance = make_provenance(
        "count_replications", {"level": LEVEL}, {"roi_intervals": arguments.intervals}
    )
    table = replication_table(read_table(arguments.intervals))
    described = {**columns.COLUMNS, **INTERVAL_COLUMNS, **COLUMNS}
    write_table(arguments.out, table, described, provenance)


if __name__ == "__main__":
    run_stage(main)
