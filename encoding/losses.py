"""Held-out losses of a block of voxels: predictions are made a few at a time and never kept.

Where all penalties are predicted, a QR of the operator, B = O R (see `encoding.factors`), leaves
‖Oᵀy_v - R L (L + α)⁻¹ c‖² with R upper triangular: half of each product need not be done, which
pays for Oᵀy_v.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from encoding.arrays import Arrays
from encoding.factors import Factor
from encoding.gram import Design
from encoding.operands import PART, SQUARES, Operands, Target

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
    losses = np.full((n_alphas, operands.n_voxels), np.inf, design.dtype)
    for factor in factors:
        projected = operands.rotated(fold, factor, whole)
        target, triangular = operands.target(fold, factor), factor.can_be_triangular
        if triangular:
            rotation, triangle = arrays.thin_qr(factor.operators.T)
            target = target.compress(arrays, rotation, factor.dtype)
            factor = replace(factor, operators=triangle.T)
        residual = Residual(design, factor, projected, target.rows, triangular)
        losses[factor.alpha_indices] = residual.energies() + arrays.to_numpy(target.outside)
    return losses / fold.n_validation


@dataclass(frozen=True)
class HeldOutPart:
    """One decomposition of a fold: c (voxel, component) and the responses it predicts."""

    arrays: Arrays
    factor: Factor
    projected: Any
    target: Target

    def errors(self, voxels: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Squared errors of pairs of a voxel and one of the decomposition's penalties, (pair,)."""
        energies = np.empty(len(voxels), self.factor.dtype)
        for here, predicted in self._predictions(voxels, positions):
            rest = self.target.rows[voxels[here]] - predicted
            energies[here] = self.arrays.to_numpy(self.arrays.xp.einsum(SQUARES, rest, rest))
        return energies + self.arrays.to_numpy(self.target.outside)[voxels]

    def _predictions(
        self, voxels: np.ndarray, positions: np.ndarray
    ) -> Iterator[tuple[np.ndarray, Any]]:
        """Indices of pairs, and their predictions (pair, row).

        Penalties share a product with the operator; Cholesky's operators and the corrections of
        deleted folds are each of one penalty.
        """
        factor = self.factor
        apart = isinstance(factor.operators, list) or factor.corrections is not None
        shrinkage = None
        if not isinstance(factor.operators, list):
            shrinkage = self.arrays.asarray(factor.shrinkage(factor.alphas), factor.dtype)
        for position in np.unique(positions) if apart else [None]:
            members = np.flatnonzero(positions == position) if apart else np.arange(len(voxels))
            for start in range(0, len(members), PART):
                here = members[start : start + PART]
                left = self.projected[voxels[here]]
                if shrinkage is None:
                    yield here, left @ factor.operators[position]
                    continue
                left *= shrinkage[positions[here]]
                predicted = left @ factor.operators
                if apart:
                    predicted = predicted @ factor.corrections[position]
                yield here, predicted


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
                operands.target(self.fold, factor),
            )
            for factor in factors
        ]

    def losses(self, voxels: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        """Mean squared error of each pair of a voxel and an index of a penalty, (pair,)."""
        losses = np.empty(len(voxels), self.design.dtype)
        for part in self.parts:
            own = part.factor.alpha_indices
            served = np.flatnonzero(np.isin(alphas, own))
            positions = np.searchsorted(own, alphas[served])
            losses[served] = part.errors(voxels[served], positions)
        return losses / self.fold.n_validation


class Residual:
    """‖target - projected @ operator‖² of every voxel, a few at a time: nothing else is kept.

    Parameters
    ----------
    triangular : whether the factor's operators are lower triangular
    """

    def __init__(
        self, design: Design, factor: Factor, projected: Any, target: Any, triangular: bool
    ) -> None:
        self.arrays, self.factor, self.triangular = design.arrays, factor, triangular
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
            for start in range(0, energies.shape[1], PART):
                here = slice(start, min(start + PART, energies.shape[1]))
                shape = mixing.shape[1], here.stop - start, rows.stop - rows.start
                parts = self.arrays.empty(shape, self.factor.dtype)
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
            rest = rest.reshape(len(mixing), -1, n_rows)
            energies.append(self.arrays.to_numpy(self.arrays.xp.einsum("avr,avr->av", rest, rest)))
        return np.hstack(energies)

    def _operator(self, position: int, rows: slice) -> tuple[int, Any]:
        """What predicts these rows, and the first component that does."""
        first = rows.start if self.triangular else 0
        return first, self.factor.operator(position, slice(first, None), rows, self.arrays)
