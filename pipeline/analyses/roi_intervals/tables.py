"""Mean scores of regions in each subject, with intervals over test images and tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.fits.false_discoveries import with_q
from pipeline.results.storage import Result
from pipeline.tables.columns import LEVEL
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# kinds of scores
MODEL, COMPONENT, MODEL_DIFFERENCE = "model", "component", "difference of models"
# comparison of scores that are not components
NO_COMPARISON = "none"
# descriptions of the columns that only these tables have
COLUMNS = {
    "comparison": "name in the configuration of the comparison of feature spaces; none for scores "
    "that are not components",
    "score_kind": "kind of the score: model (R² of a model), component (unique or shared variance "
    "in a comparison), or difference of models (paired difference of two models' R²)",
    "score": "name of the score: a model (its feature spaces, joined by +); a component of "
    "`comparison` (a feature space: its unique variance; spaces joined by &: variance that exactly "
    "these share); or 'A minus B' for a difference of two models",
    "region_mean": "mean over the n_voxels voxels of the score (test R²), signed",
    "region_lower": f"lower end of the bootstrap interval over test images ({LEVEL}) of the "
    "region's mean score (test R²); draws are shared by all scores. R² from n images is on "
    "average (1 - R²) / n too low: the interval is corrected for this, region_mean is not",
    "region_upper": "upper end of the bootstrap interval over test images "
    f"({LEVEL}) of the region's mean score (test R²), corrected as region_lower is",
    "p_region": "p of region_mean against chance, by sign flips of each test image's contribution: "
    "one-sided for models (mean correlation of predictions with normal scores of the responses) "
    "and components, two-sided for differences (components and differences: paired squared errors)",
    "q_region": "false discovery rate (Benjamini & Hochberg) of p_region over the n_tests tests of "
    "one subject: all regions and all models, or all components of the comparison, or all "
    "differences",
}
ROW_COLUMNS = (
    *("subject", "score_kind", "comparison", "score", "atlas", "roi", "n_voxels", "region_mean"),
    *("region_lower", "region_upper", "p_region", "q_region", "n_tests", "weights", "data"),
)


def rows(result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tabulate one row per region and score of a subject; regions without voxels have none."""
    found = pd.DataFrame(_rows(result))
    if found.empty:
        return []
    tested = with_q(found, ("p_region",), ["score_kind", "comparison"])
    return tested.to_dict("records")


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    for region, (atlas, roi) in enumerate(regions_of(result)):
        if not result["n_voxels"][region]:
            continue
        for number, name in enumerate(result["name"].tolist()):
            yield {
                "subject": subject_of(result),
                "score_kind": str(result["kind"][number]),
                "comparison": str(result["comparison"][number]),
                "score": name,
                "atlas": atlas,
                "roi": roi,
                "n_voxels": int(result["n_voxels"][region]),
                "region_mean": float(result["mean"][number, region]),
                "region_lower": float(result["lower"][number, region]),
                "region_upper": float(result["upper"][number, region]),
                "p_region": float(result["p"][number, region]),
                **source(result, str(result["spaces"][number]).split(MODEL_SEPARATOR)),
            }


TABLES = {"roi_intervals": (rows, ROW_COLUMNS)}
