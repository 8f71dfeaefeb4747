"""Divide a contrast's components of variance by the noise ceiling, in one subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from encoding.ceiling_shares import ceiling_share
from encoding.variance_partitioning import COMPONENT_SEPARATOR, subsets
from pipeline import stage_arguments as given
from pipeline.errors import run_stage
from pipeline.storage import make_provenance, read_result, write_result


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    contrast: given.Wildcard
    configuration: Annotated[dict[str, Any], given.Setting("ceiling_shares")]
    partition: given.InputFile
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    partition = read_result(arguments.partition)
    fitted = partition.provenance["configuration"]
    components = [COMPONENT_SEPARATOR.join(spaces) for spaces in subsets(fitted["spaces"])]
    variance = np.stack([partition[f"component/{name}"] for name in components])
    ceiling = partition["noise_ceiling"]
    minimum = arguments.configuration["min_noise_ceiling"]
    share = ceiling_share(variance, ceiling, minimum).astype(np.float32)
    configuration = {
        **{"subject": fitted["subject"], "contrast": arguments.contrast},
        **{"spaces": fitted["spaces"], "min_noise_ceiling": minimum},
    }
    inputs = {"partition": arguments.partition}
    provenance = make_provenance("measure_ceiling_shares", configuration, inputs)
    arrays = {
        **{"voxel": partition["voxel"], "component": components, "variance": variance},
        **{"share": share, "noise_ceiling": ceiling},
    }
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
