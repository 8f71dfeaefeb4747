"""Correlate regions of a subject with what the encoders of other subjects predict for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from encoding.inference.bootstrap import bootstrap_scores, count_drawn, draw_images, interval
from pipeline.analyses.cross_subject.average_regions import MEASURED
from pipeline.errors import run_stage
from pipeline.fits.image_blocks import image_blocks
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, positions, read_result, write_result
from pipeline.tables.regions import region_labels, regions_of

# test images that two subjects must have in common
FEWEST_IMAGES = 20
# correlations: with the other subject's encoder, with the subject's own on the same images, and
# the own minus the other
SCORES = ("r", "own_r", "difference")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    subject: given.Wildcard
    subjects: Annotated[list[str], given.Setting("subjects")]  # all of them
    means: given.InputFiles  # of the subjects
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("significance")]
    out: given.OutputFile


def main() -> None:
    """Compare the subject with every other one and write the results."""
    arguments = Arguments.read()
    settings = arguments.configuration
    means = dict(zip(arguments.subjects, map(read_result, arguments.means), strict=True))
    own = means.pop(arguments.subject)
    common = {name: np.intersect1d(own["image"], other["image"]) for name, other in means.items()}
    for name, nsd_id in common.items():
        if len(nsd_id) < FEWEST_IMAGES:
            print(
                f"warning: {arguments.subject} has {len(nsd_id)} test images in common with {name} "
                f"of {FEWEST_IMAGES} that are needed: the table will have no row of the two"
            )
    blocks = {
        name: image_blocks(arguments.split, nsd_id, settings["resample"])
        for name, nsd_id in common.items()
    }
    found = [
        compare(own, other, common[name], blocks[name], settings) for name, other in means.items()
    ]
    provenance = make_provenance(
        "compare_brains",
        {
            "subject": arguments.subject,
            **{key: settings[key] for key in ("draws", "level", "resample", "seed")},
        },
        {**dict(zip(arguments.subjects, arguments.means, strict=True)), "split": arguments.split},
        seed=settings["seed"],
    )
    arrays = {
        **region_labels(regions_of(own)),
        "other": ("other", [*means]),
        "predictor": ("predictor", own["predictor"]),
        "n_images": ("other", [*map(len, common.values())]),
        "n_voxels": ("region", own["n_voxels"]),
        "n_voxels_of_other": (("other", "region"), [_n_voxels(own, one) for one in means.values()]),
        **{
            name: (("other", "predictor", "region"), np.stack([one[name] for one in found]))
            for name in found[0]
        },
    }
    write_result(arguments.out, arrays, provenance)


def compare(
    own: Result,
    other: Result,
    nsd_id: np.ndarray,
    blocks: np.ndarray | None,
    settings: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """Correlate a subject's regions with predictions for the same regions of another subject.

    Parameters
    ----------
    own, other : mean responses of the two subjects (`average_regions`)
    nsd_id : (image,) test images of both
    blocks : (image,) labels of images that are drawn together; None: each is drawn alone
    settings : `draws`, `level` and `seed` of intervals

    Returns
    -------
    {score, score_lower, score_upper: (predictor, region)} for each of `SCORES`; NaN for regions
    that either subject lacks, for too few images or blocks, and, where the other's measured
    responses are the predictor, for scores of the subject's own encoder
    """
    predictors, regions = own["predictor"].tolist(), regions_of(own)
    blank = np.full((len(predictors), len(regions)), np.nan)
    found = {f"{score}{end}": blank.copy() for score in SCORES for end in ("", "_lower", "_upper")}
    theirs = {region: column for column, region in enumerate(regions_of(other))}
    known = np.isfinite(own["mean"]).all(axis=(0, 1))
    of_other = np.isfinite(other["mean"]).all(axis=(0, 1))
    here = [
        column
        for column, region in enumerate(regions)
        if known[column] and region in theirs and of_other[theirs[region]]
    ]
    if not here or count_drawn(len(nsd_id), blocks) < FEWEST_IMAGES:
        return found
    there = [theirs[regions[column]] for column in here]
    of_subject = _means(own, nsd_id, here)
    measured = of_subject.pop(MEASURED)
    predicted = {f"own {name}": values for name, values in of_subject.items()}
    for name, values in _means(other, nsd_id, there).items():
        predicted[f"other {name}"] = values
    counts = draw_images(len(nsd_id), settings["draws"], settings["seed"], blocks)
    # all images, then every draw
    counts = np.vstack([np.ones_like(counts[:1]), counts])
    draws = bootstrap_scores(measured, predicted, counts).r
    n_drawn = count_drawn(len(nsd_id), blocks)
    for row, name in enumerate(predictors):
        scores = {"r": draws[f"other {name}"]}
        if name != MEASURED:
            scores["own_r"] = draws[f"own {name}"]
            scores["difference"] = scores["own_r"] - scores["r"]
        for score, values in scores.items():
            found[score][row, here] = values[0]
            lower, upper = interval(values[1:], settings["level"], n_drawn)
            found[f"{score}_lower"][row, here], found[f"{score}_upper"][row, here] = lower, upper
    return found


def _means(result: Result, nsd_id: np.ndarray, columns: list[int]) -> dict[str, np.ndarray]:
    """{predictor: (image, region)} of some images and regions."""
    rows = positions(result["image"], nsd_id, result.path, "the test images of both subjects")
    values = result["mean"][:, rows][:, :, columns]
    return dict(zip(result["predictor"].tolist(), values, strict=True))


def _n_voxels(own: Result, other: Result) -> list[int]:
    """Count the voxels of the other subject's regions; 0 for regions that it lacks."""
    counts = dict(zip(regions_of(other), other["n_voxels"].tolist(), strict=True))
    return [counts.get(region, 0) for region in regions_of(own)]


if __name__ == "__main__":
    run_stage(main)
