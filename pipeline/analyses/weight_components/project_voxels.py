"""Project the weights of all voxels of a subject on the components of all subjects' weights."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from tqdm import tqdm

from encoding.scaling import FeatureScaling
from encoding.weight_components import WeightComponents
from pipeline.errors import run_stage
from pipeline.fits.fitted_model import FittedModel
from pipeline.jobs import stage_arguments as given
from pipeline.results.storage import read_result, write_result

COMPONENTS = ("components", "mean", "explained", "sign_margin")
SCALING = ("feature_mean", "feature_factor")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    spaces: Annotated[list[str], given.Setting("interpreted")]
    features: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    encoding: given.InputFile
    memory_mb: given.SolverMemory
    components: given.InputFile
    out: given.OutputFile


def main() -> None:
    """Write the projections of all voxels."""
    arguments = Arguments.read()
    result = read_result(arguments.components, [*COMPONENTS, *SCALING])
    components = WeightComponents(*(result[name] for name in COMPONENTS))
    common = FeatureScaling(*(result[name] for name in SCALING))
    with FittedModel.open(arguments) as model:
        shape = len(components.explained), len(model.voxel)
        projections = np.full(shape, np.nan, np.float32)
        with tqdm(total=len(model.voxel), desc=model.fitted["subject"], unit="voxel") as bar:
            for voxels, weights, _ in model.stream_weights():
                translated = model.scaling.translate(weights.T, common)
                projections[:, voxels] = components.project(translated).T
                bar.update(len(voxels))
        arrays = {
            "voxel": ("voxel", model.voxel),
            "projections": (("component", "voxel"), projections),
        }
        settings = {"model": result.configuration["model"]}
        provenance = model.provenance(
            "project_voxels", settings, {"components": arguments.components}
        )
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
