"""Means of regions in each subject, with intervals over test images and tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.fits.false_discoveries import with_q
from pipeline.results.storage import Result
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# kinds of scores
MODEL, COMPONENT, MODEL_DIFFERENCE = "model", "component", "difference of models"
# of the others than components
NO_COMPARISON = "none"
# what columns mean that other tables do not have
COLUMNS = {
    "score_kind": "what `score` is: R² of a model, a component of a comparison's variance, or the "
    "paired difference of two models' R²",
    "score": "model (its feature spaces, joined by +); component of `comparison` (feature space: "
    "its unique variance; spaces joined by &: what exactly these share); or 'A less B' "
    "of two models",
    "region_mean": "mean over the region's voxels of the score (test R²), signed",
    "region_lower": "lower end of a bootstrap interval over test images, with the same draws for "
    "all scores, of the mean that more such images would have: R² of n images is on average "
    "(1 - R²) / n too low, for which the interval is corrected and region_mean is not",
    "region_upper": "upper end of that interval (see region_lower)",
    "p_region": "probability of such a mean by chance, by sign flips of the test images' parts of "
    "it: of models one-sided (mean correlation of predictions with normal scores of the "
    "responses), of components one-sided, of differences two-sided (both paired squared errors)",
    "q_region": "false discovery rate (Benjamini & Hochberg) of p_region over all regions of a "
    "subject and all its models, or components of the comparison, or differences",
}
ROW_COLUMNS = (
    "subject",
    "score_kind",
    "comparison",
    "score",
    "atlas",
    "roi",
    "n_voxels",
    "region_mean",
    "region_lower",
    "region_upper",
    "p_region",
    "q_region",
    "n_tests",
    "weights",
    "data",
)


def rows(result: Result, rois: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per region and score of a subject; regions without a voxel have none."""
    found = pd.DataFrame(_rows(result))
    if found.empty:
        return []
    tested = with_q(found, ("p_region",), ["score_kind", "comparison"])
    return tested.to_dict("records")


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    for place, (atlas, roi) in enumerate(regions_of(result)):
        if not result["n_voxels"][place]:
            continue
        for number, name in enumerate(result["name"].tolist()):
            yield {
                "subject": subject_of(result),
                "score_kind": str(result["kind"][number]),
                "comparison": str(result["comparison"][number]),
                "score": name,
                "atlas": atlas,
                "roi": roi,
                "n_voxels": int(result["n_voxels"][place]),
                "region_mean": float(result["mean"][number, place]),
                "region_lower": float(result["lower"][number, place]),
                "region_upper": float(result["upper"][number, place]),
                "p_region": float(result["p"][number, place]),
                **source(result, str(result["spaces"][number]).split(MODEL_SEPARATOR)),
            }
