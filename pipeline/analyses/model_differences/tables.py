"""Differences of two models' R² per region."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.fits.families import FAMILY
from pipeline.results.storage import Result
from pipeline.tables.tables import LEVEL, counts, roi_members, source, statistic, subject_of

# what columns mean that other tables do not have
COLUMNS = {
    "first_model": "model whose R² is reported less that of `second_model`: its feature spaces, "
    "joined by +",
    "second_model": "model whose R² is subtracted: its feature spaces, joined by +",
    "mean_r2_difference": "mean over voxels of R² of the first model less that of the second, "
    "signed",
    "median_r2_difference": "median over voxels of R² of the first model less that of the second, "
    "signed",
    "n_first_better": f"voxels in which the first model is better with q ≤ {LEVEL} (two-sided sign "
    f"flips of paired squared errors; false discovery rate over the {FAMILY})",
    "n_second_better": f"voxels in which the second model is better with q ≤ {LEVEL}, by the same "
    "test",
}
ROW_COLUMNS = (
    "subject",
    "first_model",
    "second_model",
    "atlas",
    "roi",
    "n_voxels",
    "n_excluded",
    "mean_r2_difference",
    "median_r2_difference",
    "n_first_better",
    "n_second_better",
    "weights",
    "data",
)


def rows(result: Result, rois: pd.DataFrame) -> Iterator[dict[str, object]]:
    """One row per region of a subject and pair of models."""
    first, second = models = result.configuration["models"]
    difference, significant = result["difference"], result["q"] <= LEVEL
    for (atlas, roi), inside in roi_members(rois, result["voxel"]).items():
        usable = inside & np.isfinite(difference)
        found = usable & significant
        yield {
            "subject": subject_of(result),
            "first_model": first,
            "second_model": second,
            "atlas": atlas,
            "roi": roi,
            **counts(inside, usable),
            "mean_r2_difference": statistic(np.mean, difference[usable]),
            "median_r2_difference": statistic(np.median, difference[usable]),
            "n_first_better": int(np.count_nonzero(difference[found] > 0)),
            "n_second_better": int(np.count_nonzero(difference[found] < 0)),
            **source(result, spaces_of(models)),
        }


def spaces_of(models: list[str]) -> list[str]:
    """The feature spaces of some models, each once."""
    return list(dict.fromkeys(s for model in models for s in model.split(MODEL_SEPARATOR)))
