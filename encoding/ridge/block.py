"""A block of voxels, and the products of their responses that all candidates use."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from encoding.ridge.backend import Array, Arrays
from encoding.ridge.decomposition import (
    CholeskyDecomposition,
    Decomposition,
    DeletedFold,
    DualDecomposition,
    FoldDecomposition,
    TriangularDecomposition,
)
from encoding.ridge.design import Design, Fold, without_copy

# voxels that are worked on at a time, so that they stay in a processor's cache
PART = 512
SQUARES = "ij,ij->i"


@dataclass(frozen=True)
class HeldOutResponses:
    """Validation responses of a fold, compressed as its features are.

    Attributes
    ----------
    rows : (voxel, row)
    outside : (voxel,) sum of squares that compression leaves out, in every model's error
    energy : (voxel,) sum of squares of `rows`
    """

    rows: Array
    outside: Array
    energy: Array

    @classmethod
    def of(cls, arrays: Arrays, rows: Array) -> HeldOutResponses:
        """Prepare held-out responses without a component outside of the rows."""
        return cls(rows, arrays.xp.zeros_like(rows[:, 0]), arrays.xp.einsum(SQUARES, rows, rows))

    def compress(self, arrays: Arrays, rotation: Array, dtype: str) -> HeldOutResponses:
        """Rows times `rotation` (row, fewer rows), of orthonormal columns."""
        rows = self.rows @ arrays.asarray(rotation, dtype)
        if rows.shape[1] == self.rows.shape[1]:
            return HeldOutResponses(rows, self.outside, self.energy)
        energy = arrays.xp.einsum(SQUARES, rows, rows)
        return HeldOutResponses(rows, self.outside + (self.energy - energy).clip(0), energy)


class CentredResponses:
    """Responses (voxel, image), centred over all images, and their products with the design.

    Products are computed for all voxels of a block (`prepare`), and used for some (`part`).
    """

    def __init__(self, design: Design, responses: Array) -> None:
        self.design = design
        self._voxels: slice | np.ndarray = slice(None)
        self._responses = responses
        self._cross: dict[str, list[Array]] = {}
        self._targets: dict[tuple[str, int], HeldOutResponses] = {}

    @property
    def responses(self) -> Array:
        """(voxel, image)."""
        return self._responses[self._voxels]

    def prepare(self, decompositions: Iterable[tuple[Fold, FoldDecomposition]]) -> None:
        """Compute what these decompositions take, folds side by side."""
        decompositions = list(decompositions)
        _ = self._sums, self._energy
        for dtype in sorted(
            {f.dtype for _, f in decompositions if not isinstance(f, DualDecomposition)}
        ):
            requested = [self.design.all_images]
            if any(
                f.dtype == dtype and not isinstance(f, DeletedFold) and fold.n_validation
                for fold, f in decompositions
            ):
                requested = [*self.design.folds, self.design.all_images]
            if len(self._cross.get(dtype, [])) < len(requested):
                self._cross[dtype] = self._cross_products(dtype, requested)
        held = {
            (decomposition.dtype, self.design.index(fold))
            for fold, decomposition in decompositions
            if fold.n_validation
        }
        new = sorted(held - self._targets.keys())
        self._targets |= dict(zip(new, self.design.arrays.map(self._target, new), strict=True))

    def part(self, voxels: slice | np.ndarray) -> CentredResponses:
        """Select voxels, with everything that is prepared for them."""
        part, all_voxels = copy.copy(self), np.arange(len(self._responses))
        complete = isinstance(self._voxels, slice) and self._voxels == slice(None)
        part._voxels = voxels if complete else all_voxels[self._voxels][voxels]
        return part

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return len(np.arange(len(self._responses))[self._voxels])

    @property
    def energy(self) -> np.ndarray:
        """Sum of squares of each voxel's responses, (voxel,) float64."""
        return self._energy[self._voxels]

    def operand(self, fold: Fold, decomposition: Decomposition) -> Array:
        """Return the rows to rotate: (voxel, component with weight), or (voxel, training image)."""
        if isinstance(decomposition, DualDecomposition):
            rows = self.design.training(self.responses.T, fold).T
            return self.design.arrays.asarray(rows, decomposition.dtype)
        place = -1 if fold is self.design.all_images else self.design.index(fold)
        cross = self._cross[decomposition.dtype][place][self._voxels]
        return cross[:, without_copy(decomposition.columns)]

    def rotated(
        self, fold: Fold, decomposition: FoldDecomposition, all_images: Array | None = None
    ) -> Array:
        """Compute c of every voxel, (voxel, component).

        Parameters
        ----------
        all_images : that of all images, from which a deleted fold is taken; others need none
        """
        if isinstance(decomposition, DeletedFold):
            return (
                cast(Array, all_images)
                - self.held_out(fold, decomposition).rows @ decomposition.operators.T
            )
        operand = self.operand(fold, decomposition)
        if isinstance(decomposition, CholeskyDecomposition):
            return operand
        return operand @ decomposition.rotation

    def held_out(self, fold: Fold, decomposition: Decomposition) -> HeldOutResponses:
        """Rotate the fold's validation responses as the rows of the decomposition."""
        target = self._targets[decomposition.dtype, self.design.index(fold)]
        target = HeldOutResponses(
            *(values[self._voxels] for values in (target.rows, target.outside, target.energy))
        )
        if not isinstance(decomposition, TriangularDecomposition):
            return target
        return target.compress(self.design.arrays, decomposition.held_rotation, decomposition.dtype)

    def _cross_products(self, dtype: str, fits: list[Fold]) -> list[Array]:
        """YᵀU (voxel, component) of the training images of `fits` minus their means.

        One pass over the images: folds are downdated, as the Grams are, while a part is in cache.
        """
        design, arrays = self.design, self.design.arrays
        images = [*design.parts, *([design.rest] if design.rest.stop else [])]
        components = [arrays.asarray(design.components[part], dtype) for part in images]
        means = [arrays.asarray(fit.mean, dtype) for fit in fits]
        sums = [arrays.asarray(self._training_sums(fit), dtype) for fit in fits]
        shape = len(self._responses), design.n_components
        crosses = [arrays.empty(shape, dtype) for _ in fits]

        def fill(start: int) -> None:
            here = slice(start, start + PART)
            parts = [
                arrays.xp.matmul(arrays.asarray(self._responses[here, part], dtype), rows)
                for part, rows in zip(images, components, strict=True)
            ]
            total = sum(parts[1:], parts[0] + 0)
            for place, (cross, fitted, mean) in enumerate(zip(crosses, sums, means, strict=True)):
                arrays.xp.multiply(fitted[here, None], -mean[None, :], out=cross[here])
                cross[here] += total
                if fits[place] is not design.all_images:
                    cross[here] -= parts[design.index(fits[place])]

        arrays.map(fill, range(0, shape[0], PART))
        return crosses

    @cached_property
    def _energy(self) -> np.ndarray:
        arrays, rows = self.design.arrays, self._responses
        return arrays.to_numpy(arrays.xp.einsum(SQUARES, rows, rows)).astype(np.float64)

    @cached_property
    def _sums(self) -> list[Array]:
        """(voxel,) float64 sum over the images of each fold, then of those that never validate."""
        arrays, design = self.design.arrays, self.design
        images = [*design.parts, design.rest]
        return arrays.map(lambda part: arrays.total(self._responses[:, part]), images)

    def _training_sums(self, fold: Fold) -> Array:
        total = sum(self._sums[1:], self._sums[0])
        return (
            total if fold is self.design.all_images else total - self._sums[self.design.index(fold)]
        )

    def _target(self, key: tuple[str, int]) -> HeldOutResponses:
        dtype, index = key
        design, arrays = self.design, self.design.arrays
        fold = design.folds[index]
        rows = arrays.asarray(self._responses[:, fold.validation], dtype)
        if design.fit_intercept:
            mean = self._training_sums(fold) / fold.n_train
            rows = rows - arrays.asarray(mean, dtype)[:, None]
        target = HeldOutResponses.of(arrays, rows)
        rotation = design.held_out[index].rotation if design.compresses(fold) else None
        return target if rotation is None else target.compress(arrays, rotation, dtype)
