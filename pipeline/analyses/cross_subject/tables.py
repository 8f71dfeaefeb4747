"""Correlations of a subject's regions with predictions by other subjects' encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.analyses.cross_subject.average_regions import MEASURED
from pipeline.results.storage import Result
from pipeline.tables.columns import LEVEL
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

_NO_OWN = f"n/a for {MEASURED}"
# {column: array of the result}
SCORES = {
    "transferred_r": "r",
    "transferred_r_lower": "r_lower",
    "transferred_r_upper": "r_upper",
    "own_r": "own_r",
    "own_r_lower": "own_r_lower",
    "own_r_upper": "own_r_upper",
    "own_minus_transferred_r": "difference",
    "own_minus_transferred_r_lower": "difference_lower",
    "own_minus_transferred_r_upper": "difference_upper",
}
_OF_OTHER = (
    "correlation (Pearson r, -1 to 1) over the n_images images of the region's mean measured "
    "response with the mean that the encoder of other_subject predicts for its own region (with "
    f"predictor {MEASURED}: with that region's measured responses)"
)
_OWN = (
    "correlation (Pearson r, -1 to 1) over the n_images images of the region's mean measured "
    f"response with what the subject's own encoder predicts; {_NO_OWN}"
)
_DIFFERENCE = f"own_r minus transferred_r, on the same n_images images; {_NO_OWN}"
# descriptions of the columns that only these tables have
COLUMNS = {
    "other_subject": "subject whose encoder predicts, or whose measured responses are correlated",
    "predictor": f"encoding model, or {MEASURED}: those of the other subject's region",
    "n_images": "number of test images of both subjects",
    "n_voxels_of_other": "number of voxels over which the other subject's predictions, or measured "
    "responses, are averaged",
    "transferred_r": _OF_OTHER,
    "own_r": _OWN,
    "own_minus_transferred_r": _DIFFERENCE,
    **{
        f"{column}_{end}": f"{end} end of the bootstrap interval over test images ({LEVEL}) of "
        f"{column}, paired with the other scores of the row"
        for column in ("transferred_r", "own_r", "own_minus_transferred_r")
        for end in ("lower", "upper")
    },
}
ROW_COLUMNS = (
    *("subject", "other_subject", "predictor", "atlas", "roi", "n_images", "n_voxels"),
    *("n_voxels_of_other", *SCORES, "weights", "data"),
)


def rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per other subject, region of both, and predictor."""
    regions, predictors = regions_of(result), result["predictor"].tolist()
    for number, other in enumerate(result["other"].tolist()):
        for region, (atlas, roi) in enumerate(regions):
            for row, predictor in enumerate(predictors):
                scores = {c: float(result[a][number, row, region]) for c, a in SCORES.items()}
                if np.isnan(scores["transferred_r"]):
                    continue
                yield {
                    "subject": subject_of(result),
                    "other_subject": other,
                    "predictor": predictor,
                    "atlas": atlas,
                    "roi": roi,
                    "n_images": int(result["n_images"][number]),
                    "n_voxels": int(result["n_voxels"][region]),
                    "n_voxels_of_other": int(result["n_voxels_of_other"][number, region]),
                    **scores,
                    **_source(result, predictor),
                }


def _source(result: Result, predictor: str) -> dict[str, object]:
    """Return the row's source; a brain has no network weights."""
    if predictor == MEASURED:
        return {**source(result, []), "weights": np.nan}
    return dict(source(result, predictor.split(MODEL_SEPARATOR)))


TABLES = {"cross_subject": (rows, ROW_COLUMNS)}
