"""Weights of a model whose penalties and band weights are known: scores are kept, weights are not.

One feature has weights as many as there are voxels: a cortex of 100,000 voxels and a space of 1,024
features are 400 MB. They are refitted on request, a block of voxels at a time, without search: one
Cholesky factorisation for each pair of a candidate and a penalty that some voxel of a block picked.

With components U of unit length, their scales S and D = √γ S (see `design.py`), weights of U are

    (UᵀU + α D⁻²)⁻¹ Uᵀy,    or with more components than images    D² Uᵀ (U D² Uᵀ + α)⁻¹ y

Within a band UᵀU is the identity, up to rounding errors of the Gram matrix that D and α make small.
The first form is therefore diagonal in the widest band w, which is eliminated: what is factorised
has the size of the other bands r. With C = U_rᵀU_w and Λ = 1 + α D_w⁻² it is

    U_rᵀU_r + α D_r⁻² - C Λ⁻¹ Cᵀ

Matrices and their solutions are float64; penalties so small that Gram matrices would lose them are
served by singular values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from encoding.ridge.backend import Array, Arrays, matmul_precision
from encoding.ridge.block import PART
from encoding.ridge.decompose import SMALLEST_IN_GRAM, decompose_by_singular_values
from encoding.ridge.design import Design, without_copy
from encoding.ridge.memory import refitted_voxels
from encoding.ridge.problem import DEFAULTS, Options, Problem, Responses
from encoding.ridge.responses import VoxelBlock, measured_alike

# of D² where a component has no variance, so that its weight is 0
NO_VARIANCE = 1e-150


class RefittedVoxels(NamedTuple):
    """Weights of some voxels.

    Attributes
    ----------
    voxels : (voxel,) their columns in the responses
    weights : (feature, voxel), bands one after another
    intercept : (voxel,)
    """

    voxels: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray

    def predict(self, bands: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predict (image, voxel) from bands (image, feature) in the order of the fit."""
        return np.hstack(list(bands.values())) @ self.weights + self.intercept


def stream_weights(
    bands: Mapping[str, np.ndarray],
    responses: Responses,
    folds: np.ndarray,
    alpha: np.ndarray,
    band_weights: np.ndarray,
    options: Options = DEFAULTS,
) -> Iterator[RefittedVoxels]:
    """Refit banded ridge with what a search picked for each voxel.

    Blocks hold as many voxels as the memory allows, as each makes its own factorisations.

    Parameters
    ----------
    bands : {feature space: (image, feature)}, scaled as for the search
    responses : (image, voxel), an array or anything that is sliced like one
    folds : (image,) those of the search
    alpha : (voxel,) penalties; NaN for voxels that were not fitted
    band_weights : (band, voxel)

    Yields
    ------
    weights and intercepts of `options.dtype`; each voxel once, those that cannot be fitted never

    Raises
    ------
    ValueError
        A voxel that can be fitted has no penalty, or shapes disagree.
    """
    alpha, band_weights = np.asarray(alpha, np.float64), np.asarray(band_weights, np.float64)
    shape = len(bands), responses.shape[1]
    if alpha.shape != shape[1:] or band_weights.shape != shape:
        raise ValueError(
            f"penalties {alpha.shape} and band weights {band_weights.shape} of {shape[0]} bands and"
            f" {shape[1]} voxels: expected {shape[1:]} and {shape}"
        )
    picked = np.isfinite(alpha)
    if not picked.any():
        return
    candidates = np.unique(band_weights[:, picked].T, axis=0)
    problem = Problem.of_one_model(
        bands, responses, folds, np.unique(alpha[picked]), candidates, options
    )
    arrays = Arrays(options.backend, options.workers)
    for blocks in measured_alike(problem, arrays):
        n_voxels = refitted_voxels(blocks.design, candidates, options.memory_bytes)
        with matmul_precision(arrays, options.matmul_precision):
            for block in blocks.read(n_voxels):
                voxels = block.voxels
                if not picked[voxels].all():
                    lacking = voxels[~picked[voxels]]
                    raise ValueError(f"{len(lacking)} voxels have no penalty (first: {lacking[0]})")
                weights = _Refit(blocks.design, block).weights(
                    alpha[voxels], band_weights[:, voxels].T
                )
                intercept = block.mean - blocks.design.offset @ weights
                yield RefittedVoxels(voxels, weights, intercept.astype(options.dtype))


@dataclass(frozen=True)
class _Refit:
    """Weights of a block of voxels."""

    design: Design
    block: VoxelBlock

    def weights(self, alpha: np.ndarray, band_weights: np.ndarray) -> np.ndarray:
        """(feature, voxel) for penalties (voxel,) and band weights (voxel, band)."""
        design = self.design
        pairs, index = np.unique(
            np.column_stack([alpha, band_weights]), axis=0, return_inverse=True
        )
        order = np.argsort(index.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(index.ravel()))
        takers = np.split(order, ends[:-1])
        found = np.zeros((design.n_components, len(alpha)), design.dtype)
        # shared parts are computed once, before threads use them
        dual = [self._is_dual(design.columns(pair[1:])[0]) for pair in pairs]
        _ = self._features
        if any(dual):
            _ = design.kernels
        if not all(dual):
            _ = self._products, design.gram(design.all_images)

        def solve(task: tuple[np.ndarray, np.ndarray]) -> None:
            pair, voxels = task
            columns, solution = self._solve(pair[0], pair[1:], voxels)
            found[np.ix_(columns, voxels)] = design.arrays.to_numpy(solution)

        design.arrays.map(solve, zip(pairs, takers, strict=True))
        return design.feature_weights(found)

    def _is_dual(self, columns: np.ndarray) -> bool:
        """Test whether more components have weight than there are images."""
        return len(columns) > self.design.n_images

    def _solve(
        self, alpha: float, weights: np.ndarray, voxels: np.ndarray
    ) -> tuple[np.ndarray, Array]:
        """Components with weight, and their weights (component, voxel) float64."""
        columns, roots = self.design.columns(weights)
        largest = np.count_nonzero(weights) * float(roots.max()) ** 2
        solution = None
        if alpha >= SMALLEST_IN_GRAM * largest:
            solve = self._by_images if self._is_dual(columns) else self._by_components
            solution = solve(alpha, weights, voxels)
        if solution is None:
            solution = self._by_singular_values(alpha, weights, voxels)
        return columns, solution

    def _by_images(self, alpha: float, weights: np.ndarray, voxels: np.ndarray) -> Array | None:
        design, arrays = self.design, self.design.arrays
        columns, roots = design.columns(weights)
        matrix = design.centred_kernel(design.all_images, weights)[0]
        diagonal = arrays.xp.arange(len(matrix))
        matrix[diagonal, diagonal] += alpha
        triangle = arrays.cholesky(matrix)
        if triangle is None:
            return None
        solution = arrays.solve_factored(triangle, self._responses(voxels).T)
        return (roots**2)[:, None] * (self._features[:, without_copy(columns)].T @ solution)

    def _by_components(self, alpha: float, weights: np.ndarray, voxels: np.ndarray) -> Array | None:
        design, arrays = self.design, self.design.arrays
        columns, roots = design.columns(weights)
        added = alpha * (roots**2).clip(NO_VARIANCE) ** -1
        right = self._products[voxels][:, without_copy(columns)].T
        widest = max(
            (band for band, weight in zip(design.band_slices, weights, strict=True) if weight),
            key=lambda band: band.stop - band.start,
        )
        inside = np.flatnonzero((columns >= widest.start) & (columns < widest.stop))
        others = np.setdiff1d(np.arange(len(columns)), inside)
        of_widest = added[inside] + 1
        found = arrays.empty(right.shape, "float64")
        found[inside] = right[inside] / of_widest[:, None]
        if len(others):
            gram = design.gram(design.all_images)[without_copy(columns[others])]
            between = gram[:, widest]
            rows = between / of_widest**0.5
            matrix = gram[:, without_copy(columns[others])] - rows @ rows.T
            diagonal = arrays.xp.arange(len(others))
            matrix[diagonal, diagonal] += added[others]
            triangle = arrays.cholesky(matrix)
            if triangle is None:
                return None
            found[others] = arrays.solve_factored(triangle, right[others] - between @ found[inside])
            found[inside] -= (between.T @ found[others]) / of_widest[:, None]
        return found

    def _by_singular_values(self, alpha: float, weights: np.ndarray, voxels: np.ndarray) -> Array:
        found = decompose_by_singular_values(self.design, weights, np.array([alpha]))
        rotated = self._responses(voxels) @ found.rotation
        rotated *= self.design.arrays.asarray(found.shrinkage(alpha))
        return (rotated @ found.operators).T

    @cached_property
    def _features(self) -> Array:
        """(image, component) float64, U minus its mean."""
        return self.design.training_rows(self.design.all_images)

    @cached_property
    def _products(self) -> Array:
        """(voxel, component) float64, Uᵀy."""
        arrays, n_voxels = self.design.arrays, len(self.block.voxels)
        products = arrays.empty((n_voxels, self.design.n_components), "float64")

        def multiply(start: int) -> None:
            here = slice(start, start + PART)
            products[here] = self._responses(here) @ self._features

        arrays.map(multiply, range(0, n_voxels, PART))
        return products

    def _responses(self, voxels: slice | np.ndarray) -> Array:
        """(voxel, image) float64, minus their mean."""
        return self.design.arrays.asarray(self.block.centred.responses[voxels], "float64")
