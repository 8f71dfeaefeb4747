"""Principal components of the weights of encoding models, over subjects.

Weights of many voxels, (voxel, feature), span few directions of a feature space. Their principal
components are axes along which voxels differ in what they respond to (Huth et al. 2012, Neuron;
Wang et al. 2023, Nat Mach Intell): a voxel has a projection on a component, an image a score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA


@dataclass(frozen=True)
class WeightComponents:
    """Principal components of encoding weights.

    The sign of a principal component is arbitrary. Here every component points to where the mean
    weights are: images of a positive score drive the average voxel more than those of a negative.

    Attributes
    ----------
    components : (component, feature) float64, orthonormal
    mean : (feature,) float64, of the weights, which were centred by it
    explained : (component,) share of the variance of the weights
    sign_margin : (component,) cosine of component and mean weights, in [0, 1]; the nearer to 0, the
        less the sign rule has to go by
    """

    components: np.ndarray
    mean: np.ndarray
    explained: np.ndarray
    sign_margin: np.ndarray

    def project(self, weights: np.ndarray) -> np.ndarray:
        """(voxel, component) of `weights` (voxel, feature)."""
        return (np.asarray(weights, np.float64) - self.mean) @ self.components.T

    def score(self, features: np.ndarray) -> np.ndarray:
        """(image, component) of `features` (image, feature), scaled as those of the weights."""
        return np.asarray(features, np.float64) @ self.components.T


def best_voxels(reliability: np.ndarray, number: int, least: float) -> np.ndarray:
    """Voxels of the best reliability, which no test response has a part in.

    Parameters
    ----------
    reliability : (voxel,) see `encoding.noise_ceiling`; NaN for voxels that do not count
    number : of voxels, at most
    least : reliability from which on a voxel counts

    Returns
    -------
    (voxel,) int64 indices, best first
    """
    known = np.nan_to_num(reliability, nan=-np.inf)
    order = np.argsort(-known, kind="stable")
    return order[known[order] >= least][:number]


class PermutedResponses:
    """Responses to permuted images, draws side by side, made when they are read.

    A voxel's missing images stay missing, and those that it has are permuted: what a solver can
    share between voxels of the same images it can share between draws.

    Parameters
    ----------
    responses : (image, voxel); NaN where an image is missing
    n_draws : of permutations
    seed : of these
    """

    def __init__(self, responses: np.ndarray, n_draws: int, seed: int) -> None:
        self.responses = responses
        draws = np.random.default_rng(seed).spawn(n_draws)
        self.orders = [draw.permutation(len(responses)) for draw in draws]
        self.shape = len(responses), n_draws * responses.shape[1]

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """(image, column): column draw * voxels + voxel."""
        images, columns = key
        draw, voxel = np.divmod(np.arange(*columns.indices(self.shape[1])), self.responses.shape[1])
        parts = [self._draw(number, voxel[draw == number]) for number in np.unique(draw)]
        return np.hstack([np.empty((len(self.responses), 0), self.responses.dtype), *parts])[images]

    def _draw(self, number: int, voxels: np.ndarray) -> np.ndarray:
        order, values = self.orders[number], self.responses[:, voxels]
        permuted = values[order]
        for column in np.flatnonzero(np.isnan(values).any(axis=0)):
            there = np.isfinite(values[:, column])
            permuted[~there, column] = np.nan
            permuted[there, column] = values[order[there[order]], column]
        return permuted


def exceedance(measured: np.ndarray, permuted: np.ndarray) -> np.ndarray:
    """Compute p = (k + 1) / (B + 1), where k of B permuted draws reach the measured value.

    Parameters
    ----------
    measured : (…)
    permuted : (draw, …)

    Returns
    -------
    (…) float64, one-sided; NaN where `measured` is
    """
    reached = np.count_nonzero(permuted >= measured, axis=0)
    return np.where(np.isnan(measured), np.nan, (reached + 1) / (len(permuted) + 1))


def equal_numbers(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Select the first rows of each subject, as many as the subject with fewest rows has."""
    number = min(map(len, weights.values()))
    return {subject: rows[:number] for subject, rows in weights.items()}


def fit_components(weights: np.ndarray, n_components: int) -> WeightComponents:
    """Principal components of `weights` (voxel, feature), centred over voxels.

    Raises
    ------
    ValueError
        More components than features, or than voxels minus one, or weights that are not finite.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if not np.isfinite(weights).all():
        raise ValueError("weights hold NaN or infinite values")
    most = min(len(weights) - 1, weights.shape[1])
    if n_components > most:
        raise ValueError(f"{n_components} components of {weights.shape} weights; at most {most}")
    # with more voxels than features 20 times as fast as decomposing the weights themselves
    solver = "covariance_eigh" if len(weights) > weights.shape[1] else "full"
    fitted = PCA(n_components, svd_solver=solver).fit(weights)
    components = fix_signs(fitted.components_, fitted.mean_)
    length = np.linalg.norm(fitted.mean_)
    margin = components @ fitted.mean_ / (length or 1.0)
    return WeightComponents(components, fitted.mean_, fitted.explained_variance_ratio_, margin)


def fix_signs(components: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Flip each of `components` (component, feature) that points away from `towards` (feature,)."""
    return np.where(components @ towards < 0, -1.0, 1.0)[:, None] * components


def subspace_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Measure how far the leading 1, 2, … components of two analyses span the same space.

    The mean of cos² of the principal angles: 1 for the same space, in expectation k / features for
    k random directions each.

    Parameters
    ----------
    first, second : (component, feature), the rows of each independent

    Returns
    -------
    (component,) float64, of the first k = 1, 2, … components
    """
    numbers = range(1, len(first) + 1)
    angles = (scipy.linalg.subspace_angles(first[:k].T, second[:k].T) for k in numbers)
    return np.array([np.mean(np.cos(found) ** 2) for found in angles])


def match_components(reference: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Reorder and flip `others` (component, feature) to be like `reference`, one for one.

    Of all pairings it is the one with the largest sum of absolute cosines: components of similar
    variance change their order from one sample to the next.
    """
    cosine = reference @ others.T
    _, order = linear_sum_assignment(-np.abs(cosine))
    signs = np.where(np.diagonal(cosine[:, order]) < 0, -1.0, 1.0)
    return signs[:, None] * others[order]


@dataclass(frozen=True)
class Stability:
    """One subject's own components against those of all other subjects.

    Attributes
    ----------
    subspace : (component,) `subspace_similarity` of the leading 1, 2, … components
    cosine : (component,) of matched components
    correlation : (component,) of the scores of images on matched components
    """

    subspace: np.ndarray
    cosine: np.ndarray
    correlation: np.ndarray


def leave_one_out(
    weights: Mapping[str, np.ndarray], reference: np.ndarray, features: np.ndarray
) -> dict[str, Stability]:
    """Compare the components of a subject's voxels with those of the other subjects' voxels.

    Parameters
    ----------
    weights : {subject: (voxel, feature)}, equal numbers of voxels
    reference : (component, feature) of all subjects; it gives the order of the components
    features : (image, feature) of images whose scores are correlated, scaled

    Returns
    -------
    {subject: stability}; empty with a single subject
    """
    found = {}
    for subject, own_weights in weights.items():
        others = [rows for name, rows in weights.items() if name != subject]
        if not others:
            return {}
        theirs = fit_components(np.concatenate(others), len(reference)).components
        own = fit_components(own_weights, len(reference)).components
        subspace = subspace_similarity(own, theirs)
        theirs = match_components(reference, theirs)
        own = match_components(theirs, own)
        scores = [features @ components.T for components in (own, theirs)]
        found[subject] = Stability(
            subspace, np.einsum("ij,ij->i", own, theirs), _column_correlation(*scores)
        )
    return found


def _column_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    return np.einsum("ij,ij->j", first, second) / scale
