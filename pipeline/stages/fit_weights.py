"""Make the weights of a subject's most reliable voxels again, and some of no meaning.

The latter are of the same voxels, penalties and features, with the images permuted: what shape a
feature space alone gives to weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from encoding.interpretation import best_voxels
from encoding.partition import model_name
from encoding.weights import stream_weights
from pipeline.errors import InputError, run_stage
from pipeline.fit_inputs import FittedModel
from pipeline.storage import write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    FittedModel.add_arguments(parser)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    settings = arguments.configuration
    with FittedModel.open(arguments) as model:
        reliability = np.where(np.isfinite(model.alpha), model.reliability, np.nan)
        columns = best_voxels(
            reliability, settings["voxels_per_subject"], settings["least_ceiling"]
        )
        if len(columns) <= settings["components"]:
            raise InputError(
                f"interpretation: {arguments.encoding} has {len(columns)} voxels with a "
                f"reliability of at least {settings['least_ceiling']}, too few for "
                f"{settings['components']} components; lower `least_ceiling` or `components`"
            )
        responses = model.stored.of(model.voxel[columns])
        order = np.random.default_rng(settings["seed"]).permutation(len(responses))
        arrays = {
            "voxel": model.voxel[columns],
            "reliability": model.reliability[columns],
            "weights": _weights(model, responses, columns),
            "permuted_weights": _weights(model, responses[order], columns),
            "training_nsd_id": model.training_nsd_id,
            "feature_mean": model.scaling.mean,
            "feature_factor": model.scaling.factor,
        }
        provenance = model.provenance("fit_weights", settings)
    write_result(arguments.out, arrays, provenance)
    subject = provenance["configuration"]["subject"]
    print(f"{subject}: weights of {len(columns)} voxels of {model_name(arguments.spaces)}")


def _weights(model: FittedModel, responses: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(voxel, feature) float32 of voxels that can all be fitted."""
    weights = np.full((len(columns), len(model.scaling.mean)), np.nan, np.float32)
    picked = model.alpha[columns], model.band_weights[:, columns]
    parts = stream_weights(model.bands, responses, model.fold, *picked, model.options)
    for voxels, found in parts:
        weights[voxels] = found.T
    return weights


if __name__ == "__main__":
    run_stage(main)
