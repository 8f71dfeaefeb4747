"""Errors of every candidate and penalty, for a block of voxels.

`exact` scores every penalty of every candidate by k-fold cross-validation. `windowed` lets
generalised cross-validation (`generalised_cross_validation.py`) rule out candidates and point at a
penalty for the others, from where k-fold cross-validation goes on (`windowed.py`); voxels in which
the two disagree are searched exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from encoding.ridge.backend import Array
from encoding.ridge.block import PART, CentredResponses
from encoding.ridge.decomposition import AllImagesDecomposition, FoldDecomposition
from encoding.ridge.design import Design, Fold
from encoding.ridge.generalised_cross_validation import gcv_curve
from encoding.ridge.grid import CandidateDecompositions
from encoding.ridge.validation_loss import fold_losses

# the last to end keeps the others waiting for one task in so many
TASKS_OF_A_WORKER = 8


def closed_form_errors(
    centred: CentredResponses,
    candidates: list[CandidateDecompositions],
    n_alphas: int,
    task_voxels: int | None = None,
) -> np.ndarray:
    """Error by generalised cross-validation, (candidate, alpha, voxel) float64.

    Parameters
    ----------
    task_voxels : at most so many are taken by a task
    """
    all_images = centred.design.all_images
    centred.prepare(
        (all_images, decomposition)
        for candidate in candidates
        for decomposition in candidate.all_images
    )
    parts = _parts(centred, len(candidates), task_voxels)

    def estimate(task: tuple[CandidateDecompositions, slice]) -> np.ndarray:
        part, decompositions = centred.part(task[1]), task[0].all_images
        rotated = [part.rotated(all_images, decomposition) for decomposition in decompositions]
        return gcv_curve(part, decompositions, n_alphas, rotated)

    curves = centred.design.arrays.map(estimate, list(itertools.product(candidates, parts)))
    return np.array(_rows(curves, len(parts)))


def used(
    design: Design, candidates: list[CandidateDecompositions]
) -> Iterator[tuple[Fold, FoldDecomposition]]:
    """Decompositions of the candidates' folds; of all images too if folds are deleted from it."""
    for candidate in candidates:
        if candidate.deleted:
            yield from (
                (design.all_images, decomposition) for decomposition in candidate.all_images
            )
        for fold, decompositions in zip(design.folds, candidate.folds, strict=True):
            yield from ((fold, decomposition) for decomposition in decompositions)


def exact_errors(
    centred: CentredResponses, candidates: list[CandidateDecompositions], n_alphas: int
) -> np.ndarray:
    """Mean squared error over validation images, averaged over folds, (candidate, alpha, voxel).

    float64.
    """
    centred.prepare(used(centred.design, candidates))
    deleted = [k for k, candidate in enumerate(candidates) if candidate.deleted]
    others = [k for k, candidate in enumerate(candidates) if not candidate.deleted]
    losses = np.empty((len(candidates), n_alphas, centred.n_voxels))
    if others:
        losses[others] = _mean_losses(centred, [candidates[k] for k in others], n_alphas)
    # one after another: what their folds share is held once
    for k in deleted:
        all_images = _rotated_by_parts(centred, candidates[k].all_images[0])
        losses[k] = _mean_losses(centred, [candidates[k]], n_alphas, all_images)[0]
    return losses


@dataclass(frozen=True)
class Found:
    """Result of a search.

    Attributes
    ----------
    score : (candidate, voxel) float64, minus the mean squared error over validation images,
        averaged over folds, at the best penalty; minus infinity if the candidate was ruled out
    pick : (candidate, voxel) index of the best penalty
    exact : (voxel,) whether every candidate and penalty was scored
    """

    score: np.ndarray
    pick: np.ndarray
    exact: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Found:
        """Nothing is scored."""
        return cls(np.full(shape, -np.inf), np.zeros(shape, np.int32), np.zeros(shape[1], bool))

    def fill(self, here: tuple[slice, np.ndarray], found: Found) -> None:
        """Put in what was found of some candidates and voxels."""
        self.score[here], self.pick[here] = found.score, found.pick
        self.exact[here[1]] = found.exact

    def of(self, voxels: np.ndarray) -> Found:
        """Select voxels."""
        return Found(self.score[:, voxels], self.pick[:, voxels], self.exact[voxels])


def search_exactly(
    centred: CentredResponses, candidates: list[CandidateDecompositions], alphas: np.ndarray
) -> Found:
    """Score every candidate and penalty by k-fold cross-validation."""
    errors = exact_errors(centred, candidates, len(alphas))
    return Found(*best_penalty(errors, alphas), np.ones(errors.shape[2], bool))


def _rotated_by_parts(centred: CentredResponses, decomposition: AllImagesDecomposition) -> Array:
    """`CentredResponses.rotated` of all images, parts of voxels side by side."""
    arrays, all_images = centred.design.arrays, centred.design.all_images
    rotated = arrays.empty((centred.n_voxels, len(decomposition.values)), decomposition.dtype)

    def fill(part: slice) -> None:
        rotated[part] = centred.part(part).rotated(all_images, decomposition)

    arrays.map(fill, _parts(centred, 1))
    return rotated


def _mean_losses(
    centred: CentredResponses,
    candidates: list[CandidateDecompositions],
    n_alphas: int,
    all_images: Array | None = None,
) -> np.ndarray:
    """(candidate, alpha, voxel) float64; tasks are folds and parts of voxels.

    Parameters
    ----------
    all_images : c (voxel, component) of all images, if the folds of the candidate are deleted
    """
    n_folds = len(centred.design.folds)
    # what a fold's task makes for itself, it makes for each part
    parts = _parts(centred, (2 if all_images is not None else 1) * len(candidates) * n_folds)

    def score(task: tuple[CandidateDecompositions, slice, int]) -> np.ndarray:
        candidate, part, fold = task
        shared = None if all_images is None else all_images[part]
        return fold_losses(centred.part(part), fold, candidate.folds[fold], n_alphas, shared)

    tasks = list(itertools.product(candidates, parts, range(n_folds)))
    losses = centred.design.arrays.map(score, tasks)
    groups = [losses[i : i + n_folds] for i in range(0, len(losses), n_folds)]
    means = [np.asarray(np.mean(group, axis=0, dtype=np.float64)) for group in groups]
    return np.array(_rows(means, len(parts)))


def _rows(found: Sequence[np.ndarray], n_parts: int) -> list[np.ndarray]:
    """Join the voxel parts of what was found for each candidate."""
    return [np.hstack(found[i : i + n_parts]) for i in range(0, len(found), n_parts)]


def _parts(centred: CentredResponses, n_tasks: int, most: int | None = None) -> list[slice]:
    """Voxels in so many parts that workers, given some tasks for each, end about together."""
    n_voxels = centred.n_voxels
    n_parts = -(-TASKS_OF_A_WORKER * centred.design.arrays.workers // n_tasks)
    size = min(max(-(-n_voxels // n_parts), PART), most or n_voxels)
    return [slice(start, min(start + size, n_voxels)) for start in range(0, n_voxels, size)]


def best_penalty(losses: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(candidate, alpha, voxel) to the best score and its penalty; of equals the larger."""
    biased = 1e-10 * np.log(alphas)[:, None] - losses
    alpha = biased.argmax(axis=1)
    return -np.take_along_axis(losses, alpha[:, None], axis=1)[:, 0], alpha
