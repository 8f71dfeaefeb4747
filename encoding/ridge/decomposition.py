"""One candidate, one fold: the decomposition from which every penalty's predictions follow.

With D = diag(√γ S) over the components U of the bands that have weight (see `design.py`), U
less its training mean and D UᵀU D = Q L Qᵀ, a voxel's predictions of validation rows U_v at
penalty α are

    B L (L + α)⁻¹ c,    c = Fᵀ Uᵀy,    B = U_v F,    F = D Q L^-½

Only c depends on the voxel, only the shrinkage L / (L + α) on the penalty. c are the responses'
products with orthonormal directions over the training images: rounding errors are alike for large
and small components.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from encoding.ridge.backend import Arrays
from encoding.ridge.design import Design, Fold, singular_values

# relative to the largest eigenvalue: below it rounding errors of the Gram matrix in float64 would
# show in the predictions
SMALLEST_IN_GRAM = 1e-11
# the same of Cholesky's decomposition in float32
SMALLEST_IN_CHOLESKY = 1e-5
# of a column of F that meets Uᵀy in float32: bands that share most of their variance make it large
LARGEST_IN_FLOAT32 = 1e3
# share of a response, below the rounding error of a product over hundreds of components
NEGLIGIBLE = {"float32": 1e-6, "float64": 1e-15}
# what corrections of deleted folds commonly multiply an error by
AMPLIFIED = 10


@dataclass(frozen=True)
class Factor:
    """A decomposition, for some of the penalties. Arrays have precision `dtype`.

    Attributes
    ----------
    alphas : (alpha,) the penalties it serves; `alpha_indices` their places in the grid
    columns : components of the bands with weight
    from_rows : c is computed from responses, not from Uᵀy
    rotation : F, c = operand @ rotation; None if the operators take the operand itself
    values : (component,) float64, L, descending
    to_weights : (column, component), weights = to_weights @ (c L / (L + α)), of the model of all
        images
    operators : (component, row), Bᵀ; by Cholesky one for each penalty; None without validation
        images
    held_rotation : (row, row), O: operators and corrections are those of validation rows Oᵀu; None
        if they are those of the rows themselves
    images : (image, component), B of all images, if folds are to be deleted from it
    corrections : (row, row) for each penalty, N of `fold_deletion.py`, which predictions are
        multiplied by; None if the fold itself was decomposed
    """

    alpha_indices: np.ndarray
    alphas: np.ndarray
    columns: np.ndarray
    dtype: str
    from_rows: bool = False
    rotation: Any = None
    values: Any = None
    to_weights: Any = None
    operators: Any = None
    held_rotation: Any = None
    images: Any = None
    corrections: list[Any] | None = None

    def shrinkage(self, alphas: Any) -> np.ndarray:
        """L / (L + α), (…, component) float64."""
        return self.values / (self.values + np.asarray(alphas, np.float64)[..., None])

    @property
    def by_penalty(self) -> bool:
        """Whether each penalty has operators of its own."""
        return isinstance(self.operators, list)

    def triangular(self, arrays: Arrays) -> Factor:
        """Operators whose row i takes the components from i on alone, by a QR of B = O R.

        Components are in descending order of L: later rows take the smaller ones, whose curves of
        shrinkage are more alike.
        """
        if self.by_penalty or self.held_rotation is not None:
            return self
        rotation, triangle = arrays.thin_qr(self.operators.T)
        return replace(self, operators=triangle.T, held_rotation=rotation)

    def operator(self, position: int, components: slice, rows: slice, arrays: Arrays) -> Any:
        """(component, row), predictions = c @ operator, for the penalty at `position`."""
        if self.by_penalty:
            return arrays.contiguous(self.operators[position][components, rows])
        shrinkage = arrays.asarray(self.shrinkage(self.alphas[position])[components], self.dtype)
        return self.operators[components, rows] * shrinkage[:, None]

    def basis(self, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Penalties whose predictions are computed, and how all others' are made of them.

        Parameters
        ----------
        first : component from which on predictions are made
        """
        if self.by_penalty:
            return np.arange(len(self.alphas)), np.eye(len(self.alphas))
        negligible = NEGLIGIBLE[self.dtype] / (1 if self.corrections is None else AMPLIFIED)
        return shrinkage_basis(self.values[first:], self.alphas, negligible)


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


def factorise(
    design: Design,
    fold: Fold,
    weights: np.ndarray,
    alphas: np.ndarray,
    cholesky: bool = False,
    images: bool = False,
) -> list[Factor]:
    """Decompositions that together serve all penalties, each as precise as its penalties need.

    The dual form, of images × images, is taken when more features have weight than there are
    training images. Penalties so small that squaring the singular values would lose them are
    served by a singular value decomposition of X itself.

    Parameters
    ----------
    fold : one of `design.folds`, or `design.whole`
    weights : (band,) on the simplex; bands of weight 0 are no part of the model
    alphas : (alpha,)
    cholesky : solve per penalty instead of an eigendecomposition
    images : keep what `fold_deletion.py` needs of `design.whole`, unless in the dual form
    """
    columns, roots = design.columns(weights)
    if cholesky and fold.n_validation and len(columns) <= fold.n_train:
        return _cholesky(design, fold, columns, roots, alphas)
    dual = len(columns) > fold.n_train
    matrix, outer = (
        design.centred_kernel(fold, weights)
        if dual
        else (design.weighted_gram(fold, columns, roots), None)
    )
    values, vectors = design.arrays.xp.linalg.eigh(matrix)
    largest = max(float(values.max()), 0.0) or 1.0
    small = max(float(values.min()), 0.0) + alphas < SMALLEST_IN_GRAM * largest
    factors = []
    for served in (np.flatnonzero(~small), np.flatnonzero(small)):
        if not len(served):
            continue
        if small[served[0]]:
            parts = _singular(design, fold, columns, roots)
        elif dual:
            parts = _dual(design, fold, columns, values, vectors, outer, roots)
        else:
            parts = _primal(design, fold, columns, values, vectors, roots, images)
        dtype = "float64" if small[served[0]] else _precision(design, parts)
        factors.append(_finish(design, parts, columns, served, alphas[served], dtype))
    return factors


def _precision(design: Design, parts: dict[str, Any]) -> str:
    """Precision of products with the rotation: float64 where float32's errors would grow."""
    if design.dtype == "float64" or parts.get("from_rows"):
        return design.dtype
    norms = design.arrays.xp.einsum("ij,ij->j", parts["rotation"], parts["rotation"])
    return "float32" if float(norms.max()) <= LARGEST_IN_FLOAT32**2 else "float64"


def _primal(
    design: Design,
    fold: Fold,
    columns: np.ndarray,
    values: Any,
    vectors: Any,
    roots: Any,
    images: bool,
) -> dict[str, Any]:
    kept, _, inverse = singular_values(design.arrays, values, len(values))
    rotation = vectors[:, kept]
    rotation *= roots[:, None]
    rotation *= inverse
    parts = {"values": values[kept], "rotation": rotation, "to_weights": rotation}
    if fold.n_validation:
        parts["base"] = design.held[design.index(fold)].components[:, columns], rotation
    if images:
        parts["images"] = design.rotated_images(columns, rotation)
    return parts


def _dual(
    design: Design,
    fold: Fold,
    columns: np.ndarray,
    values: Any,
    vectors: Any,
    outer: Any,
    roots: Any,
) -> dict[str, Any]:
    kept, _, inverse = singular_values(design.arrays, values, len(values))
    left = vectors[:, kept] * inverse**2
    parts = {"values": values[kept], "rotation": vectors[:, kept], "from_rows": True}
    if fold.n_validation:
        return parts | {"base": (outer, left)}
    rows = design.training_rows(fold)[:, columns]
    return parts | {"to_weights": (roots**2)[:, None] * (rows.T @ left)}


def _singular(design: Design, fold: Fold, columns: np.ndarray, roots: Any) -> dict[str, Any]:
    rows = design.training_rows(fold)[:, columns] * roots
    left, singular, right = design.arrays.xp.linalg.svd(rows, full_matrices=False)
    kept = design.arrays.to_numpy(singular)
    kept = np.flatnonzero(kept > np.finfo(np.float64).eps * max(rows.shape) * kept.max())
    to_weights = roots[:, None] * right.T[:, kept] / singular[kept]
    parts = {
        "values": singular[kept] ** 2,
        "rotation": left[:, kept],
        "to_weights": to_weights,
        "from_rows": True,
    }
    if fold.n_validation:
        parts["base"] = design.held[design.index(fold)].components[:, columns], to_weights
    return parts


def _finish(
    design: Design,
    parts: dict[str, Any],
    columns: np.ndarray,
    alpha_indices: np.ndarray,
    alphas: np.ndarray,
    dtype: str,
) -> Factor:
    """Multiply what predicts the held-out images, and cast."""
    arrays = design.arrays
    base = parts.pop("base", None)
    values = arrays.to_numpy(parts.pop("values"))
    from_rows = parts.pop("from_rows", False)
    if base is not None:
        parts.pop("to_weights", None)
        # an eigenvalue divides the dual form's: rounded afterwards
        precision = "float64" if from_rows else dtype
        left, right = (arrays.asarray(side, precision) for side in base)
        parts["operators"] = (left @ right).T
    # one array under two names is held once
    cast = {id(part): arrays.contiguous(arrays.asarray(part, dtype)) for part in parts.values()}
    held = {name: cast[id(part)] for name, part in parts.items()}
    return Factor(alpha_indices, alphas, columns, dtype, from_rows=from_rows, values=values, **held)


def _cholesky(
    design: Design, fold: Fold, columns: np.ndarray, roots: Any, alphas: np.ndarray
) -> list[Factor]:
    """One operator D (D UᵀU D + α)⁻¹ D U_vᵀ for each penalty, applied to Uᵀy itself."""
    arrays = design.arrays
    gram = design.weighted_gram(fold, columns, roots)
    held = design.held[design.index(fold)].components[:, columns] * roots
    # a bound: the eigenvalues themselves are what is to be saved
    relative = alphas / (float(abs(gram).sum(0).max()) or 1.0)
    precise = (relative >= SMALLEST_IN_CHOLESKY) & (design.dtype == "float32")
    small = relative < SMALLEST_IN_GRAM
    diagonal = arrays.xp.arange(len(columns))
    factors = []
    if small.any():
        parts, chosen = _singular(design, fold, columns, roots), np.flatnonzero(small)
        served = chosen, alphas[chosen], "float64"
        factors.append(_finish(design, parts, columns, *served))
    for dtype, served in (("float32", precise & ~small), ("float64", ~precise & ~small)):
        chosen = np.flatnonzero(served)
        if not len(chosen):
            continue
        left, right = arrays.asarray(gram, dtype), arrays.asarray(held.T, dtype)
        operators = []
        for alpha in alphas[chosen]:
            shifted = left + 0
            shifted[diagonal, diagonal] += float(alpha)
            solved = arrays.asarray(roots, dtype)[:, None] * arrays.solve_positive(shifted, right)
            operators.append(arrays.contiguous(solved))
        factors.append(Factor(chosen, alphas[chosen], columns, dtype, operators=operators))
    return factors
