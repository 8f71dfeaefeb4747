"""Compare the image similarities of feature spaces and ROIs, within and over subjects."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from pipeline.analyses.similarity.tables import (
    COLUMNS,
    SubjectSimilarities,
    agreement_table,
    ceilings,
    corner_table,
)
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, read_result
from pipeline.results.tables import read_table, write_table
from pipeline.tables import columns
from pipeline.tables.regions import in_atlas_order

FEWEST_IMAGES = 10
CORNER_COLUMNS = ("subject", "first", "second", "corner", "atlas", "roi")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    similarities: given.InputFiles
    rois: given.InputFiles  # of the subjects
    configuration: Annotated[dict[str, Any], given.Setting("representational_similarity")]
    level: Annotated[float, given.Setting("significance.level")]  # of intervals
    out: given.OutputFiles


def main() -> None:
    """Write the tables of agreement and of corner pairs."""
    arguments = Arguments.read()
    settings = arguments.configuration
    results = [read_result(path) for path in arguments.similarities]
    common = _common(results) if settings["images"] == "common" else None
    subjects = [SubjectSimilarities.of(result, common) for result in results]
    bounds = {} if common is None else ceilings(subjects, settings["measure"])
    agreements = [
        agreement_table(one, bounds, settings, arguments.level)
        for one in tqdm(subjects, "agreements", mininterval=1)
    ]
    corners = [corner_table(one, settings) for one in tqdm(subjects, "corners", mininterval=1)]
    rois = [read_table(path) for path in arguments.rois]
    found = pd.concat(corners)
    found = found if len(found) else pd.DataFrame(columns=CORNER_COLUMNS)
    frames = {
        "representational_similarity": in_atlas_order(
            pd.concat(agreements), rois, ["first", "second"]
        ),
        "corner_pairs": in_atlas_order(found, rois),
    }
    inputs = {path.stem: path for path in arguments.similarities}
    configuration = {**settings, "level": arguments.level}
    seed = settings["seed"]
    provenance = make_provenance("compare_similarities", configuration, inputs, seed=seed)
    for path in arguments.out:
        write_table(path, frames[path.stem], {**columns.COLUMNS, **COLUMNS}, provenance)


def _common(results: list[Result]) -> np.ndarray:
    """Return the test images of every subject."""
    common = functools.reduce(np.intersect1d, [result["image"] for result in results])
    if len(common) < FEWEST_IMAGES:
        raise InputError(
            f"representational_similarity.images: subjects have only {len(common)} test images in "
            f"common (at least {FEWEST_IMAGES} are needed); choose `own`, or shared test images "
            "(`splits.test`)"
        )
    return common


if __name__ == "__main__":
    run_stage(main)
