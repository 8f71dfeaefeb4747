"""Tables of models in and out of distribution: regions, orders, classes and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.analyses.out_of_distribution.image_sets import IN, OUT
from pipeline.results.storage import Result
from pipeline.tables.columns import LEVEL
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# of rows of models that are scored
NOT_LEFT_OUT = "no"
OVER_IN = f"bootstrap interval ({LEVEL}) over the study's test images"
OVER_OUT = f"bootstrap interval ({LEVEL}) over subclasses of synthetic images"
CEILING = "explainable fraction of the variance of these responses, at most 1, can be negative"
# descriptions of the columns that only these tables have
COLUMNS = {
    "left_out": "no, or why the model cannot be scored out of distribution; its row then has no "
    "scores",
    "n_images_in": "number of test images of the core experiment (in distribution)",
    "n_images_out": "number of synthetic images (out of distribution)",
    "r_in": "mean over n_voxels voxels of the correlation (Pearson r, -1 to 1) of measured and "
    "predicted responses to the study's test images",
    "r_in_lower": f"lower end of the {OVER_IN} of r_in",
    "r_in_upper": f"upper end of the {OVER_IN} of r_in",
    "r_out": "mean over n_voxels voxels of the correlation (Pearson r, -1 to 1) of measured and "
    "predicted responses to the synthetic images",
    "r_out_lower": f"lower end of the {OVER_OUT} of r_out",
    "r_out_upper": f"upper end of the {OVER_OUT} of r_out",
    "ceiling_in": f"mean noise ceiling of the test images over n_voxels voxels ({CEILING})",
    "ceiling_out": f"mean noise ceiling of the synthetic images over n_voxels voxels ({CEILING}); "
    "images weigh equally, however often they were repeated",
    "trial_ceiling_out": "mean over n_voxels voxels of the noise ceiling of the synthetic images "
    "by the published formula (0 to 1), from the variance of single trials, in which images weigh "
    "by their repeats",
    "normalised_in": "r_in divided by mean √(noise ceiling) of the test images; 1 is the best "
    "possible, not clipped",
    "normalised_out": "r_out divided by mean √(noise ceiling) of the synthetic images; 1 is the "
    "best possible, not clipped",
    "drop": "normalised_in minus normalised_out",
    "drop_lower": f"lower end of the bootstrap interval ({LEVEL}) of drop, over test images and, "
    "independently, subclasses of synthetic images; ceilings are taken as known",
    "drop_upper": f"upper end of the bootstrap interval ({LEVEL}) of drop, like drop_lower",
    "retained": "normalised_out divided by normalised_in; n/a where normalised_in is not above 0",
    "r2_in": "mean over n_voxels voxels of R² of the test images (at most 1, can be negative)",
    "r2_out": "mean over n_voxels voxels of R² of the synthetic images (at most 1, can be "
    "negative), whose responses were z-scored within their own session: unlike r_out it depends "
    "on that unit",
    "slope_in": "median over n_voxels voxels of the slope of the regression of measured on "
    "predicted responses to the test images: 1 if predictions have the right size",
    "slope_out": "median over n_voxels voxels of the slope of the regression of measured on "
    "predicted responses to the synthetic images; it depends on the z-score as r2_out does",
    "out_of_distribution_order.first": "one of two models",
    "out_of_distribution_order.second": "the other of two models",
    "difference_in": "r_in of first minus r_in of second",
    "difference_in_lower": f"lower end of the paired {OVER_IN} of difference_in",
    "difference_in_upper": f"upper end of the paired {OVER_IN} of difference_in",
    "difference_out": "r_out of first minus r_out of second",
    "difference_out_lower": f"lower end of the paired {OVER_OUT} of difference_out",
    "difference_out_upper": f"upper end of the paired {OVER_OUT} of difference_out",
    "order": "order of the two models out of distribution: same as in distribution, reversed, or "
    "undecided if one of the two intervals includes 0",
    "images": "the synthetic images that are scored: all, all but those that are plain grey in the "
    "central square, or a class",
    "n_subclasses": "number of subclasses, whose images are drawn together in bootstraps; with one "
    "there is no interval",
    "out_of_distribution_classes.n_images": "number of images that are scored",
    "mean_r_lower": f"lower end of the {OVER_OUT} of mean_r",
    "mean_r_upper": f"upper end of the {OVER_OUT} of mean_r",
    "out_of_distribution_classes.mean_normalised_r": "mean_r divided by mean √(noise ceiling) of "
    "these images over n_voxels voxels; n/a where that is 0, not clipped",
    "median_slope": "median over n_voxels voxels of the slope of the regression of measured on "
    "predicted responses",
    "mean_distance": "mean of distance over the images",
    "image_number": "number of the image in NSD-synthetic, from 1",
    "image_name": "name of the image in NSD-synthetic",
    "image_class": "class of the image",
    "image_subclass": "subclass of the image, of four images",
    "n_trials": "number of trials that were averaged, one-back trials included",
    "grey": "yes if the image is plain grey in the central square that models see, otherwise no",
    "distance": "distance of the image from the mean training image: Euclidean, of features as "
    "they are fitted, divided by the square root of the number of feature spaces; with scaling "
    "`zscore` its mean square over training images is 1",
    "nearest_distance": "distance of the image from the nearest training image, in the unit of "
    "distance",
    "nearer_test_images": "fraction (0 to 1) of the study's test images that are nearer to their "
    "nearest training image than this image is",
    "image_r": "correlation (Pearson r, -1 to 1) over all used voxels of the measured and the "
    "predicted pattern of responses to the image",
}
ROW_COLUMNS = (
    *("subject", "model", "left_out", "atlas", "roi", "n_voxels", "n_images_in", "n_images_out"),
    *("r_in", "r_in_lower", "r_in_upper", "r_out", "r_out_lower", "r_out_upper"),
    *("ceiling_in", "ceiling_out", "trial_ceiling_out", "normalised_in", "normalised_out"),
    *("drop", "drop_lower", "drop_upper", "retained", "r2_in", "r2_out", "slope_in", "slope_out"),
    *("weights", "data"),
)
ORDER_COLUMNS = (
    *("subject", "first", "second", "atlas", "roi"),
    *("difference_in", "difference_in_lower", "difference_in_upper"),
    *("difference_out", "difference_out_lower", "difference_out_upper"),
    *("order", "weights", "data"),
)
CLASS_COLUMNS = (
    *("subject", "model", "images", "n_images", "n_subclasses", "atlas", "roi", "n_voxels"),
    *("mean_r", "mean_r_lower", "mean_r_upper", "mean_ceiling", "mean_normalised_r", "mean_r2"),
    *("median_slope", "mean_distance", "weights", "data"),
)
IMAGE_COLUMNS = (
    *("subject", "model", "image_number", "image_name", "image_class", "image_subclass"),
    *("n_trials", "grey", "distance", "nearest_distance", "nearer_test_images", "image_r"),
    *("atlas", "roi", "weights", "data"),
)


def rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per region and model, and one for each model that is left out."""
    sets = result["set"].tolist()
    inside, outside = (sets.index(name) for name in (IN, OUT))
    n_images = {
        f"n_images_{where}": int(result["n_images"][row])
        for where, row in (("in", inside), ("out", outside))
    }
    for number, model, region, names in _cells(result):
        own = {name: result[name][number] for name in ("r_value", "r_lower", "r_upper")}
        normalised = result["normalised_r_value"][number][:, region]
        yield {
            "subject": subject_of(result),
            "model": model,
            "left_out": NOT_LEFT_OUT,
            **names,
            **n_images,
            **{
                f"r_{where}{name.removeprefix('r').replace('_value', '')}": float(
                    own[name][row, region]
                )
                for where, row in (("in", inside), ("out", outside))
                for name in own
            },
            "ceiling_in": float(result["noise_ceiling"][number, inside, region]),
            "ceiling_out": float(result["noise_ceiling"][number, outside, region]),
            "trial_ceiling_out": float(result["trial_noise_ceiling"][number, outside, region]),
            "normalised_in": float(normalised[inside]),
            "normalised_out": float(normalised[outside]),
            "drop": float(result["drop_value"][number, region]),
            "drop_lower": float(result["drop_lower"][number, region]),
            "drop_upper": float(result["drop_upper"][number, region]),
            "retained": float(normalised[outside] / normalised[inside])
            if normalised[inside] > 0
            else np.nan,
            **{
                f"{score}_{where}": float(result[score][number, row, region])
                for score in ("r2", "slope")
                for where, row in (("in", inside), ("out", outside))
            },
            **_source(result, model),
        }
    for model, reason in settings["left_out"].items():
        yield {
            "subject": subject_of(result),
            "model": model,
            "left_out": reason,
            **{"atlas": "all", "roi": "all", "n_voxels": 0, **n_images},
            **{**source(result, []), "weights": np.nan},
        }


def order_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per region and pair of models."""
    if "first" not in result.data:
        return
    pairs = list(zip(result["first"].tolist(), result["second"].tolist(), strict=True))
    for region, (atlas, roi) in enumerate(regions_of(result)):
        if not result["n_voxels"][:, region].all():
            continue
        for number, pair in enumerate(pairs):
            yield {
                "subject": subject_of(result),
                **dict(zip(("first", "second"), pair, strict=True)),
                **{"atlas": atlas, "roi": roi},
                **{
                    f"difference_{where}{end}": float(
                        result[f"difference_{where}{end or '_value'}"][number, region]
                    )
                    for where in ("in", "out")
                    for end in ("", "_lower", "_upper")
                },
                "order": str(result["order"][number, region]),
                **source(result, MODEL_SEPARATOR.join(pair).split(MODEL_SEPARATOR)),
            }


def class_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per region, model and set of synthetic images."""
    for number, model, region, names in _cells(result):
        for row, images in enumerate(result["set"].tolist()):
            if images == IN:
                continue
            scores = {
                "mean_r": "r_value",
                "mean_r_lower": "r_lower",
                "mean_r_upper": "r_upper",
                "mean_ceiling": "noise_ceiling",
                "mean_normalised_r": "normalised_r_value",
                "mean_r2": "r2",
                "median_slope": "slope",
            }
            inside = _inside(result, images)
            yield {
                "subject": subject_of(result),
                "model": model,
                "images": images,
                "n_images": int(result["n_images"][row]),
                "n_subclasses": int(result["n_drawn"][row]),
                **names,
                **{to: float(result[name][number, row, region]) for to, name in scores.items()},
                "mean_distance": float(result["distance"][number, inside].mean()),
                **_source(result, model),
            }


def image_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per model and image."""
    measures = ("distance", "nearest_distance", "nearer_test_images", "image_r")
    for number, model in enumerate(result["model"].tolist()):
        for image in result["image"].tolist():
            yield {
                "subject": subject_of(result),
                "model": model,
                "image_number": image + 1,
                "image_name": str(result["name"][image]),
                "image_class": str(result["image_class"][image]),
                "image_subclass": str(result["image_subclass"][image]),
                "n_trials": int(result["n_repeats"][image]),
                "grey": "yes" if result["grey"][image] else "no",
                **{name: float(result[name][number, image]) for name in measures},
                **{"atlas": "all", "roi": "all"},
                **_source(result, model),
            }


def _cells(result: Result) -> Iterator[tuple[int, str, int, dict[str, object]]]:
    """Yield the number and name of models, and the number and cells of regions with voxels."""
    for number, model in enumerate(result["model"].tolist()):
        for region, (atlas, roi) in enumerate(regions_of(result)):
            n_voxels = int(result["n_voxels"][number, region])
            if n_voxels:
                yield number, model, region, {"atlas": atlas, "roi": roi, "n_voxels": n_voxels}


def _inside(result: Result, images: str) -> np.ndarray:
    """Tell which images are in a set: (image,) bool."""
    classes = result["image_class"]
    if images in classes:
        return classes == images
    return np.ones(len(classes), bool) if images == OUT else ~result["grey"].astype(bool)


def _source(result: Result, model: str) -> Mapping[str, object]:
    return source(result, model.split(MODEL_SEPARATOR))


TABLES = {
    "out_of_distribution": (rows, ROW_COLUMNS),
    "out_of_distribution_order": (order_rows, ORDER_COLUMNS),
    "out_of_distribution_classes": (class_rows, CLASS_COLUMNS),
    "out_of_distribution_images": (image_rows, IMAGE_COLUMNS),
}
