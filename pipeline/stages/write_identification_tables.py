"""Write the tables of identified test images: image-wise accuracy, and error consistency."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.storage import make_provenance, read_result, read_table, write_table
from pipeline.tables.columns import COLUMNS
from pipeline.tables.identification import (
    CONSISTENCY_COLUMNS,
    IMAGE_COLUMNS,
    error_consistency_rows,
    image_accuracy_rows,
)
from pipeline.tables.regions import in_atlas_order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identification", required=True, nargs="+", type=Path)
    parser.add_argument("--rois", required=True, nargs="+", type=Path, help="of the subjects")
    parser.add_argument("--significance", required=True, type=setting)
    parser.add_argument("--out", required=True, nargs=2, type=Path, help="consistency, accuracy")
    arguments = parser.parse_args()
    consistency, accuracy = [], []
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
        write_table(path, in_atlas_order(frame, rois), COLUMNS, provenance)


if __name__ == "__main__":
    run_stage(main)
