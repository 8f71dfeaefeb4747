"""Assess the mean scores of a subject's regions: intervals over test images, and tests."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from encoding.inference.bootstrap import draw_images
from encoding.region_scores import (
    RegionScores,
    RegionSums,
    component_scores,
    difference_scores,
    model_scores,
    sum_regions,
)
from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.analyses.roi_intervals.tables import (
    COMPONENT,
    MODEL,
    MODEL_DIFFERENCE,
    NO_COMPARISON,
)
from pipeline.errors import run_stage
from pipeline.fits.image_blocks import image_blocks
from pipeline.fits.predicted_images import PredictedImages, open_predicted_images
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.storage import write_result
from pipeline.results.tables import read_table
from pipeline.tables.regions import region_labels
from pipeline.tables.tables import DIFFERENCE, roi_members


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    models: Annotated[list[str], given.Setting("models")]  # compared with one another
    comparisons: Annotated[dict[str, Any], given.Setting("fitted_comparisons")]
    settings: Annotated[dict[str, Any], given.Setting("roi_intervals")]
    predictions: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    rois: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("significance")]
    out: given.OutputFile


@dataclass(frozen=True)
class Score:
    """Identity of a score: its kind, comparison, name, and feature spaces joined by +."""

    kind: str
    comparison: str
    name: str
    spaces: str


def main() -> None:
    """Test all scores in all regions and write the results."""
    arguments = Arguments.read()
    settings = arguments.configuration
    files = {
        read_provenance(path)["configuration"]["model"]: path for path in arguments.predictions
    }
    with open_predicted_images(arguments.responses, files) as images:
        blocks = image_blocks(arguments.split, images.nsd_id, settings["resample"])
        counts = draw_images(len(images.nsd_id), settings["draws"], settings["seed"], blocks)
        members = {
            key: inside
            for key, inside in roi_members(read_table(arguments.rois), images.voxel).items()
            if key[0] in arguments.settings["atlases"]
        }
        sums = _sums(images, counts, np.column_stack([*members.values()]))
    found = dict(_scores(sums, arguments, blocks))
    provenance = make_provenance(
        "assess_regions",
        {
            "subject": read_provenance(arguments.predictions[0])["configuration"]["subject"],
            **{key: settings[key] for key in ("draws", "level", "resample", "seed")},
            **arguments.settings,
        },
        {
            **{"responses": arguments.responses, "split": arguments.split},
            **{"rois": arguments.rois, **files},
        },
        seed=settings["seed"],
    )
    arrays = {
        **region_labels(members),
        "n_voxels": ("region", sums.n_voxels),
        **{key: ("score", [getattr(one, key) for one in found]) for key in Score.__annotations__},
        **{
            key: (("score", "region"), np.stack([getattr(one, key) for one in found.values()]))
            for key in RegionScores.__annotations__
        },
    }
    write_result(arguments.out, arrays, provenance)


def _sums(images: PredictedImages, counts: np.ndarray, members: np.ndarray) -> RegionSums:
    """Add up all blocks of voxels, leaving out voxels outside the regions."""
    blocks = images.blocks(slice(0, len(images.voxel)), "regions")
    return functools.reduce(
        operator.add,
        (
            sum_regions(
                measured[:, inside],
                {model: values[:, inside] for model, values in predicted.items()},
                counts,
                members[here][inside],
            )
            for here, measured, predicted in blocks
            if (inside := members[here].any(axis=1)).any()
        ),
    )


def _scores(
    sums: RegionSums, arguments: Arguments, blocks: np.ndarray | None
) -> Iterator[tuple[Score, RegionScores]]:
    level = arguments.configuration["level"]
    of_models: Mapping[str, RegionScores] = model_scores(sums, level, blocks)
    for model, scores in of_models.items():
        yield Score(MODEL, NO_COMPARISON, model, model), scores
    for comparison, fitted in arguments.comparisons.items():
        spaces = MODEL_SEPARATOR.join(fitted["spaces"])
        found = component_scores(sums, fitted["models"], fitted["spaces"], level, blocks)
        for name, scores in found.items():
            yield Score(COMPONENT, comparison, name, spaces), scores
    for first, second in itertools.combinations(arguments.models, 2):
        name = DIFFERENCE.format(first, second)
        spaces = MODEL_SEPARATOR.join([first, second])
        scores = difference_scores(sums, first, second, level, blocks)
        yield Score(MODEL_DIFFERENCE, NO_COMPARISON, name, spaces), scores


if __name__ == "__main__":
    run_stage(main)
