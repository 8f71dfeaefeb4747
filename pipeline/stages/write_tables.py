"""Write the tables: correlations, partitions, best voxels."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline.errors import run_stage
from pipeline.storage import Result, make_provenance, read_result, read_table, write_table
from pipeline.tables.columns import COLUMNS
from pipeline.tables.tables import (
    PARTITION_COLUMNS,
    best_voxel_row,
    correlation_rows,
    partition_rows,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rois", required=True, nargs="+", type=Path)
    parser.add_argument("--encoding", required=True, nargs="+", type=Path)
    parser.add_argument("--partitions", required=True, nargs="*", type=Path)
    parser.add_argument("--out", required=True, nargs="+", type=Path)
    arguments = parser.parse_args()
    rois = {path.stem: read_table(path) for path in arguments.rois}
    correlations, best, partitions = [], [], []
    done: set[tuple[str, str]] = set()
    for path in arguments.encoding:
        result, subject = _read(path)
        for row in correlation_rows(result, rois[subject]):
            if (subject, row["model"]) not in done:
                correlations.append(row)
        for model in result["models"].tolist():
            if (subject, model) not in done:
                best.append(best_voxel_row(result, rois[subject], model))
                done.add((subject, model))
    for path in arguments.partitions:
        result, subject = _read(path)
        partitions += partition_rows(result, rois[subject], path.stem)
    provenance = make_provenance(
        "write_tables",
        {},
        {f"{path.parent.name}/{path.stem}": path for path in _inputs(arguments)},
    )
    frames = {
        "correlations": pd.DataFrame(correlations),
        "partitions": pd.DataFrame(partitions, columns=PARTITION_COLUMNS),
        "best_voxels": pd.DataFrame(best),
    }
    for path in arguments.out:
        write_table(path, frames[path.stem], COLUMNS, provenance)


def _read(path: Path) -> tuple[Result, str]:
    result = read_result(path)
    return result, result.provenance["configuration"]["subject"]


def _inputs(arguments: argparse.Namespace) -> Iterable[Path]:
    return [*arguments.encoding, *arguments.partitions]


if __name__ == "__main__":
    run_stage(main)
