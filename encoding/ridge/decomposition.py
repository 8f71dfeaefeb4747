"""One candidate, one fold: the decomposition from which every penalty's predictions follow.

With D = diag(√γ S) over the components U of the bands that have weight (see `design.py`), U minus
its training mean and D UᵀU D = Q L Qᵀ, a voxel's predictions of validation rows U_v at penalty α
are

    B L (L + α)⁻¹ c,    c = Fᵀ Uᵀy,    B = U_v F,    F = D Q L^-½

Only c depends on the voxel, only the shrinkage L / (L + α) on the penalty. c are the responses'
products with orthonormal directions over the training images: rounding errors are alike for large
and small components.

There is one class for each form: primal, dual, Cholesky's, and folds deleted from a decomposition
of all images (`fold_deletion.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.linalg

from encoding.ridge.backend import Array, Arrays

# share of a response, below the rounding error of a product over hundreds of components
NEGLIGIBLE = {"float32": 1e-6, "float64": 1e-15}
# what corrections of deleted folds commonly multiply an error by
AMPLIFIED = 10


@dataclass(frozen=True, kw_only=True)
class Decomposition(ABC):
    """A decomposition, for some of the penalties. Arrays have precision `dtype`.

    Attributes
    ----------
    alphas : (alpha,) its penalties; `alpha_indices` their indices in the grid
    columns : components of the bands with weight
    """

    alpha_indices: np.ndarray
    alphas: np.ndarray
    columns: np.ndarray
    dtype: str

    @abstractmethod
    def operator(self, position: int, components: slice, rows: slice, arrays: Arrays) -> Array:
        """Return the operator (component, row) of a penalty: predictions = c @ operator."""

    @abstractmethod
    def basis(self, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return penalties that are computed, and weights by which the others are mixed of them.

        Parameters
        ----------
        first : first component that is used
        """

    @abstractmethod
    def predicted(self, projected: Array, positions: np.ndarray, arrays: Arrays) -> Array:
        """Predict (pair, row) for pairs of a voxel and a penalty.

        Parameters
        ----------
        projected : (pair, component) c of each pair's voxel; overwritten
        positions : (pair,) indices of the penalties in `alphas`, ascending
        """

    @abstractmethod
    def triangular(self, arrays: Arrays) -> Decomposition:
        """Return a decomposition with the same predictions, with rotated rows if that saves work.

        Row i of its operators depends only on the components from i on.
        """


@dataclass(frozen=True, kw_only=True)
class CholeskyDecomposition(Decomposition):
    """Solved for each penalty, without an eigendecomposition; c is Uᵀy itself.

    Attributes
    ----------
    operators : (component, row), D (D UᵀU D + α)⁻¹ D U_vᵀ, of each penalty
    """

    operators: Sequence[Array]

    def operator(self, position: int, components: slice, rows: slice, arrays: Arrays) -> Array:
        """Return the operator (component, row) of a penalty."""
        return arrays.contiguous(self.operators[position][components, rows])

    def basis(self, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return penalties that are computed, and weights by which the others are mixed of them."""
        return np.arange(len(self.alphas)), np.eye(len(self.alphas))

    def predicted(self, projected: Array, positions: np.ndarray, arrays: Arrays) -> Array:
        """Predict (pair, row) for pairs of a voxel and a penalty."""
        return _each_times(projected, self.operators, positions, arrays)

    def triangular(self, arrays: Arrays) -> CholeskyDecomposition:
        """Return this decomposition."""
        return self


@dataclass(frozen=True, kw_only=True)
class ShrinkingDecomposition(Decomposition):
    """Penalties shrink its components, and change nothing else.

    Attributes
    ----------
    values : (component,) float64, L, descending
    operators : (component, row), Bᵀ of the held-out rows; (component, column) in the model of all
        images, whose weights are (c L / (L + α)) @ operators
    """

    values: np.ndarray
    operators: Array
    # factor of the rounding errors of its predictions
    amplified: ClassVar[int] = 1

    def shrinkage(self, alphas: npt.ArrayLike) -> np.ndarray:
        """L / (L + α), (…, component) float64."""
        return self.values / (self.values + np.asarray(alphas, np.float64)[..., None])

    def operator(self, position: int, components: slice, rows: slice, arrays: Arrays) -> Array:
        """Return the operator (component, row) of a penalty."""
        shrinkage = arrays.asarray(self.shrinkage(self.alphas[position])[components], self.dtype)
        return self.operators[components, rows] * shrinkage[:, None]

    def basis(self, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return penalties that are computed, and weights by which the others are mixed of them."""
        negligible = NEGLIGIBLE[self.dtype] / self.amplified
        return shrinkage_basis(self.values[first:], self.alphas, negligible)

    def predicted(self, projected: Array, positions: np.ndarray, arrays: Arrays) -> Array:
        """Predict (pair, row) for pairs of a voxel and a penalty."""
        shrinkage = arrays.asarray(self.shrinkage(self.alphas), self.dtype)
        projected *= shrinkage[positions]
        return projected @ self.operators

    def triangular(self, arrays: Arrays) -> TriangularDecomposition:
        """Decompose B = O R (QR).

        Components are in descending order of L: later rows take the smaller ones, whose curves of
        shrinkage are more alike.
        """
        rotation, triangle = arrays.thin_qr(self.operators.T)
        return TriangularDecomposition(
            alpha_indices=self.alpha_indices,
            alphas=self.alphas,
            columns=self.columns,
            dtype=self.dtype,
            values=self.values,
            operators=triangle.T,
            held_rotation=rotation,
        )


@dataclass(frozen=True, kw_only=True)
class PrimalDecomposition(ShrinkingDecomposition):
    """Eigenvectors of features × features: c is made from Uᵀy.

    Attributes
    ----------
    rotation : (column, component), F
    """

    rotation: Array


@dataclass(frozen=True, kw_only=True)
class DeletableDecomposition(PrimalDecomposition):
    """A primal decomposition of all images, from which folds can be deleted.

    Attributes
    ----------
    images : (image, component), B of all images
    """

    images: Array

    def without_images(self) -> PrimalDecomposition:
        """Leave out what only the deletion of folds needs."""
        return PrimalDecomposition(
            alpha_indices=self.alpha_indices,
            alphas=self.alphas,
            columns=self.columns,
            dtype=self.dtype,
            values=self.values,
            operators=self.operators,
            rotation=self.rotation,
        )


@dataclass(frozen=True, kw_only=True)
class DualDecomposition(ShrinkingDecomposition):
    """Eigenvectors of images × images, or left singular vectors: c is made from responses.

    Attributes
    ----------
    rotation : (training image, component)
    """

    rotation: Array


@dataclass(frozen=True, kw_only=True)
class TriangularDecomposition(ShrinkingDecomposition):
    """Operators are triangular, and of rotated held-out rows Oᵀu.

    Attributes
    ----------
    held_rotation : (row, row), O
    """

    held_rotation: Array

    def triangular(self, arrays: Arrays) -> TriangularDecomposition:
        """Return this decomposition."""
        return self


@dataclass(frozen=True, kw_only=True)
class DeletedFold(TriangularDecomposition):
    """A fold taken out of the decomposition of all images (see `fold_deletion.py`).

    Attributes
    ----------
    corrections : (row, row) for each penalty, N, which predictions are multiplied by
    """

    corrections: Sequence[Array]
    amplified: ClassVar[int] = AMPLIFIED

    def predicted(self, projected: Array, positions: np.ndarray, arrays: Arrays) -> Array:
        """Predict (pair, row) for pairs of a voxel and a penalty."""
        rows = super().predicted(projected, positions, arrays)
        return _each_times(rows, self.corrections, positions, arrays)


# of all images, and of the images that a fold fits
AllImagesDecomposition = PrimalDecomposition | DualDecomposition
FoldDecomposition = AllImagesDecomposition | CholeskyDecomposition | DeletedFold


def _each_times(
    rows: Array, matrices: Sequence[Array], positions: np.ndarray, arrays: Arrays
) -> Array:
    """Rows times the matrix at each one's position (ascending)."""
    known, starts = np.unique(positions, return_index=True)
    ends = [*starts[1:], len(positions)]
    products = [
        rows[start:end] @ matrices[position]
        for position, start, end in zip(known, starts, ends, strict=True)
    ]
    return arrays.xp.concatenate(products)


def shrinkage_basis(
    values: np.ndarray, alphas: np.ndarray, negligible: float
) -> tuple[np.ndarray, np.ndarray]:
    """Penalties of which the others' predictions are sums, by an interpolative decomposition.

    Predictions at a penalty are linear in its shrinkage L / (L + α). These curves are smooth in
    log L, so that the matrix (alpha, component) has a rank well below its number of rows (Cheng,
    Gimbutas, Martinsson and Rokhlin 2005, SIAM J Sci Comput): about ten for twenty penalties over
    six decades, sixteen for a hundred over eighteen.

    Parameters
    ----------
    values : (component,), L
    alphas : (alpha,)
    negligible : what a prediction may change by, as a share of the response

    Returns
    -------
    chosen : (part,) ascending indices of penalties
    mixing : (alpha, part) float64, predictions = mixing @ predictions of the chosen
    """
    shrinkage = values / (values + alphas[:, None])
    triangle, order = scipy.linalg.qr(shrinkage.T, mode="r", pivoting=True)
    size = np.count_nonzero(abs(np.diag(triangle)) > negligible)
    mixed = scipy.linalg.solve_triangular(triangle[:size, :size], triangle[:size, size:])
    chosen, mixing = np.sort(order[:size]), np.zeros((len(alphas), size))
    place = np.argsort(np.argsort(order[:size]))
    mixing[order[:size], place] = 1
    mixing[np.ix_(order[size:], place)] = mixed.T
    return chosen, mixing
