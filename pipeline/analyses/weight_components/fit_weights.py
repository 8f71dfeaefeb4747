"""Fit the weights of a subject's most reliable voxels again, and weights to permuted images.

The latter have the same voxels, penalties and features, with the images permuted many times: they
have the structure that a feature space alone gives to weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import h5py
import numpy as np

from encoding.ridge.weights import RefittedVoxels, stream_weights
from encoding.variance_partitioning import model_name
from encoding.weight_components import PermutedResponses, best_voxels
from pipeline.errors import InputError, run_stage
from pipeline.fits.fitted_model import FittedModel
from pipeline.jobs import stage_arguments as given
from pipeline.results.chunk_shapes import chunks_of_rows
from pipeline.results.storage import create_result


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    spaces: Annotated[list[str], given.Setting("interpreted")]
    features: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    encoding: given.InputFile
    memory_mb: given.SolverMemory
    configuration: Annotated[
        dict[str, Any],
        given.Setting(
            "interpretation:model,voxels_per_subject,min_reliability,components,permutations,seed"
        ),
    ]
    out: given.NamedOutput
    permuted: given.NamedOutput


def main() -> None:
    """Write the weights, measured and permuted."""
    arguments = Arguments.read()
    settings = arguments.configuration
    with FittedModel.open(arguments) as model:
        reliability = np.where(np.isfinite(model.alpha), model.reliability, np.nan)
        columns = best_voxels(
            reliability, settings["voxels_per_subject"], settings["min_reliability"]
        )
        if len(columns) <= settings["components"]:
            raise InputError(
                f"interpretation: {arguments.encoding} has only {len(columns)} voxels with a "
                f"reliability of at least {settings['min_reliability']}, too few for "
                f"{settings['components']} components; lower `min_reliability` or `components`"
            )
        responses = model.stored.of(model.voxel[columns])
        n_draws = settings["permutations"]
        permuted = PermutedResponses(responses, n_draws, settings["seed"])
        arrays = {
            "voxel": ("voxel", model.voxel[columns]),
            "image": ("image", model.training_nsd_id),
            "reliability": ("voxel", model.reliability[columns]),
            "feature_mean": ("feature", model.scaling.mean),
            "feature_factor": ("feature", model.scaling.factor),
        }
        provenance = model.provenance("fit_weights", settings)
        shape = len(columns), len(model.scaling.mean)
        with create_result(arguments.out, provenance) as file:
            for name, (dimension, values) in arrays.items():
                file.add(name, dimension, values)
            weights = file.add("weights", ("voxel", "feature"), shape=shape, dtype=np.float32)
            _write(weights, _weights(model, responses, columns))
        with create_result(arguments.permuted, provenance) as file:
            weights = file.add(
                "permuted_weights",
                ("draw", "voxel", "feature"),
                shape=(n_draws, *shape),
                dtype=np.float32,
                chunks=(1, *chunks_of_rows(shape, 4)),
            )
            _write(weights, _weights(model, permuted, np.tile(columns, n_draws)))
    subject = provenance["configuration"]["subject"]
    print(f"{subject}: weights of {len(columns)} voxels of {model_name(arguments.spaces)}")


def _weights(
    model: FittedModel, responses: np.ndarray | PermutedResponses, columns: np.ndarray
) -> Iterator[RefittedVoxels]:
    """Yield weights that are fitted with the voxels' own penalties."""
    picked = model.alpha[columns], model.band_weights[:, columns]
    return stream_weights(model.bands, responses, model.fold, *picked, model.options)


def _write(dataset: h5py.Dataset, parts: Iterator[RefittedVoxels]) -> None:
    """Write weights (…, voxel, feature), runs of neighbouring voxels of a draw at once."""
    n_voxels = dataset.shape[-2]
    for rows, found, _ in parts:
        # rows are numbered on from draw to draw
        breaks = np.flatnonzero((np.diff(rows) > 1) | (rows[1:] % n_voxels == 0)) + 1
        for run in np.split(np.arange(len(rows)), breaks):
            draw, first = divmod(int(rows[run[0]]), n_voxels)
            voxels = slice(first, first + len(run))
            dataset[(draw, voxels) if dataset.ndim == 3 else voxels] = found[:, run].T


if __name__ == "__main__":
    run_stage(main)
