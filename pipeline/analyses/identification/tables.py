"""Tables of identified test images: accuracies, and agreement on missed images."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from encoding.identification import error_consistency, kappa
from encoding.inference.bootstrap import draw_images
from pipeline.results.storage import Result
from pipeline.tables.columns import LEVEL
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# descriptions of the columns that only these tables have
COLUMNS = {
    "predictor": "predictor of the subject's response patterns: an encoding model, or the name of "
    "another subject whose brain predicts (ridge regression on its responses to the same images, "
    "cross-validated among the test images that both saw)",
    "accuracy": "fraction (0 to 1) of the n_images images that are identified: among all images' "
    "predicted patterns over the n_voxels voxels, their own correlates best with the measured "
    "pattern",
    "chance": "fraction of images identified by guessing: 1 / n_images",
    "mean_image_r": "mean over the n_images images of the correlation (-1 to 1) over the n_voxels "
    "voxels of predicted and measured pattern",
    "lower_quartile_image_r": "lower quartile over the n_images images of the correlation (-1 to "
    "1) over voxels of predicted and measured pattern",
    "median_image_r": "median over the n_images images of the correlation (-1 to 1) over voxels of "
    "predicted and measured pattern",
    "upper_quartile_image_r": "upper quartile over the n_images images of the correlation (-1 to "
    "1) over voxels of predicted and measured pattern",
    "best_images": "nsd_id of the 5 images with the highest correlation of predicted "
    "and measured pattern, best first",
    "worst_images": "nsd_id of the 5 images with the lowest correlation of predicted "
    "and measured pattern, worst first",
    "accuracy_first": "fraction (0 to 1) of the n_images images that first identifies",
    "accuracy_second": "fraction (0 to 1) of the n_images images that second identifies",
    "observed_agreement": "fraction (0 to 1) of the n_images images that first and second both "
    "identify or both miss",
    "expected_agreement": "fraction (0 to 1) of the n_images images that first and second would "
    "both identify or both miss if their misses were independent, given their accuracies",
    "kappa": "Cohen's κ (at most 1) of the images that first and second miss: (observed_agreement "
    "- expected_agreement) / (1 - expected_agreement); n/a if both identify all or none. Both "
    "predictors are scored on the same noisy responses, whose noise counts as shared error: "
    "compare it with kappa_independent, not with 0",
    "kappa_independent": "Cohen's κ of two simulated predictors as accurate as first and second "
    "whose own errors are independent, so that they share only the measured patterns and their "
    "noise: mean over simulated patterns (normal signals with the covariance of the measured "
    "patterns minus that of the noise, plus noise patterns from repeated trials) and predictors; "
    "rather too large than too small if the signal is weak and there are as many voxels as images; "
    "n/a if the noise is not known",
    "kappa_lower": f"lower end of the bootstrap interval ({LEVEL}) of kappa over the n_images "
    "images",
    "kappa_upper": f"upper end of the bootstrap interval ({LEVEL}) of kappa over the n_images "
    "images",
    "first": "encoding model that predicts the subject's response patterns",
    "second": "encoding model that predicts the subject's response patterns, or the name of "
    "another subject whose brain does",
    "n_images": "number of test images that are to be identified",
}

# number of images listed as best and as worst
N_EXTREME = 5
QUARTILES = (25, 50, 75)
# there is no row if no ROI has enough voxels
IMAGE_COLUMNS = (
    *("subject", "predictor", "atlas", "roi", "n_images", "n_voxels", "accuracy", "chance"),
    *("mean_image_r", "lower_quartile_image_r", "median_image_r", "upper_quartile_image_r"),
    *("best_images", "worst_images", "weights", "data"),
)
CONSISTENCY_COLUMNS = (
    *("subject", "first", "second", "atlas", "roi", "n_images", "n_voxels", "accuracy_first"),
    *("accuracy_second", "chance", "observed_agreement", "expected_agreement", "kappa"),
    *("kappa_lower", "kappa_upper", "kappa_independent", "weights", "data"),
)


@dataclass(frozen=True)
class Judged:
    """Images that predictors identify among those that a subject saw, in one region.

    Attributes
    ----------
    subject : the result's own subject, if only models predict; or another, whose brain predicts too
    image : (image,) ids
    r, identified : {predictor: (image,)}; a brain has its subject's name
    simulated : {predictor: (draw, image)}; None where the noise is not known
    """

    subject: str
    image: np.ndarray
    r: dict[str, np.ndarray]
    identified: dict[str, np.ndarray]
    simulated: dict[str, np.ndarray] | None


def judged(result: Result, region: int) -> Iterator[Judged]:
    """Yield the images of the subject itself, then those that each other subject also saw."""
    data = result.data.isel(region=region)
    subjects, own = result["subject"].tolist(), subject_of(result)
    for subject in sorted(subjects, key=lambda subject: (subject != own, subject)):
        here = data.sel(subject=subject)
        if not here["compared"]:
            continue
        here = here.isel(image=here["seen"].values)
        models = result.configuration["models"]
        names = models if subject == own else result["predictor"].tolist()
        r, hits, simulated = (
            {n if n in models else subject: here[key].sel(predictor=n).values for n in names}
            for key in ("r", "identified", "simulated")
        )
        known = bool(here["noise_known"])
        yield Judged(subject, here["image"].values, r, hits, simulated if known else None)


def image_accuracy_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per ROI and predictor, a model or another subject's brain."""
    for region, (atlas, roi) in enumerate(regions_of(result)):
        for among in judged(result, region):
            own = among.subject == subject_of(result)
            for predictor in sorted(among.r) if own else [among.subject]:
                yield {
                    "subject": subject_of(result),
                    "predictor": predictor,
                    "atlas": atlas,
                    "roi": roi,
                    "n_images": len(among.image),
                    "n_voxels": int(result["n_voxels"][region]),
                    **_accuracy(among, predictor),
                    **_source(result, predictor),
                }


def _accuracy(among: Judged, predictor: str) -> dict[str, object]:
    r, right = among.r[predictor], among.identified[predictor]
    known = np.flatnonzero(np.isfinite(r))
    order = known[np.argsort(r[known], kind="stable")]
    lower, median, upper = np.percentile(r[known], QUARTILES) if len(known) else [np.nan] * 3
    return {
        "accuracy": float(right.mean()),
        "chance": 1 / len(r),
        "mean_image_r": float(r[known].mean()) if len(known) else np.nan,
        "lower_quartile_image_r": float(lower),
        "median_image_r": float(median),
        "upper_quartile_image_r": float(upper),
        "best_images": _named(among.image[order[::-1]]),
        "worst_images": _named(among.image[order]),
    }


def error_consistency_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per ROI and pair of models, or of a model and another subject's brain."""
    for region, (atlas, roi) in enumerate(regions_of(result)):
        for among in judged(result, region):
            n_images = len(among.image)
            blocks = result["cluster"][np.isin(result["image"], among.image)]
            counts = draw_images(
                n_images,
                settings["draws"],
                settings["seed"],
                blocks if settings["resample"] == "clusters" else None,
            )
            for first, second in _pairs(result, among):
                hits = among.identified[first], among.identified[second]
                found = error_consistency(*hits, counts, settings["level"])
                yield {
                    "subject": subject_of(result),
                    "first": first,
                    "second": second,
                    "atlas": atlas,
                    "roi": roi,
                    "n_images": n_images,
                    "n_voxels": int(result["n_voxels"][region]),
                    "accuracy_first": found.accuracies[0],
                    "accuracy_second": found.accuracies[1],
                    "chance": 1 / n_images,
                    "observed_agreement": found.observed,
                    "expected_agreement": found.expected,
                    "kappa": found.kappa,
                    "kappa_lower": found.lower,
                    "kappa_upper": found.upper,
                    "kappa_independent": _independent(among.simulated, first, second),
                    **source(result, [n for n in (first, second) if n != among.subject]),
                }


def _pairs(result: Result, among: Judged) -> Iterable[tuple[str, str]]:
    """Return pairs of models, or of each model with the other subject's brain."""
    models = result.configuration["models"]
    if among.subject == subject_of(result):
        return itertools.combinations(models, 2)
    return ((model, among.subject) for model in models)


def _source(result: Result, predictor: str) -> dict[str, object]:
    """Return the row's source; a brain has no network weights."""
    if predictor in result.configuration["models"]:
        return dict(source(result, [predictor]))
    return {**source(result, []), "weights": np.nan}


def _independent(simulated: Mapping[str, np.ndarray] | None, first: str, second: str) -> float:
    """Average κ of simulated predictors over draws; NaN if the noise is not known."""
    if simulated is None:
        return np.nan
    pairs = zip(simulated[first], simulated[second], strict=True)
    return float(np.mean([kappa(one, other) for one, other in pairs]))


def _named(nsd_id: np.ndarray) -> str:
    return " ".join(str(image) for image in nsd_id[:N_EXTREME])


TABLES = {
    "error_consistency": (error_consistency_rows, CONSISTENCY_COLUMNS),
    "image_accuracy": (image_accuracy_rows, IMAGE_COLUMNS),
}
