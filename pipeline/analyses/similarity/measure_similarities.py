"""Measure how similar a subject's test images are in each feature space and each ROI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from encoding.similarity import image_similarities
from pipeline.errors import InputError, run_stage
from pipeline.fits.fit_inputs import read_scaled
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, open_result, read_result, write_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table
from pipeline.tables.regions import region_labels
from pipeline.tables.tables import roi_members

Roi = tuple[str, str]


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    spaces: Annotated[list[str], given.Setting("representational_similarity.spaces")]
    features: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    rois: given.InputFile
    encoding: given.InputFile  # any fit of the subject, for its reliability
    configuration: Annotated[
        dict[str, Any],
        given.Setting("representational_similarity:atlases,min_reliability,min_voxels"),
    ]
    out: given.OutputFile


def main() -> None:
    """Measure all similarities and write them."""
    arguments = Arguments.read()
    split = read_table(arguments.split)
    nsd_id, test = split["nsd_id"].to_numpy(), (split["set"] == "test").to_numpy()
    spaces = dict(zip(arguments.spaces, arguments.features, strict=True))
    similarities = [
        image_similarities(read_scaled(path, nsd_id, ~test, str(arguments.split)).features[test])
        for path in spaces.values()
    ]
    encoding = read_result(arguments.encoding, ["reliability"])
    rois, n_voxels = _of_rois(arguments, nsd_id[test], encoding)
    arrays = {
        "image": ("image", nsd_id[test]),
        "space": ("space", [*spaces]),
        "similarity_in_space": (("space", "pair"), np.stack(similarities)),
        **region_labels(rois),
        "similarity_in_region": (("region", "pair"), np.stack([*rois.values()])),
        "n_voxels": ("region", [*n_voxels.values()]),
    }
    write_result(arguments.out, arrays, _provenance(arguments, spaces, encoding))


def _of_rois(
    arguments: Arguments, nsd_id: np.ndarray, encoding: Result
) -> tuple[dict[Roi, np.ndarray], dict[Roi, int]]:
    """Return similarities and number of voxels of each ROI."""
    settings = arguments.configuration
    similarities, n_voxels = {}, {}
    with open_result(arguments.responses) as file:
        stored = StoredMatrix(file, "responses", nsd_id, str(arguments.encoding))
        measured = stored.of(encoding["voxel"])
    # patterns need voxels that have a response to every image
    usable = np.isfinite(measured).all(axis=0)
    usable &= encoding["reliability"] >= settings["min_reliability"]
    members = _chosen(read_table(arguments.rois), settings["atlases"], encoding["voxel"])
    for roi in tqdm(sorted(members), unit="ROI", mininterval=1):
        inside = members[roi]
        number = int(np.count_nonzero(inside & usable))
        if number >= settings["min_voxels"]:
            similarities[roi] = image_similarities(measured[:, inside & usable])
            n_voxels[roi] = number
    if not similarities:
        raise InputError(
            f"representational_similarity: no ROI of {', '.join(settings['atlases'])} in "
            f"{arguments.rois} has {settings['min_voxels']} voxels with a reliability of "
            f"{settings['min_reliability']}; lower them, or choose other `atlases`"
        )
    return similarities, n_voxels


def _chosen(rois: pd.DataFrame, atlases: list[str], voxel: np.ndarray) -> Mapping[Roi, np.ndarray]:
    return roi_members(rois[rois["atlas"].isin(atlases)], voxel)


def _provenance(arguments: Arguments, spaces: dict[str, Path], encoding: Result) -> dict[str, Any]:
    return make_provenance(
        "measure_similarities",
        {
            "subject": encoding.configuration["subject"],
            "spaces": list(spaces),
            **arguments.configuration,
        },
        {
            "responses": arguments.responses,
            "split": arguments.split,
            "rois": arguments.rois,
            "encoding": arguments.encoding,
            **spaces,
        },
    )


if __name__ == "__main__":
    run_stage(main)
