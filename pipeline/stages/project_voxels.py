"""Project the weights of all voxels of a subject on the components of all subjects' weights."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from encoding.scaling import FeatureScaling
from encoding.weight_components import WeightComponents
from pipeline.errors import run_stage
from pipeline.fit_inputs import FittedModel
from pipeline.storage import read_result, write_result

COMPONENTS = ("components", "mean", "explained", "sign_margin")
SCALING = ("feature_mean", "feature_factor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    FittedModel.add_arguments(parser)
    parser.add_argument("--components", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    result = read_result(arguments.components, [*COMPONENTS, *SCALING])
    components = WeightComponents(*(result[name] for name in COMPONENTS))
    common = FeatureScaling(*(result[name] for name in SCALING))
    with FittedModel.open(arguments) as model:
        shape = len(components.explained), len(model.voxel)
        projections = np.full(shape, np.nan, np.float32)
        with tqdm(total=len(model.voxel), desc=model.fitted["subject"], unit="voxel") as bar:
            for voxels, weights in model.stream_weights():
                translated = model.scaling.translate(weights.T, common)
                projections[:, voxels] = components.project(translated).T
                bar.update(len(voxels))
        arrays = {"voxel": model.voxel, "projections": projections}
        settings = {"model": result.provenance["configuration"]["model"]}
        provenance = model.provenance(
            "project_voxels", settings, {"components": arguments.components}
        )
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
