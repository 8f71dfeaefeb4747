"""Held-out losses of a block of voxels: predictions are made a few at a time and never kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from encoding.arrays import Arrays
from encoding.factors import Factor
from encoding.gram import Design
from encoding.operands import SQUARES, TILE, Operands, Target

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


@dataclass(frozen=True)
class Pairs:
    """Pairs of a voxel and one of a decomposition's penalties.

    Attributes
    ----------
    voxels, positions : (pair,) indices of voxels and of penalties
    lane : pairs that are taken together where penalties share a product: the same number for a
        voxel whatever its neighbours are
    """

    voxels: np.ndarray
    positions: np.ndarray
    lane: int

    def of_a_penalty(self) -> Iterator[tuple[int, np.ndarray]]:
        """(penalty, pairs), some of them twice to fill up."""
        for position in np.unique(self.positions):
            for here in lanes(np.flatnonzero(self.positions == position), LANE):
                yield position, here


@dataclass(frozen=True)
class HeldOutPart:
    """Of one decomposition of a fold: c (voxel, component) and the responses it predicts."""

    arrays: Arrays
    factor: Factor
    projected: Any
    target: Target

    def errors(self, pairs: Pairs) -> np.ndarray:
        """Squared errors (pair,)."""
        outside = self.arrays.to_numpy(self.target.outside)[pairs.voxels]
        return outside + (self._corrected if self.factor.corrections else self._predicted)(pairs)

    def _predicted(self, pairs: Pairs) -> np.ndarray:
        """By operators that predict `target`."""
        energies = np.empty(len(pairs.voxels), self.factor.dtype)
        for operator, members, shrinkage in self.factor.shared(pairs.positions, self.arrays):
            for here in lanes(members, LANE if shrinkage is None else pairs.lane):
                left = self.projected[pairs.voxels[here]]
                if shrinkage is not None:
                    left *= shrinkage[pairs.positions[here]]
                energies[here] = self._squares(pairs.voxels[here], left @ operator)
        return energies

    def _corrected(self, pairs: Pairs) -> np.ndarray:
        """`_predicted`, of a deleted fold: all penalties share a product, then each has one."""
        factor, n_rows = self.factor, self.target.rows.shape[1]
        energies = np.empty(len(pairs.voxels), factor.dtype)
        predicted = self.arrays.empty((len(pairs.voxels), n_rows), factor.dtype)
        for operator, members, shrinkage in factor.shared(pairs.positions, self.arrays):
            for here in lanes(members, pairs.lane):
                left = self.projected[pairs.voxels[here]] * shrinkage[pairs.positions[here]]
                predicted[here] = left @ operator
        for position, here in pairs.of_a_penalty():
            corrected = predicted[here] @ factor.corrections[position]
            energies[here] = self._squares(pairs.voxels[here], corrected)
        return energies

    def _squares(self, voxels: np.ndarray, predicted: Any) -> np.ndarray:
        rest = self.target.rows[voxels] - predicted
        return self.arrays.to_numpy(self.arrays.xp.einsum(SQUARES, rest, rest))


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
            HeldOutPart(
                self.design.arrays,
                factor,
                operands.rotated(self.fold, factor, whole),
                operands.compressed_target(self.fold, factor),
            )
            for factor in factors
        ]

    def losses(self, voxels: np.ndarray, alphas: np.ndarray, lane: int) -> np.ndarray:
        """Mean squared error of each pair of a voxel and an index of a penalty, (pair,).

        `lane` is that of `Pairs`.
        """
        losses = np.empty(len(voxels), self.design.dtype)
        for part in self.parts:
            own = part.factor.alpha_indices
            served = np.flatnonzero(np.isin(alphas, own))
            positions = np.searchsorted(own, alphas[served])
            losses[served] = part.errors(Pairs(voxels[served], positions, lane))
        return losses / self.fold.n_validation


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
