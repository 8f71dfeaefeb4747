"""Compare R² of two models in every voxel of a subject, with intervals and tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import numpy as np

from encoding.inference.bootstrap import draw_images
from encoding.inference.model_differences import compare_models
from encoding.inference.significance import false_discovery_rate
from pipeline.errors import run_stage
from pipeline.fits.described_tests import describe_paired_flips
from pipeline.fits.image_blocks import image_blocks
from pipeline.fits.predicted_images import open_predicted_images
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.storage import write_result


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    models: Annotated[list[str], given.Setting("model_differences.{pair}")]
    predictions: given.InputFiles  # of the two models, in that order
    responses: given.InputFile
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("significance")]
    out: given.OutputFile


def main() -> None:
    """Compare the two models in all voxels and write the results."""
    arguments = Arguments.read()
    settings = arguments.configuration
    files = dict(zip(arguments.models, arguments.predictions, strict=True))
    parts: list[dict[str, np.ndarray]] = []
    with open_predicted_images(arguments.responses, files) as images:
        blocks = image_blocks(arguments.split, images.nsd_id, settings["resample"])
        counts = draw_images(len(images.nsd_id), settings["draws"], settings["seed"], blocks)
        voxel = images.voxel
        for _, measured, predicted in images.blocks(slice(0, len(voxel)), arguments.out.stem):
            first, second = predicted.values()
            found = compare_models(measured, first, second, counts, settings["level"], blocks)
            parts.append(asdict(found))
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    arrays["q"] = false_discovery_rate(arrays["p"])
    subject = read_provenance(arguments.predictions[0])["configuration"]["subject"]
    provenance = make_provenance(
        "compare_models",
        {
            "subject": subject,
            "models": arguments.models,
            **{key: settings[key] for key in ("draws", "level", "resample", "seed")},
            "test": describe_paired_flips(settings["resample"], "two-sided"),
        },
        {"responses": arguments.responses, "split": arguments.split, **files},
        seed=settings["seed"],
    )
    kept = {key: ("voxel", values.astype(np.float32)) for key, values in arrays.items()}
    write_result(arguments.out, {"voxel": ("voxel", voxel), **kept}, provenance)


if __name__ == "__main__":
    run_stage(main)
