"""Average a subject's measured and predicted responses to test images over regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np

from pipeline.errors import run_stage
from pipeline.fits.predicted_images import PredictedImages, open_predicted_images
from pipeline.fits.region_means import region_means, reliable_voxels
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.storage import read_result, write_result
from pipeline.tables.regions import region_labels

MEASURED = "measured responses"


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    predictions: given.InputFiles
    encoding: given.InputFile  # of the first model, for its reliability
    responses: given.InputFile
    rois: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("averaged_regions")]
    out: given.OutputFile


def main() -> None:
    """Average over all regions and write the results."""
    arguments = Arguments.read()
    settings = arguments.configuration
    files = {
        read_provenance(path)["configuration"]["model"]: path for path in arguments.predictions
    }
    encoding = read_result(arguments.encoding, ["reliability"])
    regions, inside = reliable_voxels(arguments.rois, encoding, settings)
    with open_predicted_images(arguments.responses, files) as images:
        means, n_voxels = region_means(_blocks(images), inside, settings["min_voxels"])
        nsd_id = images.nsd_id
    provenance = make_provenance(
        "average_regions",
        {"subject": encoding.configuration["subject"], **settings},
        {
            **{name: getattr(arguments, name) for name in ("responses", "rois", "encoding")},
            **files,
        },
    )
    arrays = {
        **region_labels(regions),
        "image": ("image", nsd_id),
        "predictor": ("predictor", [*means]),
        "mean": (("predictor", "image", "region"), np.stack([*means.values()])),
        "n_voxels": ("region", n_voxels),
    }
    write_result(arguments.out, arrays, provenance)


def _blocks(images: PredictedImages) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    whole = slice(0, len(images.voxel))
    for here, measured, predicted in images.blocks(whole, "regions"):
        yield here, {MEASURED: measured, **predicted}


if __name__ == "__main__":
    run_stage(main)
