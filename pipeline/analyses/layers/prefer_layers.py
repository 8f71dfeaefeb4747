"""Find each voxel's preferred layer of a network, by cross-validated scores of training images."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from encoding.layers import preferred_layers
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import aligned_result, read_result, write_result

SCORES = ("cv_score", "r", "r2")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    network: given.Wildcard  # name of the comparison
    layers: Annotated[list[str], given.Setting("layerwise.{network}")]  # first layer first
    encoding: given.InputFiles  # of the layers
    configuration: Annotated[dict[str, Any], given.Setting("preferred_layer")]
    out: given.OutputFile


def main() -> None:
    """Find the preferred layers and write them."""
    arguments = Arguments.read()
    settings = arguments.configuration
    first = read_result(arguments.encoding[0])
    fits = [first, *(aligned_result(path, first) for path in arguments.encoding[1:])]
    reliability = first["reliability"]
    scores = {key: np.stack([fit[key] for fit in fits]) for key in SCORES}
    found = preferred_layers(scores["cv_score"], settings["fraction"])
    explainable = found.where(reliability >= settings["min_reliability"])
    arrays = {
        "voxel": ("voxel", first["voxel"]),
        "layer": ("layer", arguments.layers),
        "reliability": ("voxel", reliability),
        **{key: (("layer", "voxel"), values) for key, values in scores.items()},
        "best": ("voxel", explainable.best.astype(np.float32)),
        "first": ("voxel", explainable.first.astype(np.float32)),
        "raw_best": ("voxel", found.best.astype(np.float32)),
        "raw_first": ("voxel", found.first.astype(np.float32)),
    }
    configuration = {
        "subject": first.configuration["subject"],
        "network": arguments.network,
        "spaces": arguments.layers,
        **settings,
    }
    inputs = dict(zip(arguments.layers, arguments.encoding, strict=True))
    provenance = make_provenance("prefer_layers", configuration, inputs)
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
