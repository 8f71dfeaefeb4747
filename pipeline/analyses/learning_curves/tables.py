"""Learning curves, and where one model overtakes another, per ROI."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd

from encoding.learning_curves import overtaking_size
from pipeline.results.storage import Result
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# what columns mean that other tables do not have
COLUMNS = {
    "training_images": "images that the model is fitted on; the largest number is all that train",
    "n_draws": "draws of training images of that number; draws of one series are nested",
    "deviation_r": "standard deviation of mean_r over these draws",
    "deviation_r2": "standard deviation of mean_r2 over these draws",
    "outcome": "whether `second`, which is ahead with the most images, overtakes `first` or is "
    "ahead at every size",
    "overtaking_images": "number of training images from which on `second` stays ahead, "
    "interpolated on a logarithmic axis between measured sizes; n/a if it is ahead at every size",
    "overtaking_lower": "lower end of its bootstrap interval over test images; 0: ahead at every "
    "size, inf: not ahead with the most images",
    "overtaking_upper": "upper end of it; 0 and inf as for the lower",
    "share_of_draws": "share of these draws of test images in which `second` overtakes `first`",
    "smallest_size": "smallest number of training images",
    "largest_size": "largest number of training images",
    "first": "encoding model that `second` is compared with",
    "second": "encoding model that is ahead with the most training images",
    "score": "which score the row is of, r or r2",
}

SCORES = ("r", "r2")
OVERTAKING_COLUMNS = (
    "subject",
    "score",
    "first",
    "second",
    "atlas",
    "roi",
    "n_voxels",
    "outcome",
    "overtaking_images",
    "overtaking_lower",
    "overtaking_upper",
    "share_of_draws",
    "smallest_size",
    "largest_size",
    "weights",
    "data",
)


def learning_curve_rows(result: Result) -> Iterator[dict[str, object]]:
    """One row per ROI, model and number of training images: over draws of these."""
    fits = _fits(result)
    for place, (atlas, roi) in enumerate(regions_of(result)):
        for (model, size), rows in fits.groupby(["model", "size"], sort=False):
            scores = {key: result[key][rows.index, place] for key in SCORES}
            yield {
                "subject": subject_of(result),
                "model": model,
                "training_images": size,
                "n_draws": len(rows),
                "atlas": atlas,
                "roi": roi,
                "n_voxels": int(result["n_voxels"][place]),
                "n_excluded": int(result["n_excluded"][place]),
                **{f"mean_{key}": _mean(result, place, scores[key]) for key in SCORES},
                **{f"deviation_{key}": _deviation(scores[key]) for key in SCORES},
                **source(result, [model]),
            }


def overtaking_rows(result: Result, level: float) -> Iterator[dict[str, object]]:
    """One row per ROI, score and pair of models; the second is ahead with the most images."""
    fits = _fits(result)
    sizes = np.array(sorted(set(fits["size"])))
    tail = (1 - level) / 2
    for place, (atlas, roi) in enumerate(regions_of(result)):
        if not result["n_voxels"][place]:
            continue
        for key in SCORES:
            measured = _curves(fits, sizes, result[key][:, place, None])
            drawn = _curves(fits, sizes, result[f"drawn_{key}"][:, place])
            for pair in itertools.combinations(measured, 2):
                first, second = sorted(pair, key=lambda model: measured[model][-1, 0])
                images = overtaking_size(sizes, measured[first], measured[second]).item()
                draws = overtaking_size(sizes, drawn[first], drawn[second])
                # of draws that end at 0 or infinity there is an order, but nothing between
                ends = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
                crossing = 0 < images < np.inf
                yield {
                    "subject": subject_of(result),
                    "score": key,
                    "first": first,
                    "second": second,
                    "atlas": atlas,
                    "roi": roi,
                    "n_voxels": int(result["n_voxels"][place]),
                    "outcome": "overtakes" if crossing else "ahead at every size",
                    "overtaking_images": images if crossing else np.nan,
                    "overtaking_lower": ends[0],
                    "overtaking_upper": ends[1],
                    "share_of_draws": np.mean((draws > 0) & np.isfinite(draws)),
                    "smallest_size": sizes[0],
                    "largest_size": sizes[-1],
                    **source(result, [first, second]),
                }


def _fits(result: Result) -> pd.DataFrame:
    return pd.DataFrame({"model": result["model"], "size": result["training_images"]})


def _curves(fits: pd.DataFrame, sizes: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """{model: (size, …)} means over draws of training images, of values (fit, …)."""
    curves = {}
    for model, rows in fits.groupby("model", sort=False):
        places = [rows.index[rows["size"] == size] for size in sizes]
        curves[model] = np.array([values[place].mean(axis=0) for place in places], np.float64)
    return curves


def _mean(result: Result, place: int, scores: np.ndarray) -> float:
    return float(scores.mean()) if result["n_voxels"][place] else np.nan


def _deviation(scores: np.ndarray) -> float:
    return float(scores.std(ddof=1)) if len(scores) > 1 else np.nan
