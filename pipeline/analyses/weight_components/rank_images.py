"""Tabulate the test images with the largest predicted response of each ROI, with captions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from encoding.variance_partitioning import model_name
from pipeline.analyses.weight_components.tables import BEST_IMAGE_COLUMNS, COLUMNS, best_image_rows
from pipeline.dataset.images import open_images
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, open_result, read_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table, write_table
from pipeline.tables import columns
from pipeline.tables.regions import in_atlas_order


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    spaces: Annotated[list[str], given.Setting("interpreted")]  # of the model
    predictions: given.InputFiles
    responses: given.InputFiles
    encoding: given.InputFiles
    rois: given.InputFiles
    configuration: Annotated[
        dict[str, Any], given.Setting("interpretation:model,images,min_reliability,min_voxels")
    ]
    out: given.OutputFile


def main() -> None:
    """Write the table of best images."""
    arguments = Arguments.read()
    kinds = ("predictions", "responses", "encoding", "rois")
    subjects = [
        dict(zip(kinds, paths, strict=True))
        for paths in zip(*(getattr(arguments, kind) for kind in kinds), strict=True)
    ]
    model = model_name(arguments.spaces)
    predictions = [read_result(files["predictions"], ["predictions"]) for files in subjects]
    nsd_id = np.unique(np.concatenate([result["image"] for result in predictions]))
    texts = open_images(arguments.nsd).texts(nsd_id, "captions")
    captions = dict(zip(nsd_id.tolist(), texts, strict=True))
    rows = [
        row
        for files, result in zip(subjects, predictions, strict=True)
        for row in best_image_rows(
            *(result, model, *_measured(files, result, arguments.configuration)),
            rois=read_table(files["rois"]),
            settings=arguments.configuration,
            captions=captions,
        )
    ]
    inputs = {
        f"{kind}/{files['rois'].stem}": path for files in subjects for kind, path in files.items()
    }
    provenance = make_provenance("rank_images", arguments.configuration, inputs)
    rois = [read_table(files["rois"]) for files in subjects]
    frame = in_atlas_order(pd.DataFrame(rows, columns=BEST_IMAGE_COLUMNS), rois)
    write_table(arguments.out, frame, {**columns.COLUMNS, **COLUMNS}, provenance)


def _measured(
    files: Mapping[str, Path], predictions: Result, settings: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Return responses (image, voxel) to the predicted images, and which voxels are reliable."""
    nsd_id, voxel = predictions["image"], predictions["voxel"]
    requested_by = str(predictions.path)
    with open_result(files["responses"]) as file:
        measured = StoredMatrix(file, "responses", nsd_id, requested_by).of(voxel)
    encoding = read_result(files["encoding"], ["reliability"])
    encoding = encoding.ordered("voxel", voxel, requested_by)
    return measured, encoding["reliability"] >= settings["min_reliability"]


if __name__ == "__main__":
    run_stage(main)
