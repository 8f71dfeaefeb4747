"""Write a subject's voxels as Parquet: scores of every model, components of every contrast."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import run_stage
from pipeline.storage import aligned_result, make_provenance, read_result, read_table
from pipeline.tables.voxels import component_parts, model_parts, parquet_writer, places


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--rois", required=True, type=Path)
    parser.add_argument("--encoding", required=True, nargs="+", type=Path)
    parser.add_argument("--significance", required=True, nargs="+", type=Path)
    parser.add_argument("--partitions", required=True, nargs="*", type=Path)
    parser.add_argument("--models", required=True, type=Path, help="Parquet to write")
    parser.add_argument("--components", required=True, type=Path, help="Parquet to write")
    arguments = parser.parse_args()
    inputs = {"rois": arguments.rois}
    for kind in ("encoding", "significance", "partitions"):
        inputs |= {
            "/".join(path.with_suffix("").parts[-4:]): path for path in getattr(arguments, kind)
        }
    provenance = make_provenance("write_voxel_tables", {"subject": arguments.subject}, inputs)
    tests = {path.parts[-3:]: path for path in arguments.significance}
    grid = tuple(read_result(arguments.encoding[0], ["grid_shape"])["grid_shape"].tolist())
    rois = read_table(arguments.rois)

    def where(voxel: np.ndarray) -> pd.DataFrame:
        return places(arguments.subject, voxel, grid, rois)

    done: set[tuple[str, str]] = set()
    with parquet_writer(arguments.models, provenance) as append:
        for path in arguments.encoding:
            result = read_result(path)
            tested = aligned_result(tests[path.parts[-3:]], result)
            variant = path.parent.name
            for model, frame in model_parts(where(result["voxel"]), result, tested):
                if (variant, model) not in done:
                    done.add((variant, model))
                    append(frame.assign(variant=variant))
    with parquet_writer(arguments.components, provenance) as append:
        for path in arguments.partitions:
            result = read_result(path)
            tested = aligned_result(tests[path.parts[-3:]], result)
            for frame in component_parts(where(result["voxel"]), result, tested, path.stem):
                append(frame.assign(variant=path.parent.name))
        if not arguments.partitions:
            append(_no_components(where(np.empty(0, np.int64))))


def _no_components(frame: pd.DataFrame) -> pd.DataFrame:
    """A study without contrasts still has the table: its columns, and no row."""
    numbers = {name: np.empty(0, np.float32) for name in ("variance", "p", "q")}
    return frame.assign(contrast="", component="", **numbers, variant="")


if __name__ == "__main__":
    run_stage(main)
