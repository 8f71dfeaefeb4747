"""Find each voxel's preferred layer of a network, by cross-validated scores of training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from encoding.layers import preferred_layers
from pipeline import stage_arguments as given
from pipeline.errors import run_stage
from pipeline.storage import make_provenance, positions, read_result, write_result

SCORES = ("cv_score", "r", "r2")


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    network: given.Wildcard  # name of the comparison
    layers: Annotated[list[str], given.Setting("layerwise.{network}")]  # first layer first
    encoding: given.InputFiles  # of the layers
    configuration: Annotated[dict[str, Any], given.Setting("preferred_layer")]
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    settings = arguments.configuration
    fits = [read_result(path) for path in arguments.encoding]
    voxel, reliability = fits[0]["voxel"], fits[0]["reliability"]
    scores = {key: np.empty((len(fits), len(voxel)), np.float32) for key in SCORES}
    for number, fit in enumerate(fits):
        columns = positions(fit["voxel"], voxel, fit.path, str(fits[0].path))
        for key in SCORES:
            scores[key][number] = fit[key][columns]
    found = preferred_layers(scores["cv_score"], settings["share"])
    explainable = found.where(reliability >= settings["least_ceiling"])
    arrays = {
        "voxel": voxel,
        "reliability": reliability,
        "layers": arguments.layers,
        **scores,
        "best": explainable.best.astype(np.float32),
        "first": explainable.first.astype(np.float32),
        "raw/best": found.best.astype(np.float32),
        "raw/first": found.first.astype(np.float32),
    }
    configurations = [fit.provenance["configuration"] for fit in fits]
    configuration = {
        "subject": configurations[0]["subject"],
        "network": arguments.network,
        "spaces": arguments.layers,
        **settings,
    }
    inputs = dict(zip(arguments.layers, arguments.encoding, strict=True))
    provenance = make_provenance("prefer_layers", configuration, inputs)
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
