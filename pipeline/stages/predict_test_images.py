"""Predict responses to the test images with the penalties and band weights that a search picked.

The weights are refitted without search. Predictions are large and quickly made, and are not kept.
"""

from __future__ import annotations

from typing import Annotated

import h5py
import numpy as np
from tqdm import tqdm

from encoding.variance_partitioning import model_name
from pipeline.errors import run_stage
from pipeline.fits.fitted_model import FittedModel
from pipeline.jobs import stage_arguments as given
from pipeline.results.chunk_shapes import chunks_of_voxels
from pipeline.results.storage import create_result


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    spaces: Annotated[list[str], given.Setting("fits.{variant}.{model}")]
    features: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    encoding: given.InputFile
    memory_mb: given.SolverMemory
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    with FittedModel.open(arguments) as model:
        provenance = model.provenance("predict_test_images", model.fitted)
        shape = len(model.test_nsd_id), len(model.voxel)
        with create_result(arguments.out, provenance) as file:
            file.add("image", "image", model.test_nsd_id)
            file.add("voxel", "voxel", model.voxel)
            # NaN for voxels that were not fitted
            predictions = file.add(
                "predictions",
                ("image", "voxel"),
                shape=shape,
                dtype=np.float32,
                chunks=chunks_of_voxels(shape),
                fillvalue=np.nan,
            )
            name = model_name(arguments.spaces)
            with tqdm(total=shape[1], desc=name, unit="voxel") as bar:
                for found in model.stream_weights():
                    _store(predictions, found.voxels, found.predict(model.test_bands))
                    bar.update(len(found.voxels))


def _store(dataset: h5py.Dataset, voxels: np.ndarray, values: np.ndarray) -> None:
    """Write columns (ascending) of an array as one range: HDF5 is slow at scattered columns."""
    here = slice(voxels[0], voxels[-1] + 1)
    if len(voxels) < here.stop - here.start:
        block = dataset[:, here]
        block[:, voxels - here.start] = values
        values = block
    dataset[:, here] = values


if __name__ == "__main__":
    run_stage(main)
