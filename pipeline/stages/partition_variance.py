"""Partition the variance that a contrast's feature spaces explain, alone and together."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from encoding.partition import partition_variance
from pipeline.errors import run_stage
from pipeline.storage import make_provenance, read_result, write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spaces", required=True, nargs="+")
    parser.add_argument("--encoding", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    encoding = read_result(arguments.encoding)
    r2 = {model: encoding[f"{model}/r2"] for model in encoding["models"].tolist()}
    components = partition_variance(r2, arguments.spaces)
    arrays = {
        "voxel": encoding["voxel"],
        "noise_ceiling": encoding["noise_ceiling"],
        **{f"r2/{model}": values for model, values in r2.items()},
        **{f"component/{name}": v.astype(np.float32) for name, v in components.items()},
    }
    fitted = encoding.provenance["configuration"]
    configuration = {
        "spaces": arguments.spaces,
        "subject": fitted["subject"],
        "variant": fitted["variant"],
        "untrained_spaces": fitted["untrained_spaces"],
    }
    inputs = {"encoding": arguments.encoding}
    write_result(
        arguments.out, arrays, make_provenance("partition_variance", configuration, inputs)
    )


if __name__ == "__main__":
    run_stage(main)
