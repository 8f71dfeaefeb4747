"""Candidates and penalties that are tried on some images, and the candidates' decompositions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoding.ridge.decomposition import Factor, factorise
from encoding.ridge.design import Design, Fold
from encoding.ridge.fold_deletion import delete_fold, deletion_pays
from encoding.ridge.problem import Problem


@dataclass(frozen=True)
class SearchGrid:
    """Candidates and penalties that are tried on the images that some voxels share.

    Attributes
    ----------
    candidates : (candidate, band) weights
    alphas : (alpha,) penalties, ascending
    cholesky : folds are solved for each penalty, instead of an eigendecomposition for all
    deletion : folds are deleted from the decomposition of all images; None: where it costs less
    """

    design: Design
    candidates: np.ndarray
    alphas: np.ndarray
    cholesky: bool = False
    deletion: bool | None = None

    @classmethod
    def of(cls, problem: Problem, design: Design) -> SearchGrid:
        """All candidates of a problem's models, on the images of a design."""
        options = problem.options
        on_gpu = design.arrays.device == "cuda"
        cholesky = on_gpu if options.cholesky is None else options.cholesky
        alphas = np.sort(problem.alphas)
        return cls(design, problem.pool.weights, alphas, cholesky, options.deletion)

    def part(self, candidates: slice) -> SearchGrid:
        """Some of the candidates, and all penalties."""
        return replace(self, candidates=self.candidates[candidates])

    def deletes(self, weights: np.ndarray) -> bool:
        """Whether a candidate's folds, of band weights (band,), are deleted."""
        n_features = len(self.design.columns(weights)[0])
        dual = any(n_features > fold.n_train for fold in self.design.folds)
        if dual or any(self.design.compresses(fold) for fold in self.design.folds):
            return False
        if self.deletion is None:
            return not self.cholesky and deletion_pays(self.design, n_features, len(self.alphas))
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
    grid: SearchGrid,
    of_folds: bool = True,
    of_all: bool = True,
    wholes: Sequence[list[Factor]] = (),
) -> list[CandidateFactors]:
    """Decompose each of the candidates, side by side.

    Parameters
    ----------
    of_folds, of_all : which decompositions are asked for; folds that are deleted from the one of
        all images need it
    wholes : (candidate,) as `decompose_all_images` made them, so that they are not made again
    """
    design = grid.design
    folds = list(design.folds) if of_folds else []
    deleting = [bool(folds) and grid.deletes(row) for row in grid.candidates]
    tasks = []
    for k, deletes in enumerate(deleting):
        tasks += [(k, design.whole)] if (deletes or of_all) and not wholes else []
        tasks += [] if deletes else [(k, fold) for fold in folds]
    held = {(k, -1): whole for k, whole in enumerate(wholes)}
    held |= _factorised(grid, tasks, deleting)
    tasks = [(k, fold) for k, deletes in enumerate(deleting) if deletes for fold in folds]
    found = design.arrays.map(lambda task: delete_fold(design, task[1], held[task[0], -1]), tasks)
    # folds of a candidate are all deleted, or none
    failed = {k for (k, _), factors in zip(tasks, found, strict=True) if not factors}
    held |= {
        (k, design.index(fold)): factors for (k, fold), factors in zip(tasks, found, strict=True)
    }
    tasks = list(itertools.product(sorted(failed), folds))
    held |= _factorised(grid, tasks, deleting)
    return [
        CandidateFactors(
            [held[k, fold] for fold in range(len(folds))],
            without_images(held.get((k, -1), [])),
        )
        for k in range(len(grid.candidates))
    ]


def decompose_all_images(grid: SearchGrid) -> list[list[Factor]]:
    """(candidate,) decompositions of all images, from which folds can be deleted."""
    deleting = [grid.deletes(row) for row in grid.candidates]
    tasks = [(k, grid.design.whole) for k in range(len(grid.candidates))]
    held = _factorised(grid, tasks, deleting)
    return [held[task[0], -1] for task in tasks]


def without_images(factors: list[Factor]) -> list[Factor]:
    """Decompositions without what only the deletion of folds needs."""
    return [replace(factor, images=None) for factor in factors]


def _factorised(
    grid: SearchGrid, tasks: list[tuple[int, Fold]], deleting: list[bool]
) -> dict[tuple[int, int], list[Factor]]:
    """{(candidate, index of fold, -1 of all images): decompositions}, side by side.

    Parameters
    ----------
    tasks : (candidate, fold)
    deleting : of each candidate, whether folds are to be deleted
    """
    design = grid.design
    for fold in [*design.folds, design.whole]:
        wanted = [k for k, other in tasks if other is fold]
        prepare_design(design, grid.candidates[wanted], [fold] if wanted else [])

    def decompose(task: tuple[int, Fold]) -> list[Factor]:
        k, fold = task
        images = deleting[k] and fold is design.whole
        weights = grid.candidates[k]
        return factorise(design, fold, weights, grid.alphas, grid.cholesky, images)

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
