"""Held-out losses of a block of voxels: predictions are made a few at a time and never kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from encoding.factors import Factor
from encoding.gram import Design
from encoding.operands import TILE, Operands

# decades to either side of the middle of a window
WINDOW = 0.65
# voxels of one window in a matrix product; a voxel's place among them changes with its neighbours,
# which does not change its bits as long as the product's shape is the same
LANE = 128
# columns of a triangular operator taken together
TRIANGLE = 128


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
        if window is not None and not any(window.tries(a).any() for a in factor.alpha_indices):
            continue
        projected = operands.rotated(fold, factor)
        target = operands.target(fold, factor)
        if factor.compression is not None:
            target = target.compress(arrays, factor.compression, factor.dtype, operands.tile)
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
