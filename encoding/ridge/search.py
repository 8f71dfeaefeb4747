"""Errors of every candidate and penalty, for a block of voxels.

`exact` scores every penalty of every candidate by k-fold cross-validation. `windowed` lets
generalised cross-validation (`generalised_cross_validation.py`) rule out candidates and point at a
penalty for the others, from where k-fold cross-validation goes on (`windowed.py`); voxels in which
the two disagree are searched exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from encoding.ridge.block import PART, Operands
from encoding.ridge.decomposition import Factor, factorise
from encoding.ridge.design import Design, Fold
from encoding.ridge.fold_deletion import delete_fold, deletion_pays
from encoding.ridge.generalised_cross_validation import gcv_curve
from encoding.ridge.validation_loss import fold_losses

Search = Literal["exact", "windowed"]
# the last to end keeps the others waiting for one task in so many
TASKS_OF_A_WORKER = 8
SEARCHES: tuple[Search, ...] = ("exact", "windowed")


@dataclass(frozen=True)
class Forms:
    """Which decompositions there are.

    Attributes
    ----------
    cholesky : of folds, for each penalty, instead of an eigendecomposition for all
    deletion : folds are deleted from the decomposition of all images; None: where it costs less
    """

    cholesky: bool = False
    deletion: bool | None = None

    def deletes(self, design: Design, weights: np.ndarray, n_alphas: int) -> bool:
        """Whether a candidate's folds, of band weights (band,), are deleted."""
        n_features = len(design.columns(weights)[0])
        dual = any(n_features > fold.n_train for fold in design.folds)
        if dual or any(design.compresses(fold) for fold in design.folds):
            return False
        if self.deletion is None:
            return not self.cholesky and deletion_pays(design, n_features, n_alphas)
        return self.deletion


@dataclass(frozen=True)
class CandidateFactors:
    """All decompositions of one candidate: by fold, and of all images.

    Those of folds are not there where the closed form alone is computed, those of all images where
    it is not.
    """

    folds: list[list[Factor]]
    whole: list[Factor]

    @property
    def deleted(self) -> bool:
        """Whether folds are taken from the decomposition of all images; all of them, or none."""
        return any(factor.corrections for factors in self.folds for factor in factors)


def factorise_candidates(
    design: Design,
    candidates: np.ndarray,
    alphas: np.ndarray,
    forms: Forms,
    of_folds: bool = True,
    of_all: bool = True,
    wholes: Sequence[list[Factor]] = (),
) -> list[CandidateFactors]:
    """Decompose each of `candidates` (candidate, band), side by side.

    Parameters
    ----------
    of_folds, of_all : which decompositions are asked for; folds that are deleted from the one of
        all images need it
    wholes : (candidate,) as `decompose_all_images` made them, so that they are not made again
    """
    folds = list(design.folds) if of_folds else []
    deleting = [bool(folds) and forms.deletes(design, row, len(alphas)) for row in candidates]
    tasks = []
    for k, deletes in enumerate(deleting):
        tasks += [(k, design.whole)] if (deletes or of_all) and not wholes else []
        tasks += [] if deletes else [(k, fold) for fold in folds]
    held = {(k, -1): whole for k, whole in enumerate(wholes)}
    held |= _factorised(design, candidates, alphas, forms, tasks, deleting)
    tasks = [(k, fold) for k, deletes in enumerate(deleting) if deletes for fold in folds]
    found = design.arrays.map(lambda task: delete_fold(design, task[1], held[task[0], -1]), tasks)
    # folds of a candidate are all deleted, or none
    failed = {k for (k, _), factors in zip(tasks, found, strict=True) if not factors}
    held |= {
        (k, design.index(fold)): factors for (k, fold), factors in zip(tasks, found, strict=True)
    }
    tasks = list(itertools.product(sorted(failed), folds))
    held |= _factorised(design, candidates, alphas, forms, tasks, deleting)
    return [
        CandidateFactors(
            [held[k, fold] for fold in range(len(folds))],
            without_images(held.get((k, -1), [])),
        )
        for k in range(len(candidates))
    ]


def decompose_all_images(
    design: Design, candidates: np.ndarray, alphas: np.ndarray, forms: Forms
) -> list[list[Factor]]:
    """(candidate,) decompositions of all images, from which folds can be deleted."""
    deleting = [forms.deletes(design, row, len(alphas)) for row in candidates]
    tasks = [(k, design.whole) for k in range(len(candidates))]
    held = _factorised(design, candidates, alphas, forms, tasks, deleting)
    return [held[task[0], -1] for task in tasks]


def without_images(factors: list[Factor]) -> list[Factor]:
    """Decompositions without what only the deletion of folds needs."""
    return [replace(factor, images=None) for factor in factors]


def _factorised(
    design: Design,
    candidates: np.ndarray,
    alphas: np.ndarray,
    forms: Forms,
    tasks: list[tuple[int, Fold]],
    deleting: list[bool],
) -> dict[tuple[int, int], list[Factor]]:
    """{(candidate, index of fold, -1 of all images): decompositions}, side by side.

    Parameters
    ----------
    tasks : (candidate, fold)
    deleting : of each candidate, whether folds are to be deleted
    """
    for fold in [*design.folds, design.whole]:
        wanted = [k for k, other in tasks if other is fold]
        prepare_design(design, candidates[wanted], [fold] if wanted else [])

    def decompose(task: tuple[int, Fold]) -> list[Factor]:
        k, fold = task
        images = deleting[k] and fold is design.whole
        form = {"cholesky": forms.cholesky, "images": images}
        return factorise(design, fold, candidates[k], alphas, **form)

    factors = design.arrays.map(decompose, tasks)
    places = [-1 if fold is design.whole else design.index(fold) for _, fold in tasks]
    return {
        (task[0], place): found for task, place, found in zip(tasks, places, factors, strict=True)
    }


def prepare_design(design: Design, candidates: np.ndarray, folds: list[Fold]) -> None:
    """What is computed once and kept, before threads ask for it."""
    widths = [columns.stop - columns.start for columns in design.band_slices]
    sizes = (candidates > 0) @ widths
    for fold in folds:
        if (sizes <= fold.n_train).any():
            design.gram(fold)
    if any((sizes > fold.n_train).any() for fold in folds):
        _ = design.kernels
    if any(fold.n_validation for fold in folds):
        _ = design.held


def closed_form_errors(
    operands: Operands,
    candidates: list[CandidateFactors],
    n_alphas: int,
    task_voxels: int | None = None,
) -> np.ndarray:
    """Error by generalised cross-validation, (candidate, alpha, voxel) float64.

    Parameters
    ----------
    task_voxels : at most so many are taken by a task
    """
    whole = operands.design.whole
    operands.prepare((whole, factor) for candidate in candidates for factor in candidate.whole)
    parts = _parts(operands, len(candidates), task_voxels)

    def estimate(task: tuple[CandidateFactors, slice]) -> np.ndarray:
        part, factors = operands.part(task[1]), task[0].whole
        rotated = [part.rotated(whole, factor) for factor in factors]
        return gcv_curve(part, factors, n_alphas, rotated)

    curves = operands.design.arrays.map(estimate, list(itertools.product(candidates, parts)))
    return np.array(_rows(curves, len(parts)))


def used(design: Design, candidates: list[CandidateFactors]) -> Iterator[tuple[Fold, Factor]]:
    """Decompositions of the candidates' folds; of all images too if folds are deleted from it."""
    for candidate in candidates:
        if candidate.deleted:
            yield from ((design.whole, factor) for factor in candidate.whole)
        for fold, factors in zip(design.folds, candidate.folds, strict=True):
            yield from ((fold, factor) for factor in factors)


def exact_errors(
    operands: Operands, candidates: list[CandidateFactors], n_alphas: int
) -> np.ndarray:
    """Mean squared error over validation images, averaged over folds, (candidate, alpha, voxel).

    float64.
    """
    operands.prepare(used(operands.design, candidates))
    deleted = [k for k, candidate in enumerate(candidates) if candidate.deleted]
    others = [k for k, candidate in enumerate(candidates) if not candidate.deleted]
    losses = np.empty((len(candidates), n_alphas, operands.n_voxels))
    if others:
        losses[others] = _mean_losses(operands, [candidates[k] for k in others], n_alphas)
    # one after another: what their folds share is held once
    for k in deleted:
        whole = _rotated_by_parts(operands, candidates[k].whole[0])
        losses[k] = _mean_losses(operands, [candidates[k]], n_alphas, whole)[0]
    return losses


@dataclass(frozen=True)
class Found:
    """What a search found.

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
        """The same of some voxels."""
        return Found(self.score[:, voxels], self.pick[:, voxels], self.exact[voxels])


def search_exactly(
    operands: Operands, candidates: list[CandidateFactors], alphas: np.ndarray
) -> Found:
    """Score every candidate and penalty by k-fold cross-validation."""
    errors = exact_errors(operands, candidates, len(alphas))
    return Found(*best_penalty(errors, alphas), np.ones(errors.shape[2], bool))


def _rotated_by_parts(operands: Operands, factor: Factor) -> Any:
    """`Operands.rotated` of all images, parts of voxels side by side."""
    arrays, whole = operands.design.arrays, operands.design.whole
    rotated = arrays.empty((operands.n_voxels, len(factor.values)), factor.dtype)

    def fill(part: slice) -> None:
        rotated[part] = operands.part(part).rotated(whole, factor)

    arrays.map(fill, _parts(operands, 1))
    return rotated


def _mean_losses(
    operands: Operands, candidates: list[CandidateFactors], n_alphas: int, whole: Any = None
) -> np.ndarray:
    """(candidate, alpha, voxel) float64; tasks are folds and parts of voxels.

    Parameters
    ----------
    whole : c (voxel, component) of all images, if the folds of the candidate are deleted
    """
    n_folds = len(operands.design.folds)
    # what a fold's task makes for itself, it makes for each part
    parts = _parts(operands, (2 if whole is not None else 1) * len(candidates) * n_folds)

    def score(task: tuple[CandidateFactors, slice, int]) -> np.ndarray:
        candidate, part, fold = task
        shared = None if whole is None else whole[part]
        return fold_losses(operands.part(part), fold, candidate.folds[fold], n_alphas, shared)

    tasks = list(itertools.product(candidates, parts, range(n_folds)))
    losses = operands.design.arrays.map(score, tasks)
    groups = [losses[i : i + n_folds] for i in range(0, len(losses), n_folds)]
    means = [np.mean(group, axis=0, dtype=np.float64) for group in groups]
    return np.array(_rows(means, len(parts)))


def _rows(found: Sequence[np.ndarray], n_parts: int) -> list[np.ndarray]:
    """What was found for each candidate, its parts of voxels side by side."""
    return [np.hstack(found[i : i + n_parts]) for i in range(0, len(found), n_parts)]


def _parts(operands: Operands, n_tasks: int, most: int | None = None) -> list[slice]:
    """Voxels in so many parts that workers, given some tasks for each, end about together."""
    n_voxels = operands.n_voxels
    wanted = -(-TASKS_OF_A_WORKER * operands.design.arrays.workers // n_tasks)
    size = min(max(-(-n_voxels // wanted), PART), most or n_voxels)
    return [slice(start, min(start + size, n_voxels)) for start in range(0, n_voxels, size)]


def best_penalty(losses: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(candidate, alpha, voxel) to the best score and its penalty; of equals the larger."""
    biased = 1e-10 * np.log(alphas)[:, None] - losses
    alpha = biased.argmax(axis=1)
    return -np.take_along_axis(losses, alpha[:, None], axis=1)[:, 0], alpha
