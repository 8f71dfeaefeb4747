"""Decompositions of a candidate, each as precise as its penalties need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypedDict

import numpy as np

from encoding.ridge.backend import Array
from encoding.ridge.decomposition import (
    AllImagesDecomposition,
    CholeskyDecomposition,
    DeletableDecomposition,
    DualDecomposition,
    FoldDecomposition,
    PrimalDecomposition,
)
from encoding.ridge.design import Design, Fold, singular_values

# relative to the largest eigenvalue: below it rounding errors of the Gram matrix in float64 would
# show in the predictions
SMALLEST_IN_GRAM = 1e-11
# the same of Cholesky's decomposition in float32
SMALLEST_IN_CHOLESKY = 1e-5
# of a column of F that meets Uᵀy in float32: bands that share most of their variance make it large
LARGEST_IN_FLOAT32 = 1e3


def decompose_all(
    design: Design, weights: np.ndarray, alphas: np.ndarray, deletable: bool = False
) -> list[AllImagesDecomposition]:
    """Decompositions of all images that together serve all penalties; see `decompose_fold`.

    Parameters
    ----------
    deletable : keep what the deletion of folds needs, unless in the dual form
    """
    columns, roots = design.columns(weights)
    return _Fitted(design, design.all_images, columns, roots, alphas).by_eigenvectors(
        weights, deletable
    )


def decompose_fold(
    design: Design,
    fold: Fold,
    weights: np.ndarray,
    alphas: np.ndarray,
    cholesky: bool = False,
) -> Sequence[FoldDecomposition]:
    """Decompositions that together serve all penalties, each as precise as its penalties need.

    The dual form, of images × images, is taken when more features have weight than there are
    training images. Penalties so small that squaring the singular values would lose them are
    served by a singular value decomposition of X itself.

    Parameters
    ----------
    fold : one of `design.folds`
    weights : (band,) on the simplex; bands of weight 0 are no part of the model
    alphas : (alpha,)
    cholesky : solve per penalty instead of an eigendecomposition
    """
    columns, roots = design.columns(weights)
    fitted = _Fitted(design, fold, columns, roots, alphas)
    if cholesky and not fitted.is_dual:
        return fitted.by_cholesky()
    return fitted.by_eigenvectors(weights)


def decompose_by_singular_values(
    design: Design, weights: np.ndarray, alphas: np.ndarray
) -> DualDecomposition:
    """Decompose all images in float64 by singular values of the features, for any penalties."""
    columns, roots = design.columns(weights)
    fitted = _Fitted(design, design.all_images, columns, roots, alphas)
    return fitted.by_singular_values(np.arange(len(alphas)))


class _Fields(TypedDict):
    """Fields that all decompositions whose components are shrunk have."""

    alpha_indices: np.ndarray
    alphas: np.ndarray
    columns: np.ndarray
    dtype: str
    values: np.ndarray


@dataclass(frozen=True)
class _Fitted:
    """Components of the bands with weight, over the images that are fitted, to be decomposed.

    `served` are, in what makes a decomposition of it, the penalties that this is to serve.

    Attributes
    ----------
    columns, roots : see `Design.columns`
    """

    design: Design
    fold: Fold
    columns: np.ndarray
    roots: Array
    alphas: np.ndarray

    @property
    def is_dual(self) -> bool:
        """Test whether more features have weight than there are training images."""
        return len(self.columns) > self.fold.n_train

    def by_eigenvectors(
        self, weights: np.ndarray, deletable: bool = False
    ) -> list[AllImagesDecomposition]:
        """Decompose in the smaller of the two forms, and by singular values what it would lose."""
        design = self.design
        make: Callable[[np.ndarray, Array, Array], AllImagesDecomposition]
        if self.is_dual:
            matrix, outer = design.centred_kernel(self.fold, weights)
            make = partial(self.dual, outer=outer)
        else:
            matrix = design.weighted_gram(self.fold, self.columns, self.roots)
            make = partial(self.primal, deletable=deletable)
        values, vectors = design.arrays.xp.linalg.eigh(matrix)
        largest = max(float(values.max()), 0.0) or 1.0
        small = max(float(values.min()), 0.0) + self.alphas < SMALLEST_IN_GRAM * largest
        found: list[AllImagesDecomposition] = []
        if not small.all():
            found.append(make(np.flatnonzero(~small), values, vectors))
        if small.any():
            found.append(self.by_singular_values(np.flatnonzero(small)))
        return found

    def primal(
        self, served: np.ndarray, values: Array, vectors: Array, deletable: bool
    ) -> PrimalDecomposition:
        design = self.design
        kept, _, inverse = singular_values(design.arrays, values, len(values))
        rotation = vectors[:, kept]
        rotation *= self.roots[:, None]
        rotation *= inverse
        dtype = self._precision(rotation)
        # one array under two names is held once
        cast = self._cast(rotation, dtype)
        operators = cast.T
        if self.fold.n_validation:
            operators = self._operators(self._held_out, rotation, dtype, dtype)
        fields = self._fields(served, dtype, values[kept])
        if not deletable:
            return PrimalDecomposition(**fields, operators=operators, rotation=cast)
        rotated = self._cast(design.rotated_images(self.columns, rotation), dtype)
        return DeletableDecomposition(**fields, operators=operators, rotation=cast, images=rotated)

    def dual(
        self, served: np.ndarray, values: Array, vectors: Array, outer: Array
    ) -> DualDecomposition:
        """Made with the kernel `outer` (validation, train)."""
        design = self.design
        kept, _, inverse = singular_values(design.arrays, values, len(values))
        left = vectors[:, kept] * inverse**2
        if self.fold.n_validation:
            # an eigenvalue divides the dual form's: rounded afterwards
            operators = self._operators(outer, left, "float64", design.dtype)
        else:
            rows = design.training_rows(self.fold)[:, self.columns]
            operators = self._cast((self.roots**2)[:, None] * (rows.T @ left), design.dtype).T
        rotation = self._cast(vectors[:, kept], design.dtype)
        fields = self._fields(served, design.dtype, values[kept])
        return DualDecomposition(**fields, operators=operators, rotation=rotation)

    def by_singular_values(self, served: np.ndarray) -> DualDecomposition:
        """Decompose the features themselves in float64, by singular values."""
        arrays = self.design.arrays
        rows = self.design.training_rows(self.fold)[:, self.columns] * self.roots
        left, singular, right = arrays.xp.linalg.svd(rows, full_matrices=False)
        kept = arrays.to_numpy(singular)
        kept = np.flatnonzero(kept > np.finfo(np.float64).eps * max(rows.shape) * kept.max())
        to_weights = self.roots[:, None] * right.T[:, kept] / singular[kept]
        operators = (
            self._operators(self._held_out, to_weights, "float64", "float64")
            if self.fold.n_validation
            else self._cast(to_weights, "float64").T
        )
        rotation = self._cast(left[:, kept], "float64")
        fields = self._fields(served, "float64", singular[kept] ** 2)
        return DualDecomposition(**fields, operators=operators, rotation=rotation)

    def by_cholesky(self) -> list[DualDecomposition | CholeskyDecomposition]:
        """Decompose a fold for its penalties: in float32, in float64, or by singular values."""
        design, alphas = self.design, self.alphas
        gram = design.weighted_gram(self.fold, self.columns, self.roots)
        # a bound: the eigenvalues themselves are what is to be saved
        relative = alphas / (float(abs(gram).sum(0).max()) or 1.0)
        precise = (relative >= SMALLEST_IN_CHOLESKY) & (design.dtype == "float32")
        small = relative < SMALLEST_IN_GRAM
        found: list[DualDecomposition | CholeskyDecomposition] = []
        if small.any():
            found.append(self.by_singular_values(np.flatnonzero(small)))
        for dtype, served in (("float32", precise & ~small), ("float64", ~precise & ~small)):
            if served.any():
                found.append(self._solved(np.flatnonzero(served), gram, dtype))
        return found

    def _solved(self, served: np.ndarray, gram: Array, dtype: str) -> CholeskyDecomposition:
        arrays, diagonal = self.design.arrays, self.design.arrays.xp.arange(len(self.columns))
        left = arrays.asarray(gram, dtype)
        right = arrays.asarray((self._held_out * self.roots).T, dtype)
        roots, operators = arrays.asarray(self.roots, dtype)[:, None], []
        for alpha in self.alphas[served]:
            shifted = left + 0
            shifted[diagonal, diagonal] += float(alpha)
            operators.append(arrays.contiguous(roots * arrays.solve_positive(shifted, right)))
        return CholeskyDecomposition(
            alpha_indices=served,
            alphas=self.alphas[served],
            columns=self.columns,
            dtype=dtype,
            operators=operators,
        )

    def _fields(self, served: np.ndarray, dtype: str, values: Array) -> _Fields:
        """Return the fields of a decomposition that serves the penalties `served`."""
        return {
            "alpha_indices": served,
            "alphas": self.alphas[served],
            "columns": self.columns,
            "dtype": dtype,
            "values": self.design.arrays.to_numpy(values),
        }

    @property
    def _held_out(self) -> Array:
        """(row, column) of the fold's validation images."""
        return self.design.held_out[self.design.index(self.fold)].components[:, self.columns]

    def _operators(self, left: Array, right: Array, precision: str, dtype: str) -> Array:
        """(component, row), (left @ right)ᵀ multiplied in `precision`."""
        arrays = self.design.arrays
        product = arrays.asarray(left, precision) @ arrays.asarray(right, precision)
        return self._cast(product.T, dtype)

    def _cast(self, values: Array, dtype: str) -> Array:
        return self.design.arrays.contiguous(self.design.arrays.asarray(values, dtype))

    def _precision(self, rotation: Array) -> str:
        """Precision of products with the rotation: float64 where float32's errors would grow."""
        if self.design.dtype == "float64":
            return "float64"
        norms = self.design.arrays.xp.einsum("ij,ij->j", rotation, rotation)
        return "float32" if float(norms.max()) <= LARGEST_IN_FLOAT32**2 else "float64"
