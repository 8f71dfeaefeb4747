"""Mean scores of ROIs against the number of training images, with draws of the test images."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any

import numpy as np
from tqdm import tqdm

from encoding.inference.bootstrap import bootstrap_scores, draw_images
from encoding.learning_curves import weighted_sums
from pipeline.errors import run_stage
from pipeline.fits.image_blocks import image_blocks
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import Arrays
from pipeline.results.storage import Result, aligned_result, open_result, read_result, write_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table
from pipeline.tables.regions import region_labels
from pipeline.tables.tables import roi_members

VOXELS_PER_BLOCK = 256
SCORES = ("r", "r2")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    models: Annotated[list[str], given.Setting("learning_curve.models")]  # of each fit
    draws: Annotated[list[int], given.Setting("learning_curve.draws")]  # of each fit
    encoding: given.InputFiles
    predictions: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    rois: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("learning_curve.resampling")]
    out: given.OutputFile


def main() -> None:
    """Average scores over regions and write them."""
    arguments = Arguments.read()
    first = read_result(arguments.encoding[0])
    fits = [first, *(aligned_result(path, first) for path in arguments.encoding[1:])]
    scores = {key: np.array([fit[key] for fit in fits], np.float64) for key in SCORES}
    # the same voxels in every mean, so that a curve compares like with like
    usable = np.isfinite(np.stack(list(scores.values()))).all(axis=(0, 1))
    members = roi_members(read_table(arguments.rois), first["voxel"])
    counted = np.array([member & usable for member in members.values()])
    # rows sum to 1: multiplied by scores of voxels they give means of ROIs
    weights = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    arrays: Arrays = {
        "model": ("fit", arguments.models),
        "training_images": ("fit", [fit.configuration["n_train"] for fit in fits]),
        "draw": ("fit", arguments.draws),
        **region_labels(members),
        "n_voxels": ("region", counted.sum(axis=1)),
        "n_excluded": ("region", [np.count_nonzero(m & ~usable) for m in members.values()]),
    }
    for key, values in scores.items():
        arrays[key] = ("fit", "region"), values[:, usable] @ weights[:, usable].T
    for key, values in _drawn(arguments, fits, np.flatnonzero(usable), weights).items():
        arrays[f"drawn_{key}"] = ("fit", "region", "test_draw"), values
    write_result(arguments.out, arrays, _provenance(arguments, fits))


def _drawn(
    arguments: Arguments, fits: list[Result], usable: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Means of ROIs for draws of test images, (fit, ROI, draw); all fits share the draws."""
    settings = arguments.configuration
    nsd_id, voxel = fits[0]["image"], fits[0]["voxel"]
    blocks = image_blocks(arguments.split, nsd_id, settings["resample"])
    counts = draw_images(len(nsd_id), settings["draws"], settings["seed"], blocks)
    shape = len(fits), len(weights), settings["draws"]
    sums = {key: np.zeros(shape) for key in SCORES}
    known = {key: np.zeros(shape[1:]) for key in SCORES}
    with ExitStack() as opened:
        file = opened.enter_context(open_result(arguments.responses))
        measured = StoredMatrix(file, "responses", nsd_id, str(fits[0].path))
        predictions = [
            StoredMatrix(
                opened.enter_context(open_result(path)), "predictions", nsd_id, str(fits[0].path)
            )
            for path in arguments.predictions
        ]
        for start in tqdm(range(0, len(usable), VOXELS_PER_BLOCK), unit="block", mininterval=1):
            here = usable[start : start + VOXELS_PER_BLOCK]
            responses = measured.of(voxel[here])
            found = [
                bootstrap_scores(responses, {"model": stored.of(voxel[here])}, counts)
                for stored in predictions
            ]
            for key in SCORES:
                draws = np.stack([getattr(one, key)["model"] for one in found])
                block_sums, block_known = weighted_sums(draws, weights[:, here])
                sums[key] += block_sums
                known[key] += block_known
    # a draw without any score in a region becomes NaN
    with np.errstate(invalid="ignore"):
        return {key: (sums[key] / known[key]).astype(np.float32) for key in SCORES}


def _provenance(arguments: Arguments, fits: list[Result]) -> dict[str, object]:
    fitted = [fit.configuration for fit in fits]
    configuration = {
        "subject": fitted[0]["subject"],
        **arguments.configuration,
    }
    inputs = {name: getattr(arguments, name) for name in ("responses", "split", "rois")}
    for kind in ("encoding", "predictions"):
        paths = getattr(arguments, kind)
        inputs |= {"/".join((kind, *path.with_suffix("").parts[-2:])): path for path in paths}
    seed = arguments.configuration["seed"]
    return make_provenance("summarise_learning_curves", configuration, inputs, seed=seed)


if __name__ == "__main__":
    run_stage(main)
