"""Held-out losses of a block of voxels: predictions are made a few at a time and never kept.

Where all penalties are predicted, a QR of the operator, B = O R (see `decomposition.py`), leaves
‖Oᵀy_v - R L (L + α)⁻¹ c‖² with R upper triangular. Row i takes the components from i on alone: half
of each product need not be done, and these components' shrinkage has fewer independent curves, so
that predictions at fewer penalties make up all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from encoding.ridge.backend import Array, Arrays
from encoding.ridge.block import PART, SQUARES, CentredResponses, HeldOutResponses
from encoding.ridge.decomposition import (
    Decomposition,
    DeletedFold,
    FoldDecomposition,
    TriangularDecomposition,
)

# rows of the held-out part taken together, at most and at least: with few, more of a triangular
# operator's zeros are left out, and predictions of many penalties stay in a processor's cache
ROWS, FEWEST_ROWS = 128, 32
# voxels for each held-out row, from which on a QR saves more than it costs
QR_PAYS = 0.5
# voxels whose residuals at all penalties are made at a time
MIXED = 32


def fold_losses(
    centred: CentredResponses,
    index: int,
    decompositions: Sequence[FoldDecomposition],
    n_alphas: int,
    all_images: Array | None = None,
) -> np.ndarray:
    """Mean squared error of one fold's validation images, (alpha, voxel).

    Parameters
    ----------
    all_images : see `CentredResponses.rotated`
    """
    design, arrays = centred.design, centred.design.arrays
    fold = design.folds[index]
    losses = np.full((n_alphas, centred.n_voxels), np.inf, design.dtype)
    for decomposition in decompositions:
        projected = centred.rotated(fold, decomposition, all_images)
        n_rows = min(fold.n_validation, len(decomposition.columns))
        predicting: Decomposition = decomposition
        if centred.n_voxels >= QR_PAYS * n_rows:
            predicting = decomposition.triangular(arrays)
        target = centred.held_out(fold, predicting)
        residual = Residual(arrays, predicting, projected, target.rows)
        losses[decomposition.alpha_indices] = residual.energies() + arrays.to_numpy(target.outside)
    return losses / fold.n_validation


@dataclass(frozen=True)
class HeldOutPart:
    """One decomposition of a fold: c (voxel, component) and the responses it predicts."""

    arrays: Arrays
    decomposition: Decomposition
    projected: Array
    target: HeldOutResponses

    def errors(self, voxels: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Squared errors of pairs of a voxel and one of the decomposition's penalties, (pair,)."""
        energies = np.empty(len(voxels), self.decomposition.dtype)
        # pairs of a penalty are neighbours: they share a correction
        order = np.argsort(positions, kind="stable")
        for here in np.split(order, range(PART, len(order), PART)):
            projected = self.projected[voxels[here]]
            predicted = self.decomposition.predicted(projected, positions[here], self.arrays)
            rest = self.target.rows[voxels[here]] - predicted
            energies[here] = self.arrays.to_numpy(self.arrays.xp.einsum(SQUARES, rest, rest))
        return energies + self.arrays.to_numpy(self.target.outside)[voxels]


class HeldOut:
    """Losses of one fold at pairs of voxel and penalty; what pairs share is computed once.

    Parameters
    ----------
    all_images : see `CentredResponses.rotated`
    """

    def __init__(
        self,
        centred: CentredResponses,
        index: int,
        decompositions: Sequence[FoldDecomposition],
        all_images: Array | None = None,
    ) -> None:
        self.design, self.fold = centred.design, centred.design.folds[index]
        self.parts = [
            HeldOutPart(
                self.design.arrays,
                decomposition,
                centred.rotated(self.fold, decomposition, all_images),
                centred.held_out(self.fold, decomposition),
            )
            for decomposition in decompositions
        ]

    def losses(self, voxels: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        """Mean squared error of each pair of a voxel and an index of a penalty, (pair,)."""
        losses = np.empty(len(voxels), self.design.dtype)
        for part in self.parts:
            own = part.decomposition.alpha_indices
            served = np.flatnonzero(np.isin(alphas, own))
            if not len(served):
                continue
            positions = np.searchsorted(own, alphas[served])
            losses[served] = part.errors(voxels[served], positions)
        return losses / self.fold.n_validation


@dataclass(frozen=True)
class Residual:
    """Squared errors of every voxel at all penalties; predictions of a few at a time are held.

    Attributes
    ----------
    decomposition : in its triangular form, unless of few voxels
    projected : c (voxel, component)
    target : (voxel, row)
    """

    arrays: Arrays
    decomposition: Decomposition
    projected: Array
    target: Array

    def energies(self) -> np.ndarray:
        """(alpha, voxel) for all of the decomposition's penalties."""
        n_voxels = len(self.target)
        parts = [slice(v, min(v + PART, n_voxels)) for v in range(0, n_voxels, PART)]
        if isinstance(self.decomposition, DeletedFold):
            return np.hstack([self._corrected(self.decomposition, here) for here in parts])
        return np.hstack([self._direct(here) for here in parts])

    def _direct(self, here: slice) -> np.ndarray:
        """Squared errors (alpha, voxel) of predictions that need no correction.

        The target is mixed with the predictions, as one more part.
        """
        energies = np.zeros(
            (len(self.decomposition.alphas), here.stop - here.start), self.decomposition.dtype
        )
        for rows, mixing, parts in self._parts(here):
            mixing = np.hstack([-mixing, np.ones((len(mixing), 1))])
            parts[-1] = self.target[here, rows]
            for some, rest in self._mixed(mixing, parts):
                squares = self.arrays.xp.einsum("avr,avr->av", rest, rest)
                energies[:, some] += self.arrays.to_numpy(squares)
        return energies

    def _corrected(self, deleted: DeletedFold, here: slice) -> np.ndarray:
        """Squared errors (alpha, voxel) of predictions corrected by a matrix for each penalty."""
        target = self.target[here]
        predicted = self.arrays.empty(
            (len(self.decomposition.alphas), *target.shape), self.decomposition.dtype
        )
        for rows, mixing, parts in self._parts(here):
            for some, values in self._mixed(mixing, parts[:-1]):
                predicted[:, some, rows] = values
        energies = []
        for values, correction in zip(predicted, deleted.corrections, strict=True):
            rest = target - values @ correction
            energies.append(self.arrays.to_numpy(self.arrays.xp.einsum(SQUARES, rest, rest)))
        return np.array(energies)

    def _parts(self, here: slice) -> Iterator[tuple[slice, np.ndarray, Array]]:
        """Rows, (alpha, part) of mixing, and predictions (part, voxel, row) with room for one more.

        Predictions of all penalties are mixtures of these.
        """
        n_rows, start = self.target.shape[1], 0
        while start < n_rows:
            rows = slice(start, min(start + min(max(start, FEWEST_ROWS), ROWS), n_rows))
            first = start if isinstance(self.decomposition, TriangularDecomposition) else 0
            chosen, mixing = self.decomposition.basis(first)
            shape = len(chosen) + 1, here.stop - here.start, rows.stop - start
            parts = self.arrays.empty(shape, self.decomposition.dtype)
            for part, position in zip(parts, chosen, strict=False):
                operator = self.decomposition.operator(
                    position, slice(first, None), rows, self.arrays
                )
                self.arrays.xp.matmul(self.projected[here, first:], operator, out=part)
            yield rows, mixing, parts
            start = rows.stop

    def _mixed(self, mixing: np.ndarray, parts: Array) -> Iterator[tuple[slice, Array]]:
        """Yield voxels and mixing @ parts (alpha, voxel, row), few at a time to stay in cache."""
        _, n_voxels, n_rows = parts.shape
        flat = parts.reshape(len(parts), n_voxels * n_rows)
        shares = self.arrays.asarray(mixing, self.decomposition.dtype)
        for start in range(0, n_voxels, MIXED):
            some = slice(start, min(start + MIXED, n_voxels))
            mixed = shares @ flat[:, some.start * n_rows : some.stop * n_rows]
            yield some, mixed.reshape(len(mixing), some.stop - some.start, n_rows)
