"""Identified test images to tables: accuracies, and who misses the same images."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from encoding.identification import error_consistency, kappa
from encoding.inference.bootstrap import draw_images
from pipeline.results.storage import Result
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# what columns mean that other tables do not have
COLUMNS = {
    "predictor": "what predicts the subject's patterns: an encoding model, or another subject's "
    "brain (ridge on its responses to the same images, cross-validated among the test images that "
    "both saw)",
    "accuracy": "share of images that are identified: of all images' predicted patterns over the "
    "ROI's voxels (reliability at least 0.1 unless configured) their own correlates best with "
    "the measured one",
    "chance": "1 / n_images",
    "mean_image_r": "mean over images of the correlation over voxels of predicted and measured "
    "pattern",
    "lower_quartile_image_r": "lower quartile over images of that correlation",
    "median_image_r": "median of it",
    "upper_quartile_image_r": "upper quartile of it",
    "best_images": "0-based NSD indices of the images with the highest of these, best first",
    "worst_images": "of those with the lowest, worst first",
    "accuracy_first": "share of the images that `first` identifies",
    "accuracy_second": "share of the images that `second` identifies",
    "observed_agreement": "share of the images that both identify or both miss",
    "expected_agreement": "that share if misses were independent, from the accuracies alone",
    "kappa": "Cohen's κ, (observed - expected) / (1 - expected); n/a if both identify all or none. "
    "Both predictors are judged by the same noisy responses, whose noise it counts as shared "
    "error: it is to be compared with kappa_independent, not with 0",
    "kappa_independent": "the κ of two predictors of these accuracies whose own errors are "
    "independent, so that they share the target and its noise alone: mean over simulated targets "
    "(normal signals with the covariance of the measured patterns less that of the noise, and "
    "noise patterns from repeated trials) and predictors (see "
    "`encoding.identification.independent_errors`); too large rather than too small where the "
    "signal is weak and voxels are as many as images",
    "kappa_lower": "lower end of its bootstrap interval over images",
    "kappa_upper": "upper end of its bootstrap interval over images",
    "first": "encoding model",
    "second": "encoding model, or the subject whose brain predicts (see `predictor`)",
    "n_images": "test images that the row is of",
}

# images that are named
N_EXTREME = 5
QUARTILES = (25, 50, 75)
# where no ROI has enough voxels there is no row
IMAGE_COLUMNS = (
    "subject",
    "predictor",
    "atlas",
    "roi",
    "n_images",
    "n_voxels",
    "accuracy",
    "chance",
    "mean_image_r",
    "lower_quartile_image_r",
    "median_image_r",
    "upper_quartile_image_r",
    "best_images",
    "worst_images",
    "weights",
    "data",
)
CONSISTENCY_COLUMNS = (
    "subject",
    "first",
    "second",
    "atlas",
    "roi",
    "n_images",
    "n_voxels",
    "accuracy_first",
    "accuracy_second",
    "chance",
    "observed_agreement",
    "expected_agreement",
    "kappa",
    "kappa_lower",
    "kappa_upper",
    "kappa_independent",
    "weights",
    "data",
)


@dataclass(frozen=True)
class Judged:
    """What predictors identify among the images that a subject saw, in one region.

    Attributes
    ----------
    subject : the result's own, of models alone; or another, whose brain predicts too
    image : (image,) ids
    r, identified : {predictor: (image,)}; a brain is called by its subject
    simulated : {predictor: (draw, image)}; None where the noise is not known
    """

    subject: str
    image: np.ndarray
    r: dict[str, np.ndarray]
    identified: dict[str, np.ndarray]
    simulated: dict[str, np.ndarray] | None


def judged(result: Result, region: int) -> Iterator[Judged]:
    """The images of the subject itself, then those that each other subject saw too."""
    data = result.data.isel(region=region)
    subjects, own = result["subject"].tolist(), subject_of(result)
    for subject in sorted(subjects, key=lambda subject: (subject != own, subject)):
        here = data.sel(subject=subject)
        if not here["compared"]:
            continue
        here = here.isel(image=here["seen"].values)
        models = result.configuration["models"]
        names = models if subject == own else result["predictor"].tolist()
        found = {
            key: {n if n in models else subject: here[key].sel(predictor=n).values for n in names}
            for key in ("r", "identified", "simulated")
        }
        if not here["noise_known"]:
            found["simulated"] = None
        yield Judged(subject, here["image"].values, **found)


def image_accuracy_rows(result: Result) -> Iterator[dict[str, object]]:
    """One row per ROI and predictor: a model, or another subject's brain on the images it saw."""
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
    result: Result, significance: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """One row per ROI and pair of models, or of a model and another subject's brain."""
    for region, (atlas, roi) in enumerate(regions_of(result)):
        for among in judged(result, region):
            n_images = len(among.image)
            blocks = result["cluster"][np.isin(result["image"], among.image)]
            counts = draw_images(
                n_images,
                significance["draws"],
                significance["seed"],
                blocks if significance["resample"] == "clusters" else None,
            )
            for first, second in _pairs(result, among):
                hits = among.identified[first], among.identified[second]
                found = error_consistency(*hits, counts, significance["level"])
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
    """Models with each other, or each with the other subject's brain."""
    models = result.configuration["models"]
    if among.subject == subject_of(result):
        return itertools.combinations(models, 2)
    return ((model, among.subject) for model in models)


def _source(result: Result, predictor: str) -> dict[str, object]:
    """A brain has no weights."""
    if predictor in result.configuration["models"]:
        return dict(source(result, [predictor]))
    return {**source(result, []), "weights": np.nan}


def _independent(simulated: Mapping[str, np.ndarray] | None, first: str, second: str) -> float:
    """Mean over draws of κ of simulated predictors; NaN where the noise is not known."""
    if simulated is None:
        return np.nan
    pairs = zip(simulated[first], simulated[second], strict=True)
    return float(np.mean([kappa(one, other) for one, other in pairs]))


def _named(nsd_id: np.ndarray) -> str:
    return " ".join(str(image) for image in nsd_id[:N_EXTREME])
