"""Held-out losses of a block of voxels: predictions are made a few at a time and never kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from encoding.factors import Factor
from encoding.gram import Design
from encoding.operands import SQUARES, TILE, Operands

# pairs of voxel and penalty in a matrix product where they are few, voxels in one of the refit; the
# place among them changes with a voxel's neighbours, which does not change its bits as long as the
# product's shape is the same
LANE = 128
# rows of the held-out part taken together: with few, more of a triangular operator's zeros are left
# out, and predictions of many penalties stay in a processor's cache
ROWS = 128
# voxels whose residuals at all penalties are made at a time
MIXED = 32


def fold_losses(
    operands: Operands, index: int, factors: list[Factor], n_alphas: int, whole: Any = None
) -> np.ndarray:
    """Mean squared error of one fold's validation images, (alpha, voxel).

    Parameters
    ----------
    whole : see `Operands.rotated`
    """
    design, arrays = operands.design, operands.design.arrays
    fold = design.folds[index]
    losses = np.full((n_alphas, operands.responses.shape[0]), np.inf, design.dtype)
    for factor in factors:
        projected = operands.rotated(fold, factor, whole)
        target = operands.compressed_target(fold, factor)
        residual = Residual(design, factor, projected, target.rows)
        losses[factor.alpha_indices] = residual.energies() + arrays.to_numpy(target.outside)
    return losses / fold.n_validation


class HeldOut:
    """Losses of one fold at pairs of voxel and penalty; what pairs share is computed once.

    Parameters
    ----------
    whole : see `Operands.rotated`
    """

    def __init__(
        self, operands: Operands, index: int, factors: list[Factor], whole: Any = None
    ) -> None:
        self.design, self.fold = operands.design, operands.design.folds[index]
        self.parts = [
            (
                factor,
                operands.rotated(self.fold, factor, whole),
                operands.compressed_target(self.fold, factor),
            )
            for factor in factors
        ]

    def losses(self, voxels: np.ndarray, alphas: np.ndarray, lane: int) -> np.ndarray:
        """Mean squared error of each pair of a voxel and an index of a penalty, (pair,).

        `lane` pairs are taken together where penalties share a product: the same number for a
        voxel whatever its neighbours are.
        """
        losses = np.empty(len(voxels), self.design.dtype)
        for factor, projected, target in self.parts:
            served = np.flatnonzero(np.isin(alphas, factor.alpha_indices))
            positions = np.searchsorted(factor.alpha_indices, alphas[served])
            energies = self._corrected if factor.corrections else self._predicted
            outside = self.design.arrays.to_numpy(target.outside)[voxels[served]]
            losses[served] = outside + energies(
                factor, projected, target.rows, voxels[served], positions, lane
            )
        return losses / self.fold.n_validation

    def _predicted(
        self,
        factor: Factor,
        projected: Any,
        rows: Any,
        voxels: np.ndarray,
        positions: np.ndarray,
        lane: int,
    ) -> np.ndarray:
        """Squared errors (pair,) of responses `rows`, by operators that predict them."""
        energies = np.empty(len(voxels), factor.dtype)
        for operator, members, shrinkage in factor.shared(positions, self.design.arrays):
            for here in lanes(members, LANE if shrinkage is None else lane):
                left = projected[voxels[here]]
                if shrinkage is not None:
                    left *= shrinkage[positions[here]]
                energies[here] = self._squares(rows[voxels[here]] - left @ operator)
        return energies

    def _corrected(
        self,
        factor: Factor,
        projected: Any,
        rows: Any,
        voxels: np.ndarray,
        positions: np.ndarray,
        lane: int,
    ) -> np.ndarray:
        """`_predicted`, of a deleted fold: all penalties share a product, then each has one."""
        arrays, energies = self.design.arrays, np.empty(len(voxels), factor.dtype)
        predicted = arrays.empty((len(voxels), rows.shape[1]), factor.dtype)
        for operator, members, shrinkage in factor.shared(positions, arrays):
            for here in lanes(members, lane):
                left = projected[voxels[here]] * shrinkage[positions[here]]
                predicted[here] = left @ operator
        for position in np.unique(positions):
            for here in lanes(np.flatnonzero(positions == position), LANE):
                rest = rows[voxels[here]] - predicted[here] @ factor.corrections[position]
                energies[here] = self._squares(rest)
        return energies

    def _squares(self, rest: Any) -> np.ndarray:
        arrays = self.design.arrays
        return arrays.to_numpy(arrays.xp.einsum(SQUARES, rest, rest))


def lanes(members: np.ndarray, lane: int) -> Iterator[np.ndarray]:
    """`lane` members at a time; the last are filled up with some that come twice."""
    for start in range(0, len(members), lane):
        yield np.resize(members[start : start + lane], lane)


def row_parts(n_rows: int) -> list[slice]:
    return [slice(r, min(r + ROWS, n_rows)) for r in range(0, n_rows, ROWS)]


class Residual:
    """‖target - projected @ operator‖² of every voxel, a few at a time: nothing else is kept."""

    def __init__(self, design: Design, factor: Factor, projected: Any, target: Any) -> None:
        self.arrays, self.factor = design.arrays, factor
        self.projected, self.target = projected, target
        self.parts = row_parts(target.shape[1])

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

    def _operator(self, position: int, rows: slice) -> tuple[int, Any]:
        """What predicts these rows, and the first component that does."""
        first = self.factor.first_component(rows)
        return first, self.factor.operator(position, slice(first, None), rows, self.arrays)
