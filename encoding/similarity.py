"""Representational similarity of feature spaces and regions.

Similarity of two images is the Pearson correlation of their patterns; two representations agree if
their similarities of all pairs of images do (Kriegeskorte et al. 2008, Front Syst Neurosci).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats
from scipy.stats import rankdata

Measure = Literal["spearman", "pearson", "cosine"]
CORNER = 2.5


def image_similarities(patterns: np.ndarray) -> np.ndarray:
    """Pearson correlation of the patterns of each pair of images.

    Parameters
    ----------
    patterns : (image, dimension), features or voxels

    Returns
    -------
    (pair,) float32, in the order of `scipy.spatial.distance.pdist`; NaN for an image whose pattern
    does not vary

    Raises
    ------
    ValueError
        Fewer than two dimensions, or values that are not finite.
    """
    patterns = np.asarray(patterns, dtype=np.float64)
    if patterns.shape[1] < 2:
        raise ValueError("a correlation needs patterns of two dimensions at least")
    if not np.isfinite(patterns).all():
        raise ValueError("patterns hold NaN or infinite values")
    centred = patterns - patterns.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # the mean of equal values is not exact
    varies = length > 1e-12 * np.abs(patterns).max(axis=1, keepdims=True, initial=0)
    unit = np.divide(centred, length, out=np.full_like(centred, np.nan), where=varies)
    return (unit @ unit.T)[pairs(len(unit))].astype(np.float32)


def pairs(n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second image of each pair."""
    return np.triu_indices(n_images, k=1)


def as_matrix(similarities: np.ndarray, n_images: int) -> np.ndarray:
    """(image, image) with ones on the diagonal, of `similarities` (pair,)."""
    matrix = np.eye(n_images, dtype=similarities.dtype)
    first, second = pairs(n_images)
    matrix[first, second] = matrix[second, first] = similarities
    return matrix


def comparable(similarities: np.ndarray, measure: Measure) -> np.ndarray:
    """Similarities (pair,) made such that their scalar products are the measure.

    `spearman` correlates ranks, `pearson` values; `cosine` does not subtract their mean.
    """
    values = np.asarray(similarities, dtype=np.float64)
    if measure == "spearman":
        values = rankdata(values, nan_policy="propagate")
    if measure != "cosine":
        values = values - values.mean()
    length = np.linalg.norm(values)
    return values / length if length > 0 else np.full_like(values, np.nan)


def compare(similarities: Mapping[str, np.ndarray], measure: Measure) -> np.ndarray:
    """Agreement of each two representations of the same images.

    Parameters
    ----------
    similarities : {representation: (pair,)}

    Returns
    -------
    (representation, representation) float64
    """
    rows = np.array([comparable(values, measure) for values in similarities.values()])
    return rows @ rows.T


def agreement_p(
    similarities: Mapping[str, np.ndarray], measure: Measure, n_permutations: int, seed: int
) -> np.ndarray:
    """Test whether each two representations agree at all, by permuting the images of one.

    Pairs that share an image are not independent, so that images are permuted, not pairs (Mantel
    1967; Nili et al. 2014, PLoS Comput Biol). One-sided, p = (k + 1) / (B + 1) with k of B
    permutations that reach the agreement; all pairs of representations share the permutations.

    Parameters
    ----------
    similarities : {representation: (pair,)} of the same images

    Returns
    -------
    (representation, representation) float64, symmetric; NaN where the agreement is
    """
    rows = np.array([comparable(v, measure) for v in similarities.values()], np.float32)
    n_images = _n_images(rows.shape[1])
    first, second = pairs(n_images)
    place = as_matrix(np.arange(len(first)), n_images)
    # a permutation that changes nothing reaches the agreement up to rounding
    agreement = rows @ rows.T
    generator, reached = np.random.default_rng(seed), np.zeros(agreement.shape)
    for _ in range(n_permutations):
        order = generator.permutation(n_images)
        reached += rows[:, place[order[first], order[second]]] @ rows.T >= agreement - 1e-5
    # of two representations, permuting the one is permuting the other the other way round
    upper = np.triu((reached + 1) / (n_permutations + 1))
    return np.where(np.isfinite(agreement), upper + np.triu(upper, 1).T, np.nan)


def agreement_interval(
    first: np.ndarray, second: np.ndarray, measure: Measure, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the agreement of two representations, for the sampling of images.

    The agreement is a function of means over pairs of images (U-statistics), whose standard error
    the jackknife estimates: each image is left out with all its pairs (Arvesen 1969, Annals of
    Mathematical Statistics). The interval is Student's, on Fisher's z. Ranks of `spearman` are
    those among all pairs. Where two representations have nothing in common the interval is too
    wide, not too narrow.

    Parameters
    ----------
    first, second : similarities (pair,) of the same images
    level : share of intervals that cover

    Returns
    -------
    lower and upper end; NaN with fewer than four images, or where the agreement is NaN
    """
    x, y = (comparable(values, measure) for values in (first, second))
    n = _n_images(len(x))
    if n < 4 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return np.nan, np.nan
    moments = {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}
    left = {name: values.sum() - _by_image(values, n) for name, values in moments.items()}
    n_pairs = len(x) - (n - 1)
    if measure != "cosine":
        for name in ("xx", "yy", "xy"):
            left[name] -= left[name[0]] * left[name[1]] / n_pairs
    r = left["xy"] / np.sqrt(left["xx"] * left["yy"])
    z, whole = (np.arctanh(np.clip(values, -1 + 1e-9, 1 - 1e-9)) for values in (r, x @ y))
    error = np.sqrt((n - 1) / n * np.sum((z - z.mean()) ** 2))
    reach = stats.t.ppf((1 + level) / 2, n - 1) * error
    return float(np.tanh(whole - reach)), float(np.tanh(whole + reach))


def _by_image(values: np.ndarray, n_images: int) -> np.ndarray:
    """Sum (image,) of the values (pair,) of each image's pairs."""
    first, second = pairs(n_images)
    return np.bincount(first, values, n_images) + np.bincount(second, values, n_images)


def _n_images(n_pairs: int) -> int:
    return round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)


@dataclass(frozen=True)
class AgreementCeiling:
    """Agreement that a model could reach, given how far subjects differ.

    Attributes
    ----------
    lower : mean over subjects of the agreement with the mean of all others
    upper : with the mean of all, oneself included
    """

    lower: float
    upper: float


def agreement_ceiling(subjects: list[np.ndarray], measure: Measure) -> AgreementCeiling:
    """Bounds of the mean agreement of any model with subjects (Nili et al. 2014, PLoS Comput Biol).

    Parameters
    ----------
    subjects : for each, similarities (pair,) of the same images

    Returns
    -------
    NaN with fewer than two subjects
    """
    if len(subjects) < 2:
        return AgreementCeiling(np.nan, np.nan)
    rows = np.array([comparable(values, measure) for values in subjects])
    total = rows.sum(axis=0)
    lower = [row @ _unit(total - row) for row in rows]
    return AgreementCeiling(float(np.mean(lower)), float(np.mean(rows @ _unit(total))))


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values)


def corner_pairs(
    first: np.ndarray, second: np.ndarray, percentile: float = CORNER
) -> dict[str, np.ndarray]:
    """Pairs of images on which two representations agree or disagree most.

    Alike are those above the (100 - `percentile`)th percentile of a representation's similarities,
    unlike those below the `percentile`th.

    Parameters
    ----------
    first, second : similarities (pair,) of the same images

    Returns
    -------
    {"both alike", "first alike", "second alike", "both unlike": (pair of the corner,) indices};
    pairs of "first alike" are unlike in the second
    """
    high, low = {}, {}
    for name, values in {"first": first, "second": second}.items():
        bounds = np.percentile(values, [percentile, 100 - percentile])
        low[name], high[name] = values <= bounds[0], values >= bounds[1]
    corners = {
        "both alike": high["first"] & high["second"],
        "first alike": high["first"] & low["second"],
        "second alike": low["first"] & high["second"],
        "both unlike": low["first"] & low["second"],
    }
    return {name: np.flatnonzero(chosen) for name, chosen in corners.items()}


@dataclass(frozen=True)
class CornerSimilarity:
    """Similarity of the pairs of a corner in a brain.

    Attributes
    ----------
    mean, baseline : mean similarity of the corner's pairs, and of all pairs
    p : of the difference, two-sided, by permutation of the images; NaN without pairs
    """

    mean: float
    baseline: float
    p: float


def corner_similarity(
    brain: np.ndarray, chosen: np.ndarray, n_images: int, n_permutations: int, seed: int
) -> CornerSimilarity:
    """Compare the brain's similarity of chosen pairs with that of random pairs.

    Pairs that share an image are not independent, so that images are permuted, not pairs:
    p = (k + 1) / (B + 1).

    Parameters
    ----------
    brain : similarities (pair,)
    chosen : (chosen pair,) indices
    """
    baseline = float(np.mean(brain, dtype=np.float64))
    if not len(chosen):
        return CornerSimilarity(np.nan, baseline, np.nan)
    matrix = as_matrix(brain, n_images)
    first, second = (images[chosen] for images in pairs(n_images))
    difference = matrix[first, second].mean(dtype=np.float64) - baseline
    generator, reached = np.random.default_rng(seed), 0
    for _ in range(n_permutations):
        order = generator.permutation(n_images)
        permuted = matrix[order[first], order[second]].mean(dtype=np.float64) - baseline
        # a permutation that changes nothing reaches it up to rounding
        reached += abs(permuted) >= abs(difference) - 1e-9
    return CornerSimilarity(
        float(difference + baseline), baseline, (reached + 1) / (n_permutations + 1)
    )
