"""Candidates and penalties that are tried on some images, and the candidates' decompositions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from encoding.ridge.decompose import decompose_all, decompose_fold
from encoding.ridge.decomposition import (
    AllImagesDecomposition,
    DeletableDecomposition,
    DeletedFold,
    FoldDecomposition,
)
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
        """Select candidates, with all penalties."""
        return replace(self, candidates=self.candidates[candidates])

    def deletes(self, weights: np.ndarray) -> bool:
        """Test whether the folds of a candidate with band weights (band,) are deleted."""
        n_features = len(self.design.columns(weights)[0])
        dual = any(n_features > fold.n_train for fold in self.design.folds)
        if dual or any(self.design.compresses(fold) for fold in self.design.folds):
            return False
        if self.deletion is None:
            return not self.cholesky and deletion_pays(self.design, n_features, len(self.alphas))
        return self.deletion


@dataclass(frozen=True)
class CandidateDecompositions:
    """All decompositions of one candidate: by fold, and of all images.

    Those of folds are not there where the closed form alone is computed, those of all images where
    it is not.
    """

    folds: list[Sequence[FoldDecomposition]]
    all_images: list[AllImagesDecomposition]

    @property
    def deleted(self) -> bool:
        """Test whether folds, all or none, are taken from the decomposition of all images."""
        return any(isinstance(found, DeletedFold) for fold in self.folds for found in fold)


def decompose_candidates(
    grid: SearchGrid,
    of_folds: bool = True,
    of_all: bool = True,
    of_all_images: Sequence[list[AllImagesDecomposition]] = (),
) -> list[CandidateDecompositions]:
    """Decompose each of the candidates, side by side.

    Parameters
    ----------
    of_folds, of_all : which decompositions are requested; folds that are deleted from the one of
        all images need it
    of_all_images : (candidate,) as `decompose_all_images` made them, to be reused
    """
    design = grid.design
    folds = list(design.folds) if of_folds else []
    deleting = [bool(folds) and grid.deletes(row) for row in grid.candidates]
    found = _Decomposed(grid, deleting, dict(enumerate(of_all_images)))
    tasks = []
    for k, deletes in enumerate(deleting):
        tasks += [(k, design.all_images)] if (deletes or of_all) and not of_all_images else []
        tasks += [] if deletes else [(k, fold) for fold in folds]
    found.decompose(tasks)
    # folds of a candidate are all deleted, or none
    failed = found.delete(list(itertools.product(np.flatnonzero(deleting).tolist(), folds)))
    found.decompose(list(itertools.product(sorted(failed), folds)))
    return [
        CandidateDecompositions(
            [found.folds[k, fold] for fold in range(len(folds))],
            without_images(found.of_all_images.get(k, [])),
        )
        for k in range(len(grid.candidates))
    ]


def decompose_all_images(grid: SearchGrid) -> list[list[AllImagesDecomposition]]:
    """(candidate,) decompositions of all images, from which folds can be deleted."""
    found = _Decomposed(grid, [grid.deletes(row) for row in grid.candidates])
    found.decompose([(k, grid.design.all_images) for k in range(len(grid.candidates))])
    return [found.of_all_images[k] for k in range(len(grid.candidates))]


def without_images(decompositions: list[AllImagesDecomposition]) -> list[AllImagesDecomposition]:
    """Decompositions without what only the deletion of folds needs."""
    return [
        found.without_images() if isinstance(found, DeletableDecomposition) else found
        for found in decompositions
    ]


@dataclass(frozen=True)
class _Decomposed:
    """Decompositions of candidates, made side by side.

    Tasks are pairs of a candidate and a fold, which may be that of all images.

    Attributes
    ----------
    deleting : (candidate,) whether folds are to be deleted from that of all images
    of_all_images : {candidate: those of all images}
    folds : {(candidate, index of fold): those of the fold}
    """

    grid: SearchGrid
    deleting: list[bool]
    of_all_images: dict[int, list[AllImagesDecomposition]] = field(default_factory=dict)
    folds: dict[tuple[int, int], Sequence[FoldDecomposition]] = field(default_factory=dict)

    def decompose(self, tasks: list[tuple[int, Fold]]) -> None:
        """Decompose each fold itself."""
        grid, design = self.grid, self.grid.design
        for fold in [*design.folds, design.all_images]:
            requested = [k for k, other in tasks if other is fold]
            prepare_design(design, grid.candidates[requested], [fold] if requested else [])

        def of_task(task: tuple[int, Fold]) -> None:
            k, fold = task
            weights, alphas = grid.candidates[k], grid.alphas
            if fold is design.all_images:
                self.of_all_images[k] = decompose_all(design, weights, alphas, self.deleting[k])
            else:
                found = decompose_fold(design, fold, weights, alphas, grid.cholesky)
                self.folds[k, design.index(fold)] = found

        design.arrays.map(of_task, tasks)

    def delete(self, tasks: list[tuple[int, Fold]]) -> set[int]:
        """Delete each fold from the decomposition of all images; candidates for which one fails."""
        design = self.grid.design
        found = design.arrays.map(
            lambda task: delete_fold(design, task[1], self.of_all_images[task[0]]), tasks
        )
        failed = set()
        for (k, fold), deleted in zip(tasks, found, strict=True):
            if deleted is None:
                failed.add(k)
            else:
                self.folds[k, design.index(fold)] = [deleted]
        return failed


def prepare_design(design: Design, candidates: np.ndarray, folds: list[Fold]) -> None:
    """Compute the shared parts of a design once, before threads use them."""
    widths = [columns.stop - columns.start for columns in design.band_slices]
    sizes = (candidates > 0) @ widths
    for fold in folds:
        if (sizes <= fold.n_train).any():
            design.gram(fold)
    if any((sizes > fold.n_train).any() for fold in folds):
        _ = design.kernels
    if any(fold.n_validation for fold in folds):
        _ = design.held_out
