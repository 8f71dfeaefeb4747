"""Held-out losses of a block of voxels: predictions are made a few at a time and never kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from encoding.factors import Factor
from encoding.gram import Design
from encoding.operands import SQUARES, TILE, Operands

# decades to either side of the middle of a window
WINDOW = 0.65
# voxels of one window in a matrix product; a voxel's place among them changes with its neighbours,
# which does not change its bits as long as the product's shape is the same
LANE = 128
# rows of the held-out part taken together: with few, more of a triangular operator's zeros are left
# out, and predictions of many penalties stay in a processor's cache
ROWS = 128
# voxels whose residuals at all penalties are made at a time
MIXED = 32


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

    def part(self, voxels: slice) -> Window:
        return Window.of(self.first[voxels], self.last[voxels])

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
        if window is None:
            losses[factor.alpha_indices] = residual.energies()
        else:
            for position, alpha in enumerate(factor.alpha_indices):
                energy = residual.energy(position, window.places(alpha))
                losses[alpha] = _restored(energy, window, alpha)
        losses[factor.alpha_indices] += outside
    return losses / fold.n_validation


def _restored(energy: np.ndarray, window: Window, alpha: int) -> np.ndarray:
    voxels = np.empty_like(energy)
    voxels[window.order] = energy
    return np.where(window.tries(alpha), voxels, np.inf)


class Residual:
    """‖target - projected @ operator‖² of every voxel, a few at a time: nothing else is kept."""

    def __init__(self, design: Design, factor: Factor, projected: Any, target: Any) -> None:
        self.arrays, self.factor = design.arrays, factor
        self.projected, self.target = projected, target
        n_rows = target.shape[1]
        self.parts = [slice(r, min(r + ROWS, n_rows)) for r in range(0, n_rows, ROWS)]

    def energies(self) -> np.ndarray:
        """(alpha, voxel) for all of the factor's penalties; few of them take a product each."""
        chosen, mixing = self.factor.basis
        # the target is a part like another, the residual a mixture of all
        mixing = np.hstack([-mixing, np.ones((len(mixing), 1))])
        mixing = self.arrays.asarray(mixing, self.factor.dtype)
        energies = np.zeros((len(mixing), self.target.shape[0]), self.factor.dtype)
        for rows in self.parts:
            operators = [self._operator(position, rows) for position in chosen]
            shape = mixing.shape[1], TILE, rows.stop - rows.start
            parts = self.arrays.empty(shape, self.factor.dtype)
            for start in range(0, energies.shape[1], TILE):
                here = slice(start, start + TILE)
                for part, (first, operator) in zip(parts, operators, strict=False):
                    self.arrays.xp.matmul(self.projected[here, first:], operator, out=part)
                parts[-1] = self.target[here, rows]
                energies[:, here] += self._mixed(mixing, parts)
        return energies

    def _mixed(self, mixing: Any, parts: Any) -> np.ndarray:
        """Σ over rows of (mixing @ parts)², (alpha, voxel), of parts (part, voxel, row)."""
        _, n_voxels, n_rows = parts.shape
        flat, energies = parts.reshape(len(parts), -1), []
        for start in range(0, n_voxels, MIXED):
            rest = mixing @ flat[:, start * n_rows : (start + MIXED) * n_rows]
            rest = rest.reshape(len(mixing), MIXED, n_rows)
            energies.append(self.arrays.to_numpy(self.arrays.xp.einsum("avr,avr->av", rest, rest)))
        return np.hstack(energies)

    def energy(self, position: int, places: tuple[int, int]) -> np.ndarray:
        """(voxel,) for one penalty at `places`, infinite elsewhere."""
        energy = np.full(self.target.shape[0], np.inf, self.factor.dtype)
        energy[slice(*places)] = 0
        for rows in self.parts if places[0] < places[1] else []:
            first, operator = self._operator(position, rows)
            for start in range(*places, LANE):
                here = slice(start, start + LANE)
                rest = self.target[here, rows] - self.projected[here, first:] @ operator
                energy[here] += self.arrays.to_numpy(self.arrays.xp.einsum(SQUARES, rest, rest))
        return energy

    def _operator(self, position: int, rows: slice) -> tuple[int, Any]:
        """What predicts these rows, and the first component that does."""
        first = rows.start if self.factor.triangular else 0
        return first, self.factor.operator(position, slice(first, None), rows, self.arrays)
