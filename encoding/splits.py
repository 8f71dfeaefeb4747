"""Divisions of images into training, validation and test sets: never finer than an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def inner_folds(
    n_images: int, n_folds: int, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """Assign training images to cross-validation folds at random, as evenly as can be.

    Parameters
    ----------
    n_images : number of training images
    n_folds : number of folds, at least 2
    seed : of the shuffle
    groups : (image,) labels; images of one group validate together

    Returns
    -------
    (image,) int64, the fold 0…n_folds-1 in which the image validates

    Raises
    ------
    ValueError
        Fewer images, or groups of them, than folds, or fewer than two folds.
    """
    if groups is None:
        groups = np.arange(n_images)
    _, group, size = np.unique(groups, return_inverse=True, return_counts=True)
    if not 2 <= n_folds <= len(size):
        what = "training images" if len(size) == n_images else "groups of training images"
        raise ValueError(f"{n_folds} folds cannot be made of {len(size)} {what}")
    order = np.random.default_rng(seed).permutation(len(size))
    fold_of_group, filled = np.empty(len(size), dtype=np.int64), np.zeros(n_folds, dtype=np.int64)
    # large groups first, each into the fold that has least
    for number in order[np.argsort(-size[order], kind="stable")]:
        fold = filled.argmin()
        fold_of_group[number], filled[fold] = fold, filled[fold] + size[number]
    return fold_of_group[group]


def listed_folds(n_images: int, n_folds: int) -> np.ndarray:
    """Folds of neighbouring images, as scikit-learn's `KFold` makes them without a shuffle.

    Returns
    -------
    (image,) int64, as `inner_folds`

    Raises
    ------
    ValueError
        Fewer images than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= n_images:
        raise ValueError(f"{n_folds} folds cannot be made of {n_images} training images")
    sizes = [len(part) for part in np.array_split(np.arange(n_images), n_folds)]
    return np.repeat(np.arange(n_folds), sizes)


def random_test(n_images: int, share: float, seed: int) -> np.ndarray:
    """Hold out a share of the images at random.

    Returns
    -------
    (image,) bool, True for images that test

    Raises
    ------
    ValueError
        The share leaves no image to test or to train on.
    """
    n_test = round(share * n_images)
    if not 0 < n_test < n_images:
        raise ValueError(f"a share of {share} of {n_images} images leaves nothing on one side")
    test = np.zeros(n_images, dtype=bool)
    test[np.random.default_rng(seed).permutation(n_images)[:n_test]] = True
    return test


def cluster_images(features: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Group images that are alike in a feature space, by k-means on z-scored features.

    Parameters
    ----------
    features : (image, feature)

    Returns
    -------
    (image,) int64 cluster of each image

    Raises
    ------
    ValueError
        More clusters than images.
    """
    # here, as importing scikit-learn takes a second, and most splits have no clusters
    from sklearn.cluster import KMeans

    if n_clusters > len(features):
        raise ValueError(f"{n_clusters} clusters cannot be made of {len(features)} images")
    means = KMeans(n_clusters, n_init=1, random_state=seed)
    return means.fit_predict(_scaled(features)).astype(np.int64)


def held_out_clusters(clusters: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Hold out complete clusters, drawn at random until a share of the images is reached.

    What a model has learnt of images that resemble the test images does not help it then
    (Shirakawa et al. 2025, Neural Networks).

    Parameters
    ----------
    clusters : (image,) labels

    Returns
    -------
    (image,) bool, True for images that test

    Raises
    ------
    ValueError
        No cluster would be left to train on.
    """
    labels, sizes = np.unique(clusters, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    reached = np.cumsum(sizes[order])
    n_held_out = int(np.searchsorted(reached, share * len(clusters))) + 1
    if n_held_out >= len(labels):
        raise ValueError(f"a share of {share} of {len(labels)} clusters leaves none to train on")
    return np.isin(clusters, labels[order[:n_held_out]])


def nearest_training(features: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Compute how much each test image resembles the training image that is most like it.

    Near duplicates on both sides of a split flatter every model.

    Parameters
    ----------
    features : (image, feature), z-scored before images are correlated
    test : (image,) bool

    Returns
    -------
    (image,) float32, the largest Pearson correlation over features; NaN for training images, and
    for images whose features do not vary
    """
    patterns = _scaled(features)
    patterns = patterns - patterns.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(patterns, axis=1, keepdims=True)
    patterns = np.divide(patterns, norm, out=np.full_like(patterns, np.nan), where=norm > 0)
    train = patterns[~test]
    train = train[np.isfinite(train).all(axis=1)]
    nearest = np.full(len(features), np.nan, np.float32)
    nearest[test] = (patterns[test] @ train.T).max(axis=1)
    return nearest


def _scaled(features: np.ndarray) -> np.ndarray:
    """Features that vary, z-scored."""
    features = np.asarray(features, dtype=np.float32)
    deviation = features.std(axis=0)
    varies = deviation > 0
    return (features[:, varies] - features[:, varies].mean(axis=0)) / deviation[varies]


def draw_images(candidates: np.ndarray, n_images: int, seed: int) -> np.ndarray:
    """Draw images at random; of one seed, fewer images are among more.

    Parameters
    ----------
    candidates : (image,) bool, those to draw from

    Returns
    -------
    (image,) bool

    Raises
    ------
    ValueError
        There are fewer candidates.
    """
    rows = np.flatnonzero(candidates)
    if n_images > len(rows):
        raise ValueError(f"{n_images} images cannot be drawn of {len(rows)}")
    drawn = np.zeros(len(candidates), dtype=bool)
    drawn[np.random.default_rng(seed).permutation(rows)[:n_images]] = True
    return drawn


def match_sizes(
    subset: np.ndarray, others: Sequence[np.ndarray], test: np.ndarray, seed: int
) -> np.ndarray:
    """Draw of a subset as many training and as many test images as the smallest subset has.

    Scores of encoding models grow with the images that train, and ceilings of tests with those that
    test: subsets of unequal size cannot be compared.

    Parameters
    ----------
    subset : (image,) bool
    others : subsets that it is compared with
    test : (image,) bool, images that test

    Returns
    -------
    (image,) bool, part of `subset`
    """
    drawn = np.zeros_like(subset)
    for side in (test, ~test):
        smallest = min(int(np.count_nonzero(member & side)) for member in (subset, *others))
        drawn |= draw_images(subset & side, smallest, seed)
    return drawn
