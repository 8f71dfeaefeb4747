"""Images that a component, or a group of voxels, prefers, and what these images show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact

from encoding.inference.significance import false_discovery_rate


@dataclass(frozen=True)
class RankedImages:
    """Images of a score, as indices.

    Attributes
    ----------
    top, bottom : (image,) of the largest score first, of the smallest first
    even : (image,) evenly spaced by rank, from the largest to the smallest
    """

    top: np.ndarray
    bottom: np.ndarray
    even: np.ndarray


def rank_images(scores: np.ndarray, number: int) -> RankedImages:
    """Select the `number` top, bottom and evenly spaced images of `scores` (image,).

    Raises
    ------
    ValueError
        Fewer than two times as many images: top and bottom would share some.
    """
    if len(scores) < 2 * number:
        raise ValueError(f"{len(scores)} images have no {number} at the top and {number} others")
    order = np.argsort(-np.asarray(scores), kind="stable")
    even = np.linspace(0, len(order) - 1, number).round().astype(int)
    return RankedImages(order[:number], order[::-1][:number], order[even])


@dataclass(frozen=True)
class LabelProfile:
    """Frequencies of each label among some images, and among all.

    Attributes
    ----------
    share : (label,) of the chosen images that have the label
    base_rate : (label,) of all images
    odds_ratio : (label,) of having the label, chosen images against the others; infinite where all
        that have it are chosen
    p : (label,) Fisher's exact test, two-sided; NaN for labels that no image, or every image, has
    """

    share: np.ndarray
    base_rate: np.ndarray
    odds_ratio: np.ndarray
    p: np.ndarray


def label_profile(labels: np.ndarray, chosen: np.ndarray) -> LabelProfile:
    """Test whether chosen images have each label more or less often than the other images.

    Parameters
    ----------
    labels : (image, label) 0 or 1, of all images that could have been chosen
    chosen : (chosen image,) indices
    """
    labels = np.asarray(labels, dtype=bool)
    inside = np.zeros(len(labels), dtype=bool)
    inside[chosen] = True
    with_label = labels[inside].sum(axis=0), labels[~inside].sum(axis=0)
    odds, p = np.full(labels.shape[1], np.nan), np.full(labels.shape[1], np.nan)
    for label, (here, elsewhere) in enumerate(zip(*with_label, strict=True)):
        if 0 < here + elsewhere < len(labels):
            without = inside.sum() - here, (~inside).sum() - elsewhere
            odds[label], p[label] = fisher_exact([[here, without[0]], [elsewhere, without[1]]])
    return LabelProfile(labels[inside].mean(axis=0), labels.mean(axis=0), odds, p)


def label_profiles(
    labels: np.ndarray, sides: dict[str, np.ndarray]
) -> dict[str, tuple[LabelProfile, np.ndarray]]:
    """`label_profile` of several choices with q: the false discovery rate over labels and choices.

    Parameters
    ----------
    sides : {name: (chosen image,) indices}

    Returns
    -------
    {name: (profile, (label,) q)}
    """
    profiles = {name: label_profile(labels, chosen) for name, chosen in sides.items()}
    q = false_discovery_rate(np.array([profile.p for profile in profiles.values()]))
    return {name: (profiles[name], q[row]) for row, name in enumerate(profiles)}


def label_consistency(labels: np.ndarray, order: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """Measure how far the labels of the first images of an order agree, as more are taken.

    The agreement of two images is the Jaccard index of their labels: the number of labels of both,
    divided by the number of labels of either (Jaccard 1912). Pairs of images of which neither has a
    label are left out.

    Parameters
    ----------
    labels : (image, label) 0 or 1
    order : (image,) indices, such as those of descending scores
    numbers : numbers of first images

    Returns
    -------
    (number,) mean agreement (0 to 1) over the pairs among the first images, NaN without a pair
    """
    first = np.asarray(labels, dtype=np.float32)[order[: max(numbers, default=0)]]
    n_labels = first.sum(axis=1)
    # of each image with those before it: sum of agreements, and number of pairs
    sums, pairs = np.zeros(len(first)), np.zeros(len(first))
    for image in range(1, len(first)):
        shared = first[:image] @ first[image]
        either = n_labels[:image] + n_labels[image] - shared
        known = either > 0
        sums[image] = (shared[known] / either[known]).sum()
        pairs[image] = known.sum()
    with np.errstate(invalid="ignore"):
        means = sums.cumsum() / pairs.cumsum()
    return means[np.array(numbers, dtype=int) - 1]
