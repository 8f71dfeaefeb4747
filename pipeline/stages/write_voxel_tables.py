"""Write a subject's voxels as Parquet: scores of every model, components of every comparison."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import by_identity, make_provenance
from pipeline.results.storage import aligned_result, read_result
from pipeline.results.tables import read_table
from pipeline.tables.voxels import component_parts, model_part, parquet_writer, voxel_locations


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    subject: given.Wildcard
    rois: given.InputFile
    encoding: given.InputFiles
    significance: given.InputFiles
    partitions: given.InputFiles
    models: given.NamedOutput  # Parquet to write
    components: given.NamedOutput  # Parquet to write


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    inputs = {"rois": arguments.rois}
    for kind in ("encoding", "significance", "partitions"):
        inputs |= {
            "/".join(path.with_suffix("").parts[-4:]): path for path in getattr(arguments, kind)
        }
    provenance = make_provenance("write_voxel_tables", {"subject": arguments.subject}, inputs)
    tests = by_identity(arguments.significance)
    grid = tuple(read_result(arguments.encoding[0], ["grid_shape"])["grid_shape"].tolist())
    rois = read_table(arguments.rois)

    def where(voxel: np.ndarray) -> pd.DataFrame:
        return voxel_locations(arguments.subject, voxel, grid, rois)

    with parquet_writer(arguments.models, provenance) as append:
        for path in arguments.encoding:
            result = read_result(path)
            tested = aligned_result(tests[result.identity], result)
            frame = model_part(where(result["voxel"]), result, tested)
            append(frame.assign(variant=result.configuration["variant"]))
    with parquet_writer(arguments.components, provenance) as append:
        for path in arguments.partitions:
            result = read_result(path)
            tested = aligned_result(tests[result.identity], result)
            for frame in component_parts(where(result["voxel"]), result, tested):
                append(frame.assign(variant=result.configuration["variant"]))
        if not arguments.partitions:
            append(_no_components(where(np.empty(0, np.int64))))


def _no_components(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns without rows, for a study without comparisons."""
    numbers = {name: np.empty(0, np.float32) for name in ("variance", "p", "q")}
    return frame.assign(comparison="", component="", **numbers, variant="")


if __name__ == "__main__":
    run_stage(main)
