"""Match of images with their captions, and the accuracy of predicted patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from encoding.variance_partitioning import MODEL_SEPARATOR
from pipeline.results.storage import Result
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

# descriptions of the columns that only these tables have
COLUMNS = {
    "n_images": "number of test images of the subject",
    "mean_match": "mean over the n_images images of the cosine (-1 to 1) between the embeddings of "
    "the image and of its captions",
    "mean_match_of_others": "mean over the n_images images of the cosine (-1 to 1) between the "
    "embeddings of the image and of the captions of the other images",
    "nearest_fraction": "fraction (0 to 1) of the n_images images whose own captions have the "
    "largest cosine among the captions of all n_images images; 1 / n_images by chance",
    "match_rank_r": "Spearman's ρ (-1 to 1) over the n_images images between the match of the "
    "image with its captions and the correlation of its predicted and measured response patterns",
    "p_match": "p of match_rank_r against 0, two-sided (Student's t)",
    "q_match": "false discovery rate (Benjamini & Hochberg) of p_match over all models and regions "
    "of the subject",
}
MATCH_COLUMNS = (
    *("subject", "n_images", "mean_match", "mean_match_of_others", "nearest_fraction", "weights"),
    "data",
)
ACCURACY_COLUMNS = (
    *("subject", "model", "atlas", "roi", "n_images", "n_voxels", "match_rank_r", "p_match"),
    *("q_match", "weights", "data"),
)


def match_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield the row of a subject."""
    spaces = [result.configuration["image"], result.configuration["captions"]]
    yield {
        "subject": subject_of(result),
        "n_images": len(result["image"]),
        "mean_match": float(result["match"].mean()),
        "mean_match_of_others": float(result["match_of_others"].mean()),
        "nearest_fraction": float(result["is_nearest"].mean()),
        **source(result, spaces),
    }


def accuracy_rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield one row per model and region."""
    embeddings = [result.configuration["image"], result.configuration["captions"]]
    for column, (atlas, roi) in enumerate(regions_of(result)):
        for row, model in enumerate(result["model"].tolist()):
            if np.isfinite(result["rho"][row, column]):
                yield {
                    "subject": subject_of(result),
                    "model": model,
                    "atlas": atlas,
                    "roi": roi,
                    "n_images": len(result["image"]),
                    "n_voxels": int(result["n_voxels"][column]),
                    "match_rank_r": float(result["rho"][row, column]),
                    "p_match": float(result["p"][row, column]),
                    "q_match": float(result["q"][row, column]),
                    **source(
                        result, list(dict.fromkeys([*model.split(MODEL_SEPARATOR), *embeddings]))
                    ),
                }


TABLES = {
    "caption_match": (match_rows, MATCH_COLUMNS),
    "caption_match_accuracy": (accuracy_rows, ACCURACY_COLUMNS),
}
