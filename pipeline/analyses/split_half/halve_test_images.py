"""Compute unique variance in halves of the test images, for a comparison in one subject."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from encoding.split_half import draw_halves, unique_variance_of_halves
from encoding.variance_partitioning import model_name, subsets
from pipeline.errors import run_stage
from pipeline.fits.image_blocks import image_blocks
from pipeline.fits.predicted_images import open_predicted_images
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.storage import write_result


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    comparison: given.Wildcard
    spaces: Annotated[list[str], given.Setting("comparisons.{comparison}")]
    predictions: given.InputFiles  # one for each of `subsets`, in that order
    responses: given.InputFile
    split: given.InputFile
    settings: Annotated[dict[str, Any], given.Setting("split_half")]
    resample: Annotated[str, given.Setting("significance.resample")]
    out: given.OutputFile


def main() -> None:
    """Compute unique variance in all halves and write it."""
    arguments = Arguments.read()
    spaces, settings = arguments.spaces, arguments.settings
    models = [model_name(subset) for subset in subsets(spaces)]
    files = dict(zip(models, arguments.predictions, strict=True))
    with open_predicted_images(arguments.responses, files) as images:
        blocks = image_blocks(arguments.split, images.nsd_id, arguments.resample)
        halves = draw_halves(len(images.nsd_id), settings["splits"], settings["seed"], blocks)
        voxel = images.voxel
        parts = [
            unique_variance_of_halves(measured, predicted, spaces, halves).astype(np.float32)
            for _, measured, predicted in images.blocks(slice(0, len(voxel)), arguments.out.stem)
        ]
    provenance = make_provenance(
        "halve_test_images",
        {
            "subject": read_provenance(arguments.predictions[0])["configuration"]["subject"],
            **{"comparison": arguments.comparison, "spaces": spaces},
            **{"resample": arguments.resample, **settings},
        },
        {"responses": arguments.responses, "split": arguments.split, **files},
        seed=settings["seed"],
    )
    arrays = {
        **{"voxel": ("voxel", voxel), "space": ("space", spaces)},
        "unique": (("halving", "half", "space", "voxel"), np.concatenate(parts, axis=-1)),
    }
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
