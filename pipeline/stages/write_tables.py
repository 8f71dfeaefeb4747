"""Write the tables: correlations, partitions, tests over subjects, best voxels."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.storage import (
    aligned_result,
    make_provenance,
    read_result,
    read_table,
    write_table,
)
from pipeline.tables.columns import COLUMNS
from pipeline.tables.regions import in_atlas_order
from pipeline.tables.tables import (
    PARTITION_COLUMNS,
    best_voxel_row,
    correlation_rows,
    group_table,
    model_table,
    partition_rows,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", required=True, type=setting, help="to be compared")
    parser.add_argument("--rois", required=True, nargs="+", type=Path)
    parser.add_argument("--encoding", required=True, nargs="+", type=Path)
    parser.add_argument("--significance", required=True, nargs="+", type=Path)
    parser.add_argument("--partitions", required=True, nargs="*", type=Path)
    parser.add_argument("--out", required=True, nargs="+", type=Path)
    arguments = parser.parse_args()
    rois = {path.stem: read_table(path) for path in arguments.rois}
    tests = {path.parts[-3:]: path for path in arguments.significance}
    correlations, best, partitions = [], [], []
    done: set[tuple[str, ...]] = set()
    for path in arguments.encoding:
        subject, variant, _ = path.parts[-3:]
        result = read_result(path)
        tested = aligned_result(tests[path.parts[-3:]], result)
        new = {model for model in result["models"] if (subject, variant, model) not in done}
        rows = correlation_rows(result, tested, rois[subject])
        correlations += [row for row in rows if row["model"] in new]
        for model in sorted(new, key=result["models"].tolist().index):
            best.append(best_voxel_row(result, rois[subject], model))
            done.add((subject, variant, model))
    for path in arguments.partitions:
        subject = path.parts[-3]
        result = read_result(path)
        tested = aligned_result(tests[path.parts[-3:]], result)
        partitions += partition_rows(result, tested, rois[subject], path.stem)
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


def _inputs(arguments: argparse.Namespace) -> Iterable[Path]:
    return [*arguments.encoding, *arguments.significance, *arguments.partitions]


if __name__ == "__main__":
    run_stage(main)
