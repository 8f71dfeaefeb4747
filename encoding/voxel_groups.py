"""Voxels of like weights: the tree of signs of components, and clusters in a dendrogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import linkage
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

POSITIVE, NEGATIVE, SKIPPED = "+", "-", "0"
# a silhouette compares every voxel with every other
SILHOUETTE_SAMPLE = 2000


def sign_tree(
    projections: np.ndarray,
    subjects: np.ndarray,
    depth: int = 4,
    least: int = 5,
    ratio: float = 99,
) -> dict[str, np.ndarray]:
    """Split voxels by the sign of the first component, each half by the second, and so on.

    A split into halves too unequal in some subject is skipped, and the next component tried, as
    in the tree of Wang et al. (2023, Nat Mach Intell).

    Parameters
    ----------
    projections : (voxel, component)
    subjects : (voxel,) labels
    depth : components that split
    least : voxels of each subject that a half has at least
    ratio : largest ratio of the two halves, in each subject

    Returns
    -------
    {branch: (voxel,) bool}; a branch is "" for all, then a sign for each component, "0" where the
    split was skipped: "+0-" are voxels above 0 on the first and below on the third
    """
    everything = np.ones(len(projections), dtype=bool)
    nodes, waiting = {"": everything}, [("", everything)]
    while waiting:
        branch, members = waiting.pop(0)
        if len(branch) >= min(depth, projections.shape[1]):
            continue
        positive = members & (projections[:, len(branch)] > 0)
        halves = {branch + POSITIVE: positive, branch + NEGATIVE: members & ~positive}
        counts = np.array(
            [
                [np.count_nonzero(half[subjects == s]) for s in np.unique(subjects)]
                for half in halves.values()
            ]
        )
        if counts.min() < least or (counts.max(axis=0) > ratio * counts.min(axis=0)).any():
            waiting.append((branch + SKIPPED, members))
        else:
            nodes |= halves
            waiting += halves.items()
    return nodes


@dataclass(frozen=True)
class VoxelClusters:
    """k-means clusters of voxels, and the tree of their centres.

    Attributes
    ----------
    labels : (voxel,) int64
    centres : (cluster, component), of directions
    linkage : (cluster - 1, 4), as scipy.cluster.hierarchy has it, by Ward's criterion
    silhouette : mean over voxels (a sample of them), in [-1, 1]
    """

    labels: np.ndarray
    centres: np.ndarray
    linkage: np.ndarray
    silhouette: float


def directions(projections: np.ndarray) -> np.ndarray:
    """`projections` (voxel, component) scaled to unit length, those of length 0 left.

    The length of a voxel's weights is how well it is predicted; what it prefers is their direction.
    """
    length = np.linalg.norm(projections, axis=1, keepdims=True)
    return np.divide(projections, length, out=np.zeros_like(projections), where=length > 0)


def cluster_voxels(projections: np.ndarray, n_clusters: int, seed: int) -> VoxelClusters:
    """Cluster the directions of `projections` (voxel, component).

    Hierarchical clustering itself would hold the distance of every pair of voxels: k-means makes
    the leaves of the tree.

    Raises
    ------
    ValueError
        Fewer than two clusters, or not more voxels than clusters.
    """
    if not 2 <= n_clusters < len(projections):
        raise ValueError(f"{n_clusters} clusters cannot be made of {len(projections)} voxels")
    rows = directions(projections)
    fitted = KMeans(n_clusters, n_init=10, random_state=seed).fit(rows)
    sample = min(SILHOUETTE_SAMPLE, len(rows))
    silhouette = silhouette_score(rows, fitted.labels_, sample_size=sample, random_state=seed)
    centres = fitted.cluster_centers_
    return VoxelClusters(
        fitted.labels_.astype(np.int64), centres, linkage(centres, "ward"), float(silhouette)
    )


def cluster_agreement(
    projections: Mapping[str, np.ndarray], n_clusters: int, seed: int
) -> dict[str, float]:
    """Compare a subject's own clusters of voxels with those by the other subjects' centres.

    Parameters
    ----------
    projections : {subject: (voxel, component)}

    Returns
    -------
    {subject: adjusted Rand index}, 0 in expectation by chance, 1 for the same clusters; empty with
    a single subject
    """
    found = {}
    for subject, own in projections.items():
        others = [directions(rows) for name, rows in projections.items() if name != subject]
        if not others:
            return {}
        rows = directions(own)
        by_others = KMeans(n_clusters, n_init=10, random_state=seed).fit(np.concatenate(others))
        by_itself = KMeans(n_clusters, n_init=10, random_state=seed).fit(rows)
        found[subject] = float(adjusted_rand_score(by_others.predict(rows), by_itself.labels_))
    return found
