"""Cross-validated losses of every candidate and penalty, for a block of voxels.

`exact` scores every penalty by k-fold cross-validation. `windowed` lets generalised
cross-validation (Golub, Heath and Wahba 1979, Technometrics) point at a penalty, for each voxel
and candidate, and scores those near it by k-fold cross-validation; where the best of them is the
first or last, it goes on. `gcv` takes the closed form's word.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from encoding.arrays import tiled_matmul
from encoding.factors import Factor, factorise
from encoding.gram import Design, Fold
from encoding.operands import TILE, Operands

Search = Literal["exact", "windowed", "gcv"]
SEARCHES: tuple[Search, ...] = ("exact", "windowed", "gcv")
# decades to either side of generalised cross-validation's penalty
WINDOW = 0.65
# voxels of one window in a matrix product
LANE = 128
# columns of a triangular operator taken together
TRIANGLE = 128


@dataclass(frozen=True)
class CandidateFactors:
    """All decompositions of one candidate: by fold, and of all images (`gcv`, `windowed`)."""

    folds: list[list[Factor]]
    whole: list[Factor]


def factorise_candidates(
    design: Design, candidates: np.ndarray, alphas: np.ndarray, search: Search, cholesky: bool
) -> list[CandidateFactors]:
    """Decompose each of `candidates` (candidate, band) as the search needs, side by side."""
    folds = [] if search == "gcv" else list(design.folds)
    whole = [] if search == "exact" else [design.whole]
    prepare_design(design, candidates, [*folds, *whole])
    tasks = list(itertools.product(candidates, [*folds, *whole]))
    factors = design.arrays.map(
        lambda task: factorise(design, task[1], task[0], alphas, cholesky), tasks
    )
    size = len(folds) + len(whole)
    rows = [factors[i : i + size] for i in range(0, len(factors), size)]
    return [CandidateFactors(row[: len(folds)], row[-1] if whole else []) for row in rows]


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
    operands: Operands, candidates: list[CandidateFactors], alphas: np.ndarray, search: Search
) -> tuple[np.ndarray, np.ndarray]:
    """Best penalty of each candidate, for each voxel of the block.

    Parameters
    ----------
    alphas : (alpha,) ascending

    Returns
    -------
    score : (candidate, voxel) float64, minus the mean squared error over validation images,
        averaged over folds; `gcv`: minus its estimate
    alpha : (candidate, voxel) index of the penalty
    """
    design = operands.design
    by_fold = [zip(design.folds, candidate.folds, strict=False) for candidate in candidates]
    used = [(fold, factor) for pairs in by_fold for fold, factors in pairs for factor in factors]
    used += [(design.whole, factor) for candidate in candidates for factor in candidate.whole]
    operands.prepare(used)
    curves = [None] * len(candidates)
    if search != "exact":
        curves = design.arrays.map(
            lambda candidate: gcv_curve(operands, candidate.whole, len(alphas)), candidates
        )
    if search == "gcv":
        return _best(np.stack(curves), alphas)
    windows = [None if curve is None else Window.around(curve, alphas) for curve in curves]
    tasks = [(row, index) for row in range(len(candidates)) for index in range(len(design.folds))]
    losses = design.arrays.map(
        lambda task: fold_losses(
            operands, task[1], candidates[task[0]].folds[task[1]], len(alphas), windows[task[0]]
        ),
        tasks,
    )
    n_folds = len(design.folds)
    means = [
        np.mean(losses[i : i + n_folds], axis=0, dtype=np.float64)
        for i in range(0, len(losses), n_folds)
    ]
    if search == "windowed":
        design.arrays.map(
            lambda row: _slide(operands, candidates[row], means[row], windows[row], alphas),
            range(len(candidates)),
        )
    return _best(np.stack(means), alphas)


def _slide(
    operands: Operands,
    candidate: CandidateFactors,
    losses: np.ndarray,
    window: Window,
    alphas: np.ndarray,
) -> None:
    """Move windows whose best penalty is their first or last, until it is neither.

    `losses` (alpha, voxel) are filled in where they are tried. Where a curve has one minimum, the
    pick is that of the exact search.
    """
    n_folds, first, last = len(candidate.folds), window.first.copy(), window.last.copy()
    while True:
        best = losses.argmin(axis=0)
        down, up = (best == first) & (first > 0), (best == last) & (last < len(alphas) - 1)
        moving = np.flatnonzero(down | up)
        if len(moving) == 0:
            return
        width = Window.reach(alphas)
        old_first, old_last = first[moving], last[moving]
        down = down[moving]
        first[moving] = np.where(down, width[0][old_first], old_first)
        last[moving] = np.where(down, old_last, width[1][old_last])
        new = Window.of(
            np.where(down, first[moving], old_last + 1), np.where(down, old_first - 1, last[moving])
        )
        padded = np.resize(moving, -(-len(moving) // TILE) * TILE)
        part = operands.select(padded)
        window = new.resized(len(padded))
        found = np.mean(
            [
                fold_losses(part, fold, candidate.folds[fold], len(alphas), window)
                for fold in range(n_folds)
            ],
            axis=0,
            dtype=np.float64,
        )[:, : len(moving)]
        losses[:, moving] = np.minimum(losses[:, moving], found)


def _best(losses: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(candidate, alpha, voxel) to the best score and its penalty; of equals the larger."""
    biased = 1e-10 * np.log(alphas)[:, None] - losses
    alpha = biased.argmax(axis=1)
    return -np.take_along_axis(losses, alpha[:, None], axis=1)[:, 0], alpha


def gcv_curve(operands: Operands, factors: list[Factor], n_alphas: int) -> np.ndarray:
    """Generalised cross-validation's mean squared error, (alpha, voxel) float64.

    GCV(α) = (RSS(α) / n) / (1 - df(α) / n)² with df(α) = Σ L / (L + α), and one more for the
    intercept; infinite where no degree of freedom is left.
    """
    design, arrays = operands.design, operands.design.arrays
    total = arrays.xp.einsum("ij,ij->i", operands.responses, operands.responses)
    curve = np.full((n_alphas, len(total)), np.inf)
    for factor in factors:
        values, penalties = factor.values, factor.alphas[:, None]
        explained = (values + 2 * penalties) / (values + penalties) ** 2
        freedom = (values / (values + penalties)).sum(axis=1) + design.fit_intercept
        squares = operands.rotated(design.whole, factor) ** 2
        weights = arrays.contiguous(arrays.asarray(explained.T, factor.dtype))
        fitted = arrays.to_numpy(tiled_matmul(arrays, squares, weights, TILE)).T
        residual = np.maximum(arrays.to_numpy(total) - fitted.astype(np.float64), 0)
        left = 1 - freedom[:, None] / design.n_images
        with np.errstate(divide="ignore", invalid="ignore"):
            values = residual / design.n_images / left**2
        curve[factor.alpha_indices] = np.where(left > 1e-6, values, np.inf)
    return curve


@dataclass(frozen=True)
class Window:
    """Voxels ordered by the penalty in the middle of their window, so that those that try a
    penalty stand side by side.

    Attributes
    ----------
    order : (voxel,) voxel at each place
    first, last : (voxel,) ends of the window, indices of penalties, of each voxel (not place)
    """

    order: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, first: np.ndarray, last: np.ndarray) -> Window:
        return cls(np.argsort(first, kind="stable"), first, last)

    @classmethod
    def around(cls, curve: np.ndarray, alphas: np.ndarray) -> Window:
        """Windows about the least of each voxel's curve (alpha, voxel)."""
        first, last = cls.reach(alphas)
        centre = curve.argmin(axis=0)
        return cls.of(first[centre], last[centre])

    @staticmethod
    def reach(alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last penalty of the window about each; one neighbour at least."""
        decades, index = np.log10(alphas), np.arange(len(alphas))
        first = np.searchsorted(decades, decades - WINDOW - 1e-9)
        last = np.searchsorted(decades, decades + WINDOW + 1e-9) - 1
        first, last = np.minimum(first, index - 1), np.maximum(last, index + 1)
        return np.maximum(first, 0), np.minimum(last, len(alphas) - 1)

    def resized(self, n_voxels: int) -> Window:
        """The first voxels again and again, up to `n_voxels`."""
        return Window.of(np.resize(self.first, n_voxels), np.resize(self.last, n_voxels))

    def places(self, alpha: int) -> tuple[int, int]:
        """Places of the voxels that try this penalty, rounded outwards to whole lanes."""
        tried = np.flatnonzero(self.tries(alpha)[self.order])
        if len(tried) == 0:
            return 0, 0
        return tried[0] // LANE * LANE, -(-(tried[-1] + 1) // LANE) * LANE

    def tries(self, alpha: int) -> np.ndarray:
        return (self.first <= alpha) & (alpha <= self.last)


def fold_losses(
    operands: Operands, index: int, factors: list[Factor], n_alphas: int, window: Window | None
) -> np.ndarray:
    """Mean squared error of one fold's validation images, (alpha, voxel); infinite if not tried."""
    design, arrays = operands.design, operands.design.arrays
    fold = design.folds[index]
    losses = np.full((n_alphas, operands.responses.shape[0]), np.inf, design.dtype)
    for factor in factors:
        projected = operands.rotated(fold, factor)
        target = operands.target(fold, factor)
        if factor.compression is not None:
            target = target.compress(arrays, factor.compression, factor.dtype)
        rows, outside = target.rows, arrays.to_numpy(target.outside)
        if window is not None:
            projected, rows = projected[window.order], rows[window.order]
        residual = Residual(design, factor, projected, rows)
        for position, alpha in enumerate(factor.alpha_indices):
            energy = residual.energy(position, window and window.places(alpha))
            losses[alpha] = energy if window is None else _restored(energy, window, alpha)
            losses[alpha] = (losses[alpha] + outside) / fold.n_validation
    return losses


def _restored(energy: np.ndarray, window: Window, alpha: int) -> np.ndarray:
    voxels = np.empty_like(energy)
    voxels[window.order] = energy
    return np.where(window.tries(alpha), voxels, np.inf)


class Residual:
    """‖target - projected @ operator‖² of every voxel, a few at a time: nothing else is kept."""

    def __init__(self, design: Design, factor: Factor, projected: Any, target: Any) -> None:
        self.design, self.factor = design, factor
        self.projected, self.target = projected, target
        self.scratch = design.arrays.empty((TILE, target.shape[1]), factor.dtype)

    def energy(self, position: int, places: tuple[int, int] | None) -> np.ndarray:
        """(voxel,) for one penalty, at `places` (infinite elsewhere) or at all."""
        arrays = self.design.arrays
        operator = self.factor.operator(position, self.design)
        n_voxels = self.target.shape[0]
        start, stop, step = (0, n_voxels, TILE) if places is None else (*places, LANE)
        energy = np.full(n_voxels, np.inf, self.factor.dtype)
        for first in range(start, stop, step):
            here = slice(first, first + step)
            rest = self.scratch[:step]
            self._predict(self.projected[here], operator, rest)
            arrays.xp.subtract(self.target[here], rest, out=rest)
            energy[here] = arrays.to_numpy(arrays.xp.einsum("ij,ij->i", rest, rest))
        return energy

    def _predict(self, projected: Any, operator: Any, out: Any) -> None:
        matmul = self.design.arrays.xp.matmul
        if not self.factor.triangular:
            matmul(projected, operator, out=out)
            return
        for first in range(0, operator.shape[1], TRIANGLE):
            columns = slice(first, min(first + TRIANGLE, operator.shape[1]))
            matmul(projected[:, first:], operator[first:, columns], out=out[:, columns])
