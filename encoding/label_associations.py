"""Labels of images, such as words of their captions, that go with higher or lower responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata


@dataclass(frozen=True)
class LabelAssociations:
    """Association of each label with each response, float64 (label, response).

    Attributes
    ----------
    auc : probability that an image with the label has the higher response than one without it, 0 to
        1; ties count half (area under the receiver operating characteristic curve)
    p : Mann-Whitney test, two-sided, by the normal distribution of rank sums without continuity
        correction
    """

    auc: np.ndarray
    p: np.ndarray


def label_associations(labels: np.ndarray, responses: np.ndarray) -> LabelAssociations:
    """Compare responses to images that have a label with those to images that do not.

    The rank sum of n₁ of n images has the mean n₁ (n + 1) / 2 and the variance
    n₁ (n - n₁) / (n (n - 1)) Σ (rank - mean rank)², with or without ties (Mann & Whitney 1947).

    Parameters
    ----------
    labels : (image, label) 0 or 1; some, but not all images have each label
    responses : (image, response), finite

    Raises
    ------
    ValueError
        Every image has a label, or none has, or a response is the same to all images.
    """
    labels, ranks = np.asarray(labels, np.float64), rankdata(responses, axis=0)
    n, inside = len(labels), labels.sum(axis=0)[:, None]
    outside = n - inside
    spread = ((ranks - (n + 1) / 2) ** 2).sum(axis=0)
    if (inside * outside == 0).any():
        raise ValueError("every label must be that of some, but not of all images")
    if (spread == 0).any():
        raise ValueError("a response is the same to all images")
    rank_sum = labels.T @ ranks
    deviation = np.sqrt(inside * outside / (n * (n - 1)) * spread)
    z = (rank_sum - inside * (n + 1) / 2) / deviation
    auc = (rank_sum - inside * (inside + 1) / 2) / (inside * outside)
    return LabelAssociations(auc, 2 * norm.sf(abs(z)))
