"""Cross-validated losses of every candidate and penalty, for a block of voxels.

`exact` scores every penalty by k-fold cross-validation. `windowed` lets generalised
cross-validation (Golub, Heath and Wahba 1979, Technometrics) point at a penalty, for each voxel
and candidate, and scores it and its neighbours by k-fold cross-validation, then the neighbours of
the best, until the best has been scored between two others: where a curve has one minimum, the pick
is that of the exact search. `gcv` takes the closed form's word.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from encoding.arrays import tiled_matmul
from encoding.deletion import delete_fold, deletion_pays
from encoding.factors import Factor, factorise
from encoding.gram import Design, Fold
from encoding.losses import HeldOut, fold_losses
from encoding.operands import TILE, Operands

Search = Literal["exact", "windowed", "gcv"]
# the last to end keeps the others waiting for one task in so many
TASKS_OF_A_WORKER = 8
# of a loss: an end of the window that is as good as the best, up to this, is no end
ROUNDING = 1e-6
SEARCHES: tuple[Search, ...] = ("exact", "windowed", "gcv")


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
    """All decompositions of one candidate: by fold, and of all images (`gcv`, `windowed`)."""

    folds: list[list[Factor]]
    whole: list[Factor]

    @property
    def deleted(self) -> bool:
        """Whether folds are taken from the decomposition of all images; all of them, or none."""
        return any(factor.corrections for factors in self.folds for factor in factors)


def factorise_candidates(
    design: Design, candidates: np.ndarray, alphas: np.ndarray, search: Search, forms: Forms
) -> list[CandidateFactors]:
    """Decompose each of `candidates` (candidate, band) as the search needs, side by side."""
    folds = [] if search == "gcv" else list(design.folds)
    deleting = [bool(folds) and forms.deletes(design, row, len(alphas)) for row in candidates]
    if not all(deleting):
        # first: they keep what all images are then a sum of
        prepare_design(design, candidates[~np.array(deleting)], folds)
    tasks = [
        (k, design.whole) for k, deletes in enumerate(deleting) if deletes or search != "exact"
    ]
    whole = _factorised(design, candidates, alphas, forms, tasks, deleting)
    tasks = [(k, fold) for k, deletes in enumerate(deleting) if deletes for fold in folds]
    found = design.arrays.map(lambda task: delete_fold(design, task[1], whole[task[0], -1]), tasks)
    held = {
        (k, design.index(fold)): factors for (k, fold), factors in zip(tasks, found, strict=True)
    }
    # folds of a candidate are all deleted, or none
    failed = {k for (k, _), factors in held.items() if not factors}
    left = [k for k, deletes in enumerate(deleting) if not deletes or k in failed]
    tasks = list(itertools.product(left, folds))
    held |= _factorised(design, candidates, alphas, forms, tasks, deleting)
    return [
        CandidateFactors(
            [held[k, fold] for fold in range(len(folds))],
            [replace(factor, images=None) for factor in whole.get((k, -1), [])],
        )
        for k in range(len(candidates))
    ]


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
        return factorise(design, fold, candidates[k], alphas, forms.cholesky, images)

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


def search_block(
    operands: Operands,
    candidates: list[CandidateFactors],
    alphas: np.ndarray,
    search: Search,
    task_voxels: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Best penalty of each candidate, for each voxel of the block.

    Parameters
    ----------
    alphas : (alpha,) ascending
    task_voxels : at most so many are taken by a task of the windowed search

    Returns
    -------
    score : (candidate, voxel) float64, minus the mean squared error over validation images,
        averaged over folds; `gcv`: minus its estimate
    alpha : (candidate, voxel) index of the penalty
    """
    operands.prepare(_used(operands.design, candidates))
    across = operands.design.arrays.map
    if search == "exact":
        return _best(_exact(operands, candidates, len(alphas)), alphas)
    if search == "gcv":
        curves = across(
            lambda each: gcv_curve(operands, each.whole, len(alphas), _rotated(operands, each)),
            candidates,
        )
        return _best(np.stack(curves), alphas)
    parts = _parts(operands, len(candidates), task_voxels)
    tasks = list(itertools.product(candidates, parts))
    found = across(lambda task: _descend(operands.part(task[1]), task[0], alphas), tasks)
    return tuple(np.stack(_rows(each, len(parts))) for each in zip(*found, strict=True))


def _used(design: Design, candidates: list[CandidateFactors]) -> list[tuple[Fold, Factor]]:
    used = [(design.whole, factor) for candidate in candidates for factor in candidate.whole]
    for candidate in candidates:
        # by closed form alone no fold is decomposed
        for fold, factors in zip(design.folds, candidate.folds, strict=False):
            used += [(fold, factor) for factor in factors]
    return used


def _exact(operands: Operands, candidates: list[CandidateFactors], n_alphas: int) -> np.ndarray:
    """(candidate, alpha, voxel) float64, averaged over folds."""
    deleted = [k for k, candidate in enumerate(candidates) if candidate.deleted]
    others = [k for k, candidate in enumerate(candidates) if not candidate.deleted]
    losses = np.empty((len(candidates), n_alphas, len(operands.responses)))
    if others:
        losses[others] = _mean_losses(operands, [candidates[k] for k in others], n_alphas)
    # one after another: what their folds share is held once
    for k in deleted:
        whole = _rotated_by_parts(operands, candidates[k].whole[0])
        losses[k] = _mean_losses(operands, [candidates[k]], n_alphas, whole)[0]
    return losses


def _rotated_by_parts(operands: Operands, factor: Factor) -> Any:
    """`Operands.rotated` of all images, parts of voxels side by side."""
    arrays, whole = operands.design.arrays, operands.design.whole
    rotated = arrays.empty((len(operands.responses), len(factor.values)), factor.dtype)

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
    # a deleted fold's operators are made for each part
    parts = _parts(operands, (2 if whole is not None else 1) * len(candidates) * n_folds)

    def of(task: tuple[CandidateFactors, slice, int]) -> np.ndarray:
        candidate, part, fold = task
        shared = None if whole is None else whole[part]
        return fold_losses(operands.part(part), fold, candidate.folds[fold], n_alphas, shared)

    tasks = list(itertools.product(candidates, parts, range(n_folds)))
    losses = operands.design.arrays.map(of, tasks)
    groups = [losses[i : i + n_folds] for i in range(0, len(losses), n_folds)]
    means = [np.mean(group, axis=0, dtype=np.float64) for group in groups]
    return np.array(_rows(means, len(parts)))


def _rows(found: Sequence[np.ndarray], n_parts: int) -> list[np.ndarray]:
    """What was found for each candidate, its parts of voxels side by side."""
    return [np.hstack(found[i : i + n_parts]) for i in range(0, len(found), n_parts)]


def _parts(operands: Operands, n_tasks: int, most: int | None = None) -> list[slice]:
    """Voxels in so many parts that workers, given some tasks for each, end about together."""
    n_tiles = len(operands.responses) // TILE
    wanted = -(-TASKS_OF_A_WORKER * operands.design.arrays.workers // n_tasks)
    tiles = min(-(-n_tiles // min(wanted, n_tiles)), (most or len(operands.responses)) // TILE)
    starts = range(0, n_tiles, tiles)
    return [slice(s * TILE, min(s + tiles, n_tiles) * TILE) for s in starts]


def _descend(
    operands: Operands, candidate: CandidateFactors, alphas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Score and penalty (voxel,) of the minimum that generalised cross-validation leads to."""
    whole = _rotated(operands, candidate)
    curve, end = gcv_curve(operands, candidate.whole, len(alphas), whole), len(alphas) - 1
    folds = [HeldOut(operands, k, factors, whole[0]) for k, factors in enumerate(candidate.folds)]
    del whole
    losses, penalty = np.full(curve.shape, np.inf), np.arange(len(alphas))[:, None]
    # few voxels go far: strides that grow keep the products full
    centre, step = curve.argmin(axis=0), 1
    first, last = np.maximum(centre - 1, 0), np.minimum(centre + 1, end)
    # places without a voxel have nothing to find
    tried = np.broadcast_to(~operands.occupied, curve.shape).copy()
    while (wanted := (first <= penalty) & (penalty <= last) & ~tried).any():
        at, voxels = np.nonzero(wanted)
        found = [fold.losses(voxels, at) for fold in folds]
        losses[at, voxels] = np.mean(found, axis=0, dtype=np.float64)
        tried |= wanted
        good = losses.min(axis=0) * (1 + ROUNDING)
        down = np.take_along_axis(losses, first[None], 0)[0] <= good
        up = np.take_along_axis(losses, last[None], 0)[0] <= good
        first, last = np.maximum(first - step * down, 0), np.minimum(last + step * up, end)
        step *= 2
    score, pick = _best(losses[None], alphas)
    return score[0], pick[0]


def _best(losses: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(candidate, alpha, voxel) to the best score and its penalty; of equals the larger."""
    biased = 1e-10 * np.log(alphas)[:, None] - losses
    alpha = biased.argmax(axis=1)
    return -np.take_along_axis(losses, alpha[:, None], axis=1)[:, 0], alpha


def _rotated(operands: Operands, candidate: CandidateFactors) -> list[Any]:
    """c (voxel, component) by each decomposition of all images."""
    return [operands.rotated(operands.design.whole, factor) for factor in candidate.whole]


def gcv_curve(
    operands: Operands, factors: list[Factor], n_alphas: int, rotated: list[Any]
) -> np.ndarray:
    """Generalised cross-validation's mean squared error, (alpha, voxel) float64.

    GCV(α) = (RSS(α) / n) / (1 - df(α) / n)² with df(α) = Σ L / (L + α), and one more for the
    intercept; infinite where no degree of freedom is left.

    Parameters
    ----------
    rotated : c of each of `factors`, (voxel, component)
    """
    design, arrays = operands.design, operands.design.arrays
    total = arrays.xp.einsum("ij,ij->i", operands.responses, operands.responses)
    curve = np.full((n_alphas, len(total)), np.inf)
    for factor, projected in zip(factors, rotated, strict=True):
        values, penalties = factor.values, factor.alphas[:, None]
        explained = (values + 2 * penalties) / (values + penalties) ** 2
        freedom = (values / (values + penalties)).sum(axis=1) + design.fit_intercept
        squares = projected**2
        weights = arrays.contiguous(arrays.asarray(explained.T, factor.dtype))
        fitted = arrays.to_numpy(tiled_matmul(arrays, squares, weights, TILE)).T
        residual = np.maximum(arrays.to_numpy(total) - fitted.astype(np.float64), 0)
        left = 1 - freedom[:, None] / design.n_images
        with np.errstate(divide="ignore", invalid="ignore"):
            values = residual / design.n_images / left**2
        curve[factor.alpha_indices] = np.where(left > 1e-6, values, np.inf)
    return curve
