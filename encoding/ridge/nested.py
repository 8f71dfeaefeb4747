"""A model that predicts training images worse than one of fewer bands takes that one over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SCORE = "cv_score"


def take_over(
    own: Mapping[str, np.ndarray], smaller: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Select the best of a model and those nested in it, per voxel, by cross-validated scores.

    Band weights on the simplex can leave bands out, so the candidates of a model include those of
    every model of fewer bands; as the latter have been searched already, their best is compared
    instead. Each voxel then has the pick of a search of all candidates, and its score is nowhere
    below that of a smaller model.

    Parameters
    ----------
    own : {"cv_score": (voxel,), and any other quantity: (..., voxel)} of the model
    smaller : the same of models of fewer bands, as the larger model has them: weights of bands that
        they lack are 0

    Returns
    -------
    quantities of `own`, those of a smaller model where it scores higher; of equal scores the own
    one counts, then the first
    """
    scores = np.array([fit[SCORE] for fit in (own, *smaller)])
    best = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=0)
    taken = {name: np.array(values) for name, values in own.items()}
    for number, fit in enumerate(smaller, start=1):
        better = best == number
        for name, values in taken.items():
            values[..., better] = fit[name][..., better]
    return taken
