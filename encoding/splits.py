"""Which images test and which validate: folds inside the training images."""

from __future__ import annotations

import numpy as np


def inner_folds(n_images: int, n_folds: int, seed: int) -> np.ndarray:
    """Assign training images to cross-validation folds at random, as evenly as can be.

    Parameters
    ----------
    n_images : number of training images
    n_folds : number of folds, at least 2
    seed : of the shuffle

    Returns
    -------
    (image,) int64, the fold 0…n_folds-1 in which the image validates

    Raises
    ------
    ValueError
        Fewer images than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= n_images:
        raise ValueError(f"{n_folds} folds cannot be made of {n_images} training images")
    order = np.random.default_rng(seed).permutation(n_images)
    folds = np.empty(n_images, dtype=np.int64)
    folds[order] = np.arange(n_images) % n_folds
    return folds
