"""Write the tables of learning curves, and of models that overtake one another."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.storage import make_provenance, read_result, read_table, write_table
from pipeline.tables.columns import COLUMNS
from pipeline.tables.learning_curves import (
    OVERTAKING_COLUMNS,
    learning_curve_rows,
    overtaking_rows,
)
from pipeline.tables.regions import in_atlas_order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", required=True, nargs="+", type=Path)
    parser.add_argument("--rois", required=True, nargs="+", type=Path, help="of the subjects")
    parser.add_argument("--level", required=True, type=setting, help="of the intervals")
    parser.add_argument("--out", required=True, nargs=2, type=Path, help="curves, overtaking")
    arguments = parser.parse_args()
    results = [read_result(path) for path in arguments.curves]
    curves = [row for result in results for row in learning_curve_rows(result)]
    overtaking = [row for result in results for row in overtaking_rows(result, arguments.level)]
    inputs = {path.stem: path for path in arguments.curves}
    provenance = make_provenance("write_learning_curve_tables", {"level": arguments.level}, inputs)
    frames = [pd.DataFrame(curves), pd.DataFrame(overtaking, columns=OVERTAKING_COLUMNS)]
    rois = [read_table(path) for path in arguments.rois]
    for path, frame in zip(arguments.out, frames, strict=True):
        write_table(path, in_atlas_order(frame, rois), COLUMNS, provenance)


if __name__ == "__main__":
    run_stage(main)
