"""Tables of components and groups of voxels: stability, preferred images, categories, ROIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from encoding.image_profiles import (
    LabelProfile,
    RankedImages,
    label_consistency,
    label_profiles,
    rank_images,
)
from encoding.variance_partitioning import MODEL_SEPARATOR
from encoding.weight_components import exceedance
from pipeline.results.storage import Result
from pipeline.tables.tables import roi_members, source

# measures of how far a subject's components agree with those of the others
MEASURES = {
    "subspace": "agreement (0 to 1) of a subject's leading components with those of the other "
    "subjects: mean cos² of the principal angles between the subspaces spanned by the components "
    "up to this one",
    "cosine": "cosine (-1 to 1) of a subject's component and the matching component of the other "
    "subjects",
    "correlation": "correlation (-1 to 1) over images of their scores on a subject's component and "
    "on the matching component of the other subjects",
}
P = (
    "p of `{}` against chance, one-sided, not corrected: (k + 1) / (B + 1), with k of B draws of "
    "permuted images in which it is as large"
)
MEAN = "mean over the n_subjects subjects of the "
# descriptions of the columns that only these tables have
COLUMNS = {
    "principal_component": "rank of the principal component of the weights, from 1 (explains most)",
    "explained": "fraction (0 to 1) of the variance of the analysed weights that the component "
    "explains",
    "cumulative_explained": "fraction (0 to 1) of the variance of the analysed weights that this "
    "component and all before it explain",
    "permuted_explained": "fraction (0 to 1) of the variance of weights that the component of this "
    "rank explains if the images are permuted before fitting, mean over the n_permutations draws: "
    "the level expected by chance from the feature space and correlations between voxels",
    "n_permutations": "number of draws of permuted images, in each of which the weights are fitted "
    "again",
    "sign_margin": "cosine (0 to 1) of the component and the mean weights, which set the "
    "component's sign: near 0 the sign is arbitrary",
    **{f"p_{name}": P.format(name) for name in ("explained", *MEASURES)},
    **{f"component_stability.{name}": meaning for name, meaning in MEASURES.items()},
    **{f"components.{name}": MEAN + meaning for name, meaning in MEASURES.items()},
    **{
        f"{table}permuted_{name}": f"{mean}{meaning}, if the images are permuted before fitting; "
        "mean over draws of permuted images"
        for table, mean in {"component_stability.": "", "components.": MEAN}.items()
        for name, meaning in MEASURES.items()
    },
    "n_voxels_per_subject": "number of voxels of each subject whose weights are analysed: the most "
    "reliable ones",
    "components.n_subjects": "number of subjects whose weights are analysed",
    "voxel_groups.n_subjects": "number of subjects with voxels of the group in the ROI",
    "voxel_groups.n_voxels": "number of the group's voxels, of all subjects, in the ROI",
    "grouping": "kind of the group. component: principal component of the weights; tree: voxels "
    "split by the signs (+, -) of their projections on one component after another, 0 where a "
    "component does not split; cluster: k-means cluster of the directions of weights",
    "name": "number of the component or cluster (from 1), or branch of the tree (such as +-)",
    "side": "which images of the group: top (largest scores), bottom (smallest scores), or even "
    "(evenly spaced by rank)",
    "preferred_images.rank": "rank of the image within its side, from 1: largest score; for bottom "
    "images, smallest score",
    "best_images.rank": "rank of the image by predicted response, from 1 (largest)",
    "nsd_id": "number of the image (0-based, in nsd_stimuli.hdf5 for NSD), on which no model was "
    "trained",
    "captions": "captions of the uncropped picture in COCO, separated by |",
    "level": "level of the label in COCO: category or supercategory",
    "label": "name of the category or supercategory in COCO",
    "preferred_categories.fraction": "fraction (0 to 1) of the n_images images of the side that "
    "contain the label",
    "preferred_categories.base_rate": "fraction (0 to 1) of all images with a score that contain "
    "the label",
    "voxel_groups.fraction": "fraction (0 to 1) of the group's voxels that lie in the ROI",
    "voxel_groups.base_rate": "fraction (0 to 1) of all analysed voxels that lie in the ROI",
    "label_consistency.n_images": "number of images with the largest scores (side top) or the "
    "smallest ones (bottom)",
    "label_agreement": "mean over the pairs of the n_images images of the Jaccard index (0 to 1) "
    "of their labels: number of labels of both, divided by number of labels of either; pairs "
    "without any label are left out",
    "chance_label_agreement": "label_agreement of all images with a score, the mean of images that "
    "are drawn at random",
    "odds_ratio": "odds ratio (0 to infinity) of containing the label: the n_images images of the "
    "side against all other images with a score",
    "n_clusters": "number of k-means clusters of the voxels' weights",
    "adjusted_rand": "adjusted Rand index between clusters of the subject's voxels and their "
    "assignment to the other subjects' cluster centres: 0 by chance, 1 if identical",
    "silhouette": "silhouette (-1 to 1) of the clusters of all subjects' voxels, mean over voxels",
    "predicted": "mean over the n_voxels voxels of the predicted response to the image (z-scored "
    "betas)",
    "measured": "mean over the n_voxels voxels of the measured response to the image (z-scored "
    "betas)",
    "measured_rank": "rank of the image by measured response among the n_images test images, from "
    "1 (largest)",
    "score": "score of the image: scalar product of its scaled features with the component, or "
    "with the group's mean weights minus the mean weights of all analysed voxels",
    "components.n_images": "number of images with a score, on which no model was trained",
    "preferred_categories.n_images": "number of images of the side",
    "best_images.n_images": "number of test images that are ranked",
    "p": "p of odds_ratio against 1 (Fisher's exact test, two-sided)",
    "q": "false discovery rate (Benjamini & Hochberg) of p over all labels of a level, both sides "
    "(top and bottom), and all components, all branches or all clusters",
}

SIDES = ("top", "bottom", "even")
# the evenly spaced images are not tested
TESTED_SIDES = ("top", "bottom")
# numbers of images whose labels are compared
CONSISTENCY_IMAGES = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
CAPTION_SEPARATOR = " | "
# columns of the table, which has no row if all ROIs have too few voxels
BEST_IMAGE_COLUMNS = (
    *("subject", "model", "atlas", "roi", "rank", "nsd_id", "predicted", "measured"),
    *("measured_rank", "n_images", "n_voxels", "captions", "weights", "data"),
)
COMPONENT, TREE, CLUSTER = "component", "tree", "cluster"


@dataclass(frozen=True)
class Preference:
    """Scores of images on a component, or for the voxels of a group.

    Attributes
    ----------
    grouping : COMPONENT, TREE or CLUSTER
    name : number of the component or cluster from 1, or branch of the tree
    scores : (image,) of images on which no model was trained
    members : (voxel,) bool; None for a component
    """

    grouping: str
    name: str
    scores: np.ndarray
    members: np.ndarray | None = None


def preferences(result: Result) -> Iterator[Preference]:
    """Yield preferences of components, of branches of the tree, and of clusters.

    A group's scores are those of its mean weights minus the mean weights of all voxels.
    """
    scores, projections = result["scores"], result["projections"]
    for number in range(scores.shape[1]):
        yield Preference(COMPONENT, str(number + 1), scores[:, number])
    for grouping, name, members in _groups(result):
        yield Preference(grouping, name, scores @ projections[members].mean(axis=0), members)


def _groups(result: Result) -> Iterator[tuple[str, str, np.ndarray]]:
    branches = result.by_label("in_branch")
    # the root has all voxels, with which the others are compared
    for branch in sorted(set(branches) - {"root"}, key=lambda branch: (len(branch), branch)):
        yield TREE, branch, branches[branch]
    for number in np.unique(result["cluster"]):
        yield CLUSTER, str(number + 1), result["cluster"] == number


def component_rows(result: Result) -> Iterator[dict[str, object]]:
    """Yield one row per component; stability is averaged over subjects, also in every draw."""
    means: dict[str, np.ndarray] = {}
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
            "principal_component": number + 1,
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
    """Compare a measured array (…) with draws of permuted images (draw, …): mean and p."""
    return {
        measure: measured,
        f"permuted_{measure}": null.mean(axis=0),
        f"p_{measure}": exceedance(measured, null),
    }


def _mean_over_subjects(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)


def stability_rows(result: Result) -> Iterator[dict[str, object]]:
    """Yield one row per subject and component; none with a single subject."""
    if not len(result["stability_subspace"]):
        return
    found: dict[str, np.ndarray] = {}
    for measure in MEASURES:
        null = result[f"permuted_stability_{measure}"]
        found |= _against(null, measure, result[f"stability_{measure}"])
    for row, subject in enumerate(result["subject"].tolist()):
        for number in range(len(result["explained"])):
            yield {
                "subject": subject,
                "model": _model(result),
                "principal_component": number + 1,
                **{name: values[row, number] for name, values in found.items()},
                **_source(result),
            }


def cluster_rows(result: Result) -> Iterator[dict[str, object]]:
    """Yield one row per subject: agreement of its clusters with the other subjects'."""
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
    """Yield one row per image of a preference: top, bottom and evenly spaced."""
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
    labels: Mapping[str, tuple[Sequence[str], np.ndarray]],
) -> Iterator[dict[str, object]]:
    """Yield rows of labels in the top and bottom images of the preferences of one grouping.

    Parameters
    ----------
    labels : {"category" or "supercategory": (names, (image, label))} of the images with scores
    """
    for level, (names, labelled) in labels.items():
        sides = {
            f"{row} {side}": _side(rank_images(preference.scores, number), side)
            for row, preference in enumerate(ranked)
            for side in TESTED_SIDES
        }
        for key, (profile, q) in label_profiles(labelled, sides).items():
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


def consistency_rows(
    result: Result,
    ranked: Sequence[Preference],
    labels: Mapping[str, tuple[Sequence[str], np.ndarray]],
) -> Iterator[dict[str, object]]:
    """Yield the agreement of labels among more and more top and bottom images of components.

    Parameters
    ----------
    labels : {"category" or "supercategory": (names, (image, label))} of the images with scores
    """
    n_images = len(result["image"])
    numbers = [number for number in CONSISTENCY_IMAGES if 2 * number <= n_images]
    for level, (_, labelled) in labels.items():
        (chance,) = label_consistency(labelled, np.arange(n_images), [n_images])
        for preference in ranked:
            descending = np.argsort(-preference.scores, kind="stable")
            for side, order in zip(TESTED_SIDES, (descending, descending[::-1]), strict=True):
                agreement = label_consistency(labelled, order, numbers)
                for number, mean in zip(numbers, agreement.tolist(), strict=True):
                    yield {
                        **_names(result, preference),
                        "side": side,
                        "level": level,
                        "n_images": number,
                        "label_agreement": mean,
                        "chance_label_agreement": float(chance),
                        **_source(result),
                    }


def _side(images: RankedImages, side: str) -> np.ndarray:
    return getattr(images, side)


def _profile_cells(
    names: Sequence[str], profile: LabelProfile, q: np.ndarray, number: int
) -> Iterator[dict[str, object]]:
    for column, name in enumerate(names):
        # labels of no image are left out
        if profile.base_rate[column] > 0:
            yield {
                "label": name,
                "n_images": number,
                "fraction": profile.share[column],
                "base_rate": profile.base_rate[column],
                "odds_ratio": profile.odds_ratio[column],
                "p": profile.p[column],
                "q": q[column],
            }


def group_roi_rows(result: Result, rois: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, object]]:
    """Yield one row per group and ROI that the group has voxels in."""
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
                    "fraction": n_inside / np.count_nonzero(members),
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
    """Yield the test images with the largest mean predicted response of each ROI of a subject.

    Parameters
    ----------
    predictions : predicted responses to the test images by the `model`
    measured : (image, voxel) measured responses to the same images
    explainable : (voxel,) bool, voxels that are reliable enough
    settings : `images`, number of images; `min_voxels`, minimum number of voxels of a ROI
    captions : {nsd_id: texts}
    """
    values, spaces = predictions["predictions"], model.split(MODEL_SEPARATOR)
    usable = explainable & np.isfinite(values).all(axis=0) & np.isfinite(measured).all(axis=0)
    for (atlas, roi), inside in roi_members(rois, predictions["voxel"]).items():
        members = inside & usable
        if np.count_nonzero(members) < settings["min_voxels"]:
            continue
        predicted = values[:, members].mean(axis=1, dtype=np.float64)
        responses = measured[:, members].mean(axis=1, dtype=np.float64)
        best = np.argsort(-predicted, kind="stable")[: settings["images"]]
        measured_rank = rankdata(-responses, method="min")
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
                "measured": responses[image],
                "measured_rank": int(measured_rank[image]),
                "n_images": len(predicted),
                "n_voxels": int(np.count_nonzero(members)),
                "captions": CAPTION_SEPARATOR.join(captions[nsd_id]),
                **source(predictions, spaces),
            }
