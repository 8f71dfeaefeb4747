"""Divide the variance components of a comparison by the noise ceiling, in one subject."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from encoding.ceiling_shares import ceiling_share
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import read_result, write_result


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    configuration: Annotated[dict[str, Any], given.Setting("ceiling_shares")]
    partition: given.InputFile
    out: given.OutputFile


def main() -> None:
    """Divide the components by the noise ceiling and write the shares."""
    arguments = Arguments.read()
    partition = read_result(arguments.partition)
    minimum = arguments.configuration["min_noise_ceiling"]
    share = ceiling_share(partition["variance"], partition["noise_ceiling"], minimum)
    kept = {name: partition.configuration[name] for name in ("subject", "comparison", "spaces")}
    configuration = {**kept, "min_noise_ceiling": minimum}
    inputs = {"partition": arguments.partition}
    provenance = make_provenance("measure_ceiling_shares", configuration, inputs)
    data = partition.data[["variance", "noise_ceiling"]]
    data["share"] = ("component", "voxel"), share.astype(np.float32)
    write_result(arguments.out, data, provenance)


if __name__ == "__main__":
    run_stage(main)
