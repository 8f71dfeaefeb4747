"""Components and groups of voxels to tables: stability, preferred images, what these show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from encoding.image_profiles import LabelProfile, RankedImages, label_profiles, rank_images
from encoding.variance_partitioning import MODEL_SEPARATOR
from encoding.weight_components import exceedance
from pipeline.results.storage import Result
from pipeline.tables.tables import roi_members, source

# what columns mean that other tables do not have
COLUMNS = {
    "explained": "share of the variance of the weights that the component explains",
    "cumulative_explained": "of this component and all before it",
    "permuted_explained": "the same of weights fitted after the images were permuted, mean over "
    "draws: what the feature space, and correlations between voxels, make of chance",
    "p_explained": "share of draws of permuted images whose component of this rank explains as "
    "much, p = (k + 1) / (B + 1), one-sided, not corrected",
    "n_permutations": "draws of permuted images (B), the models fitted anew in each",
    "sign_margin": "cosine of component and mean weights; the sign, which is that of the mean "
    "weights, is arbitrary where it is near 0",
    "subspace": "one subject's components against those of all others: mean cos² of the principal "
    "angles between the spans of the components up to this one",
    "permuted_subspace": "the same of weights fitted after the images were permuted, mean over "
    "draws",
    "p_subspace": "share of draws of permuted images in which `subspace` is as large, "
    "p = (k + 1) / (B + 1), one-sided, not corrected",
    "cosine": "cosine of one subject's component and the others', matched one for one",
    "permuted_cosine": "the same of weights fitted after the images were permuted, mean over draws",
    "p_cosine": "share of draws of permuted images in which `cosine` is as large, "
    "p = (k + 1) / (B + 1), one-sided, not corrected",
    "correlation": "correlation over images of the scores on these two matched components",
    "permuted_correlation": "the same of weights fitted after the images were permuted, mean over "
    "draws",
    "p_correlation": "share of draws of permuted images in which `correlation` is as large, "
    "p = (k + 1) / (B + 1), one-sided, not corrected",
    "n_voxels_per_subject": "voxels of the best reliability of each subject whose weights are "
    "analysed",
    "grouping": "component of the weights; tree: voxels above (+) and below (-) 0 on one component "
    "after another, 0 where the component does not split; cluster: of directions of weights",
    "name": "of the component, branch or cluster",
    "side": "top: largest scores, bottom: smallest, even: evenly spaced by rank",
    "rank": "from 1; of bottom images 1 has the smallest score",
    "nsd_id": "0-based index of the image in nsd_stimuli.hdf5; no model was trained on it",
    "captions": "COCO's captions of the image, of the uncropped picture",
    "level": "category or supercategory of COCO",
    "label": "COCO's name of it",
    "share": "of the row's images, or of the group's voxels",
    "base_rate": "the same share of all images that have a score, or of all analysed voxels",
    "odds_ratio": "of having the label: the row's images against all others",
    "n_clusters": "clusters of the k-means",
    "adjusted_rand": "agreement of the subject's own clusters with those by the others' centres; 0 "
    "by chance, 1 if they are the same",
    "silhouette": "of the clusters of all subjects, mean over voxels, in [-1, 1]",
    "predicted": "mean over the ROI's voxels of the predicted response",
    "measured": "the same of the measured response",
    "measured_rank": "rank of the image by measured response, from 1",
    "score": "scalar product of the image's scaled features with the component, or with the mean "
    "weights of the group, less that of all analysed voxels",
    "n_images": "images that the row is of",
    "p": "probability of so many images with the label by chance (Fisher's exact test, two-sided)",
    "q": "false discovery rate (Benjamini & Hochberg) of p over all labels of a level, both sides "
    "and all components, all branches or all clusters",
}

MEASURES = ("subspace", "cosine", "correlation")
SIDES = ("top", "bottom", "even")
# an evenly spaced sample shows what lies between; it is not tested
TESTED_SIDES = ("top", "bottom")
CAPTION_SEPARATOR = " | "
# A study whose ROIs have too few voxels still has the table: its columns, and no row.
BEST_IMAGE_COLUMNS = (
    "subject",
    "model",
    "atlas",
    "roi",
    "rank",
    "nsd_id",
    "predicted",
    "measured",
    "measured_rank",
    "n_images",
    "n_voxels",
    "captions",
    "weights",
    "data",
)
COMPONENT, TREE, CLUSTER = "component", "tree", "cluster"


@dataclass(frozen=True)
class Preference:
    """What a component, or the voxels of a group, prefer.

    Attributes
    ----------
    grouping : COMPONENT, TREE or CLUSTER
    name : number of the component or cluster from 1, or branch of the tree
    scores : (image,) of images that no model was trained on
    members : (voxel,) bool; None for a component
    """

    grouping: str
    name: str
    scores: np.ndarray
    members: np.ndarray | None = None


def preferences(result: Result) -> Iterator[Preference]:
    """Preferences of components, of branches of the tree, and of clusters.

    A group's is that of the mean of its voxels' weights, less the mean weights of all voxels.
    """
    scores, projections = result["scores"], result["projections"]
    for number in range(scores.shape[1]):
        yield Preference(COMPONENT, str(number + 1), scores[:, number])
    for grouping, name, members in _groups(result):
        yield Preference(grouping, name, scores @ projections[members].mean(axis=0), members)


def _groups(result: Result) -> Iterator[tuple[str, str, np.ndarray]]:
    branches = result.by_label("in_branch")
    # all voxels prefer nothing: they are what others are compared with
    for branch in sorted(set(branches) - {"root"}, key=lambda branch: (len(branch), branch)):
        yield TREE, branch, branches[branch]
    for number in np.unique(result["cluster"]):
        yield CLUSTER, str(number + 1), result["cluster"] == number


def component_rows(result: Result) -> Iterator[dict[str, object]]:
    """One row per component; stability is the mean over subjects, as it is in every draw."""
    means = {}
    for measure in MEASURES:
        mean = _mean_over_subjects(result[f"stability_{measure}"])
        null = np.array(
            [_mean_over_subjects(draw) for draw in result[f"permuted_stability_{measure}"]]
        )
        means |= _against(null, measure, mean)
    explained = _against(result["permuted_explained"], "explained", result["explained"])
    for number in range(len(result["explained"])):
        yield {
            "model": _model(result),
            "component": number + 1,
            "cumulative_explained": result["explained"][: number + 1].sum(),
            **{name: values[number] for name, values in explained.items()},
            "sign_margin": result["sign_margin"][number],
            **{name: values[number] for name, values in means.items()},
            "n_permutations": len(result["permuted_explained"]),
            "n_subjects": len(result["subject"]),
            "n_voxels_per_subject": int(result["n_voxels"]),
            "n_images": len(result["image"]),
            **_source(result),
        }


def _against(null: np.ndarray, measure: str, measured: np.ndarray) -> dict[str, np.ndarray]:
    """What was measured (…), the mean of draws of permuted images (draw, …), and p."""
    return {
        measure: measured,
        f"permuted_{measure}": null.mean(axis=0),
        f"p_{measure}": exceedance(measured, null),
    }


def _mean_over_subjects(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)


def stability_rows(result: Result) -> Iterator[dict[str, object]]:
    """One row per subject and component; none with a single subject."""
    if not len(result[f"stability_{MEASURES[0]}"]):
        return
    found = {}
    for measure in MEASURES:
        null = result[f"permuted_stability_{measure}"]
        found |= _against(null, measure, result[f"stability_{measure}"])
    for row, subject in enumerate(result["subject"].tolist()):
        for number in range(len(result["explained"])):
            yield {
                "subject": subject,
                "model": _model(result),
                "component": number + 1,
                **{name: values[row, number] for name, values in found.items()},
                **_source(result),
            }


def cluster_rows(result: Result) -> Iterator[dict[str, object]]:
    """One row per subject: are the clusters its own?"""
    n_clusters = len(np.unique(result["cluster"]))
    for subject, agreement in zip(result["subject"].tolist(), result["adjusted_rand"], strict=True):
        yield {
            "subject": subject,
            "model": _model(result),
            "n_clusters": n_clusters,
            "adjusted_rand": agreement,
            "silhouette": float(result["silhouette"]),
            **_source(result),
        }


def image_rows(
    result: Result, ranked: Preference, number: int, captions: Mapping[int, Sequence[str]]
) -> Iterator[dict[str, object]]:
    """The images of one preference: top, bottom and evenly spaced."""
    images = rank_images(ranked.scores, number)
    for side in SIDES:
        for rank, image in enumerate(getattr(images, side), start=1):
            nsd_id = int(result["image"][image])
            yield {
                **_names(result, ranked),
                "side": side,
                "rank": rank,
                "nsd_id": nsd_id,
                "score": ranked.scores[image],
                "captions": CAPTION_SEPARATOR.join(captions[nsd_id]),
                **_source(result),
            }


def category_rows(
    result: Result,
    ranked: Sequence[Preference],
    number: int,
    labels: Mapping[str, tuple[list[str], np.ndarray]],
) -> Iterator[dict[str, object]]:
    """What the top and bottom images of preferences of one grouping show.

    Parameters
    ----------
    labels : {"category" or "supercategory": (names, (image, label))} of the images with scores
    """
    for level, (names, shown) in labels.items():
        sides = {
            f"{row} {side}": _side(rank_images(preference.scores, number), side)
            for row, preference in enumerate(ranked)
            for side in TESTED_SIDES
        }
        for key, (profile, q) in label_profiles(shown, sides).items():
            row, side = key.split()
            yield from (
                {
                    **_names(result, ranked[int(row)]),
                    "side": side,
                    "level": level,
                    **cells,
                    **_source(result),
                }
                for cells in _profile_cells(names, profile, q, number)
            )


def _side(images: RankedImages, side: str) -> np.ndarray:
    return getattr(images, side)


def _profile_cells(
    names: list[str], profile: LabelProfile, q: np.ndarray, number: int
) -> Iterator[dict[str, object]]:
    for column, name in enumerate(names):
        # what no image shows says nothing
        if profile.base_rate[column] > 0:
            yield {
                "label": name,
                "n_images": number,
                "share": profile.share[column],
                "base_rate": profile.base_rate[column],
                "odds_ratio": profile.odds_ratio[column],
                "p": profile.p[column],
                "q": q[column],
            }


def group_roi_rows(result: Result, rois: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """How many voxels of each group, and of all, lie in each ROI that the group has voxels of."""
    inside: dict[tuple[str, str], np.ndarray] = {}
    subjects = result["subject_number"]
    for number, subject in enumerate(result["subject"].tolist()):
        own = subjects == number
        for key, members in roi_members(rois[subject], result["voxel_id"][own]).items():
            inside.setdefault(key, np.zeros(len(own), dtype=bool))[own] = members
    for grouping, name, members in _groups(result):
        for (atlas, roi), in_roi in inside.items():
            if n_inside := int(np.count_nonzero(members & in_roi)):
                yield {
                    "model": _model(result),
                    "grouping": grouping,
                    "name": name,
                    "atlas": atlas,
                    "roi": roi,
                    "n_voxels": n_inside,
                    "share": n_inside / np.count_nonzero(members),
                    "base_rate": in_roi.mean(),
                    "n_subjects": len(np.unique(subjects[members & in_roi])),
                    **_source(result),
                }


def _names(result: Result, preference: Preference) -> dict[str, object]:
    return {"model": _model(result), "grouping": preference.grouping, "name": preference.name}


def _model(result: Result) -> str:
    return result.configuration["model"]


def _source(result: Result) -> Mapping[str, str]:
    return source(result, result.configuration["spaces"])


def best_image_rows(
    predictions: Result,
    model: str,
    measured: np.ndarray,
    explainable: np.ndarray,
    rois: pd.DataFrame,
    settings: Mapping[str, Any],
    captions: Mapping[int, Sequence[str]],
) -> Iterator[dict[str, object]]:
    """The test images of the largest mean predicted response of each ROI of a subject.

    Parameters
    ----------
    predictions : responses of the test images that the `model` predicts
    measured : (image, voxel) the same as measured
    explainable : (voxel,) bool, voxels that count
    settings : `images`, how many; `least_voxels` of a ROI
    captions : {nsd_id: texts}
    """
    values, spaces = predictions["predictions"], model.split(MODEL_SEPARATOR)
    usable = explainable & np.isfinite(values).all(axis=0) & np.isfinite(measured).all(axis=0)
    for (atlas, roi), inside in roi_members(rois, predictions["voxel"]).items():
        members = inside & usable
        if np.count_nonzero(members) < settings["least_voxels"]:
            continue
        predicted = values[:, members].mean(axis=1, dtype=np.float64)
        truly = measured[:, members].mean(axis=1, dtype=np.float64)
        best = np.argsort(-predicted, kind="stable")[: settings["images"]]
        place = rankdata(-truly, method="min")
        for rank, image in enumerate(best, start=1):
            nsd_id = int(predictions["image"][image])
            yield {
                "subject": predictions.configuration["subject"],
                "model": model,
                "atlas": atlas,
                "roi": roi,
                "rank": rank,
                "nsd_id": nsd_id,
                "predicted": predicted[image],
                "measured": truly[image],
                "measured_rank": int(place[image]),
                "n_images": len(predicted),
                "n_voxels": int(np.count_nonzero(members)),
                "captions": CAPTION_SEPARATOR.join(captions[nsd_id]),
                **source(predictions, spaces),
            }
