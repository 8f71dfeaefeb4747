"""Learning curves per ROI, and where one model overtakes another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.learning_curves import overtaking_size
from pipeline.results.storage import Result
from pipeline.tables.columns import LEVEL
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# descriptions of the columns that only these tables have
COLUMNS = {
    "training_images": "number of images that the model is fitted on; the largest number in a "
    "subject is that of all its training images",
    "n_draws": "number of random draws of training_images images that the row averages over",
    "deviation_r": "standard deviation of the ROI's mean test correlation over the n_draws draws "
    "of training images; n/a with one draw",
    "deviation_r2": "standard deviation of the ROI's mean test R² over the n_draws draws of "
    "training images; n/a with one draw",
    "outcome": "overtakes: `second` is behind `first` with few training images and ahead with the "
    "most; ahead at every size: `second` is never behind",
    "overtaking_images": "number of training images from which on `second` has the higher mean "
    "score, interpolated on a logarithmic axis between measured numbers; n/a if `second` is ahead "
    "at every number",
    "overtaking_lower": f"lower end of the bootstrap interval over test images ({LEVEL}) of "
    "overtaking_images; 0: `second` is ahead at every number, inf: not ahead even with the most "
    "images",
    "overtaking_upper": f"upper end of the bootstrap interval over test images ({LEVEL}) of "
    "overtaking_images; 0: `second` is ahead at every number, inf: not ahead even with the most "
    "images",
    "fraction_of_draws": "fraction (0 to 1) of the bootstrap draws of test images in which "
    "`second` overtakes `first` between the smallest and the largest number of training images",
    "smallest_size": "smallest number of training images that both models are fitted on",
    "largest_size": "largest number of training images that both models are fitted on",
    "first": "encoding model whose mean score is lower with the most training images",
    "second": "encoding model whose mean score is higher with the most training images",
    "score": "score whose curves are compared: r (test correlation) or r2 (test R²)",
}

SCORES = ("r", "r2")
OVERTAKING_COLUMNS = (
    *("subject", "score", "first", "second", "atlas", "roi", "n_voxels", "outcome"),
    *("overtaking_images", "overtaking_lower", "overtaking_upper", "fraction_of_draws"),
    *("smallest_size", "largest_size", "weights", "data"),
)


def learning_curve_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per ROI, model and number of training images, averaged over draws."""
    fits = _fits(result)
    for region, (atlas, roi) in enumerate(regions_of(result)):
        for (model, size), rows in fits.groupby(["model", "size"], sort=False):
            scores = {key: result[key][rows.index, region] for key in SCORES}
            yield {
                "subject": subject_of(result),
                "model": model,
                "training_images": size,
                "n_draws": len(rows),
                "atlas": atlas,
                "roi": roi,
                "n_voxels": int(result["n_voxels"][region]),
                "n_excluded": int(result["n_excluded"][region]),
                **{f"mean_{key}": _mean(result, region, scores[key]) for key in SCORES},
                **{f"deviation_{key}": _deviation(scores[key]) for key in SCORES},
                **source(result, [model]),
            }


def overtaking_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per ROI, score and pair of models; `second` is ahead with the most images."""
    fits = _fits(result)
    sizes = np.array(sorted(set(fits["size"])))
    tail = (1 - settings["level"]) / 2
    for region, (atlas, roi) in enumerate(regions_of(result)):
        if not result["n_voxels"][region]:
            continue
        for key in SCORES:
            measured = _curves(fits, sizes, result[key][:, region, None])
            drawn = _curves(fits, sizes, result[f"drawn_{key}"][:, region])
            for pair in itertools.combinations(measured, 2):
                first, second = sorted(pair, key=lambda model: measured[model][-1, 0])
                images = overtaking_size(sizes, measured[first], measured[second]).item()
                draws = overtaking_size(sizes, drawn[first], drawn[second])
                # 0 and infinity can be ordered, but not interpolated
                ends = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
                crossing = 0 < images < np.inf
                yield {
                    "subject": subject_of(result),
                    "score": key,
                    "first": first,
                    "second": second,
                    "atlas": atlas,
                    "roi": roi,
                    "n_voxels": int(result["n_voxels"][region]),
                    "outcome": "overtakes" if crossing else "ahead at every size",
                    "overtaking_images": images if crossing else np.nan,
                    "overtaking_lower": ends[0],
                    "overtaking_upper": ends[1],
                    "fraction_of_draws": np.mean((draws > 0) & np.isfinite(draws)),
                    "smallest_size": sizes[0],
                    "largest_size": sizes[-1],
                    **source(result, [first, second]),
                }


def _fits(result: Result) -> pd.DataFrame:
    return pd.DataFrame({"model": result["model"], "size": result["training_images"]})


def _curves(fits: pd.DataFrame, sizes: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """{model: (size, …)} means over draws of training images of values (fit, …)."""
    curves = {}
    for model, rows in fits.groupby("model", sort=False):
        of_size = [rows.index[rows["size"] == size] for size in sizes]
        curves[model] = np.array([values[fit].mean(axis=0) for fit in of_size], np.float64)
    return curves


def _mean(result: Result, region: int, scores: np.ndarray) -> float:
    return float(scores.mean()) if result["n_voxels"][region] else np.nan


def _deviation(scores: np.ndarray) -> float:
    return float(scores.std(ddof=1)) if len(scores) > 1 else np.nan


TABLES = {
    "learning_curves": (learning_curve_rows, None),
    "overtaking": (overtaking_rows, OVERTAKING_COLUMNS),
}
