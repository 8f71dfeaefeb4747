"""Compare the embeddings of test images with those of their captions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from scipy.stats import spearmanr

from encoding.inference.significance import false_discovery_rate
from pipeline.analyses.identification.tables import judged
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, positions, read_result, write_result
from pipeline.tables.regions import region_labels, regions_of
from pipeline.tables.tables import subject_of


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    image: given.InputFile
    captions: given.InputFile
    identification: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("caption_match")]
    out: given.OutputFile


def main() -> None:
    """Compare all test images and write the results."""
    arguments = Arguments.read()
    settings = arguments.configuration
    identification = read_result(arguments.identification)
    nsd_id = identification["image"]
    of_images = embedding(arguments.image, nsd_id, arguments.identification)
    of_captions = embedding(arguments.captions, nsd_id, arguments.identification)
    if of_images.shape != of_captions.shape:
        raise InputError(
            f"caption_match: {arguments.image} has {of_images.shape[1]} features, "
            f"{arguments.captions} has {of_captions.shape[1]}; name the layer `embedding` of both"
        )
    cosine = of_images @ of_captions.T
    provenance = make_provenance(
        "match_captions",
        {"subject": subject_of(identification), **settings},
        {
            settings["image"]: arguments.image,
            settings["captions"]: arguments.captions,
            "identification": arguments.identification,
        },
    )
    others = cosine.sum(axis=1) - cosine.diagonal()
    arrays = {
        "image": ("image", nsd_id),
        "match": ("image", cosine.diagonal()),
        "match_of_others": ("image", others / (len(cosine) - 1)),
        "is_nearest": ("image", cosine.argmax(axis=1) == np.arange(len(cosine))),
        **agreement(identification, cosine.diagonal()),
    }
    write_result(arguments.out, arrays, provenance)


def embedding(path: Path, nsd_id: np.ndarray, requested_by: Path) -> np.ndarray:
    """Read the embeddings (image, feature) of some images, each of length 1."""
    result = read_result(path)
    rows = positions(result["image"], nsd_id, path, requested_by)
    values = result["features"][rows].astype(np.float64)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def agreement(identification: Result, match: np.ndarray) -> dict[str, tuple[Any, Any]]:
    """Correlate the match with the accuracy of predicted patterns, over test images.

    Parameters
    ----------
    identification : `r` of predicted and measured patterns of the same images
    match : (image,)

    Returns
    -------
    arrays of the result; NaN in regions without predicted patterns
    """
    regions, models = regions_of(identification), identification.configuration["models"]
    rho, p = np.full((2, len(models), len(regions)), np.nan)
    for column in range(len(regions)):
        own = next(judged(identification, column), None)
        if own is None or own.subject != subject_of(identification):
            continue
        for row, model in enumerate(models):
            rho[row, column], p[row, column] = spearmanr(match, own.r[model], nan_policy="omit")
    return {
        **region_labels(regions),
        "model": ("model", models),
        "n_voxels": ("region", identification["n_voxels"]),
        "rho": (("model", "region"), rho),
        "p": (("model", "region"), p),
        "q": (("model", "region"), false_discovery_rate(p)),
    }


if __name__ == "__main__":
    run_stage(main)
