"""Variance partitioning: what each feature space explains alone, and what they share."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

MODEL_SEPARATOR = "+"
COMPONENT_SEPARATOR = "&"


def subsets(spaces: Sequence[str]) -> list[tuple[str, ...]]:
    """Every nonempty subset, small ones first, each in the order of `spaces`."""
    sizes = range(1, len(spaces) + 1)
    return [subset for size in sizes for subset in itertools.combinations(spaces, size)]


def model_name(spaces: Iterable[str]) -> str:
    """Name of the encoding model of these feature spaces, `clip+bert`."""
    return MODEL_SEPARATOR.join(spaces)


def component_names(spaces: Sequence[str]) -> list[str]:
    """Names of the components of variance of these feature spaces: `A`, `B`, `A&B`."""
    return [COMPONENT_SEPARATOR.join(subset) for subset in subsets(spaces)]


def partition_variance(
    r2: Mapping[str, np.ndarray], spaces: Sequence[str]
) -> dict[str, np.ndarray]:
    """Commonality analysis of 2 or more feature spaces.

    The part of the variance that exactly the spaces S explain together is, for all spaces K,

        C(S) = Σ over T ⊆ S of (-1)^(|T|+1) R²((K∖S) ∪ T)

    with T = ∅ included and R²(∅) = 0. For two spaces these are unique(A) = R²(AB) - R²(B) and
    shared = R²(A) + R²(B) - R²(AB). The components sum to R² of the joint model. They are signed: a
    negative one is estimation noise, a joint model that overfits, or suppression.

    Parameters
    ----------
    r2 : R² (voxel,) of the model of every nonempty subset, named by `model_name`
    spaces : the feature spaces, in the order of the names

    Returns
    -------
    {"A": unique variance of A, "A&B": shared by exactly A and B, …}, each (voxel,) float64

    Raises
    ------
    ValueError
        A subset's model is missing.
    """
    missing = [model_name(s) for s in subsets(spaces) if model_name(s) not in r2]
    if missing:
        raise ValueError(f"no R² of {', '.join(missing)}: every subset's model is needed")
    found = (_commonality(r2, spaces, shared_by) for shared_by in subsets(spaces))
    return dict(zip(component_names(spaces), found, strict=True))


def _commonality(
    r2: Mapping[str, np.ndarray], spaces: Sequence[str], shared_by: tuple[str, ...]
) -> np.ndarray:
    others = [space for space in spaces if space not in shared_by]
    total = np.zeros_like(np.asarray(r2[model_name(spaces)], dtype=np.float64))
    for chosen in [(), *subsets(shared_by)]:
        members = [space for space in spaces if space in others or space in chosen]
        if members:
            sign = (-1) ** (len(chosen) + 1)
            total += sign * np.asarray(r2[model_name(members)], dtype=np.float64)
    return total


def joint_gain(r2: Mapping[str, np.ndarray], spaces: Sequence[str]) -> np.ndarray:
    """R² of the joint model minus that of the best model of fewer spaces.

    Below 0 a joint model predicts worse than one of its parts: it overfits, or one penalty for all
    does not suit them. The best is picked on the data that score it, so that where the other spaces
    add nothing the gain is a little below 0 by chance alone.

    Parameters
    ----------
    r2 : as in `partition_variance`

    Returns
    -------
    (voxel,) float64, signed; NaN where a model has no score
    """
    *parts, joint = [np.asarray(r2[model_name(s)], dtype=np.float64) for s in subsets(spaces)]
    return joint - np.max(parts, axis=0)


def shortfall(gain: np.ndarray) -> tuple[float, float]:
    """Share of voxels whose gain (see `joint_gain`) is below 0, and how far below these are.

    Returns
    -------
    share, mean : NaN without such voxels
    """
    gain = np.asarray(gain, dtype=np.float64)
    gain = gain[np.isfinite(gain)]
    below = gain[gain < 0]
    share = len(below) / len(gain) if len(gain) else np.nan
    return share, float(-below.mean()) if len(below) else np.nan
