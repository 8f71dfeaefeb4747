"""One candidate, one fold: the decomposition from which every penalty's predictions follow.

With D = diag(√γ) over the bands that have weight, X the training rows less their mean, and
DXᵀXD = Q L Qᵀ, a voxel's predictions of validation rows X_v at penalty α are

    X_v D Q (L + α)⁻¹ c,    c = Qᵀ D Xᵀy

Only c depends on the voxel, only (L + α)⁻¹ on the penalty. A second QR, X_v D Q = O R, leaves
‖Oᵀy_v - R (L + α)⁻¹ c‖² with R upper triangular: half of the product need not be done, which pays
for Oᵀy_v where penalties are many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg

from encoding.arrays import Arrays
from encoding.gram import Design, Fold

# relative to the largest eigenvalue: below it rounding error of Xᵀy in float32, and of the Gram
# matrix in float64, would show in the predictions
SMALLEST_IN_FLOAT32 = 1e-5
SMALLEST_IN_GRAM = 1e-11
# share of a response, below the rounding error of a product over hundreds of components
NEGLIGIBLE = {"float32": 1e-6, "float64": 1e-15}
# at which curves of shrinkage are compared where eigenvalues are unknown
UNKNOWN_VALUES = 300


@dataclass(frozen=True)
class Factor:
    """A decomposition, for some of the penalties. Arrays have precision `dtype`.

    Attributes
    ----------
    alphas : (alpha,) the penalties it serves; `alpha_indices` their places in the grid
    columns : features with weight
    from_rows : c is computed from responses, not from Xᵀy
    rotation : c = operand @ rotation; None if the operators take the operand itself
    values : (component,) float64, L
    to_weights : (feature with weight, component), weights = to_weights @ (c / (L + α)), of the
        model of all images; with `row_scale` (feature with weight,), images take the place of
        features: weights = row_scale * Xᵀ @ to_weights @ (c / (L + α))
    compression : (held row, row), O; None if rows are kept
    operators : (component, row), (X_v D Q)ᵀ, or Rᵀ, lower triangular; by Cholesky one for each
        penalty; None without validation images
    images : (image, component), X D Q of all images, if folds are to be deleted from it
    corrections : (row, row) for each penalty, N of `encoding.deletion`; None if the fold itself was
        decomposed
    """

    alpha_indices: np.ndarray
    alphas: np.ndarray
    columns: np.ndarray
    dtype: str
    from_rows: bool = False
    rotation: Any = None
    values: Any = None
    to_weights: Any = None
    row_scale: Any = None
    compression: Any = None
    operators: Any = None
    images: Any = None
    corrections: list[Any] | None = None

    def first_component(self, rows: slice) -> int:
        """The first that takes part in predictions of these rows."""
        return rows.start if self.compression is not None else 0

    def shared(
        self, positions: np.ndarray, arrays: Arrays
    ) -> Iterator[tuple[Any, np.ndarray, Any]]:
        """What predicts at each of `positions` (pair,) among the penalties, before corrections.

        Yields
        ------
        operator : (component, row)
        members : pairs that it serves
        shrinkage : (alpha, component), predictions = (c * shrinkage) @ operator; None: c @ operator
        """
        if isinstance(self.operators, list):
            for position in np.unique(positions):
                yield self.operators[position], np.flatnonzero(positions == position), None
        elif len(positions):
            shrinkage = 1 / (self.values + self.alphas[:, None])
            yield (
                self.operators,
                np.arange(len(positions)),
                arrays.asarray(shrinkage, self.dtype),
            )

    def operator(self, position: int, components: slice, rows: slice, arrays: Arrays) -> Any:
        """(component, row), predictions = c @ operator, for the penalty at `position`."""
        if isinstance(self.operators, list):
            return arrays.contiguous(self.operators[position][components, rows])
        shrinkage = 1 / (self.values[components] + self.alphas[position])
        shrinkage = arrays.asarray(shrinkage, self.dtype)
        if self.corrections is None:
            return self.operators[components, rows] * shrinkage[:, None]
        corrected = self.operators[components] @ self.corrections[position][:, rows]
        return corrected * shrinkage[:, None]

    @cached_property
    def basis(self) -> tuple[np.ndarray, np.ndarray]:
        """Penalties whose predictions are computed, and how all others' are made of them."""
        if isinstance(self.operators, list):
            return np.arange(len(self.alphas)), np.eye(len(self.alphas))
        values = self.values
        if self.corrections is not None:
            # the fold's own are unknown, but lie between 0 and the largest
            least = self.alphas.min() * NEGLIGIBLE[self.dtype]
            values = np.append(values, np.geomspace(least, values.max(), UNKNOWN_VALUES))
        return shrinkage_basis(values, self.alphas, NEGLIGIBLE[self.dtype])


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
    triangular: bool = True,
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
    images : keep what `encoding.deletion` needs of `design.whole`, unless in the dual form
    triangular : make the held-out part triangular; its rows, and responses, are then compressed
    """
    columns, roots = design.columns(weights)
    if len(columns) > fold.n_train:
        values, build = _dual(design, fold, weights, columns, roots)
    elif cholesky and fold.n_validation:
        return _cholesky(design, fold, columns, roots, alphas)
    else:
        values, build = _primal(design, fold, columns, roots, images)
    factors = []
    for dtype, chosen in _precisions(design, values, alphas).items():
        if dtype == "svd":
            parts, dtype = _singular(design, fold, columns, roots), "float64"
        else:
            parts = build()
        served = chosen, alphas[chosen]
        factors.append(_finish(design, parts, columns, *served, dtype, triangular))
    return factors


def _precisions(design: Design, values: Any, alphas: np.ndarray) -> dict[str, np.ndarray]:
    """Which penalties can be served in float32, in float64, and by singular values only."""
    values = design.arrays.to_numpy(values)
    largest = values.max() if values.max() > 0 else 1.0
    relative = (max(values.min(), 0.0) + alphas) / largest
    precise = relative >= (SMALLEST_IN_FLOAT32 if design.dtype == "float32" else np.inf)
    gram = relative >= SMALLEST_IN_GRAM
    groups = {"float32": precise, "float64": gram & ~precise, "svd": ~gram & ~precise}
    return {name: np.flatnonzero(chosen) for name, chosen in groups.items() if chosen.any()}


def _kept(design: Design, values: Any) -> Any:
    """Eigenvalues that are not rounding error; one at least."""
    host = design.arrays.to_numpy(values)
    floor = np.finfo(np.float64).eps * len(host) * max(host.max(), 0.0)
    return np.flatnonzero(host > floor) if (host > floor).any() else np.array([len(host) - 1])


def _primal(
    design: Design, fold: Fold, columns: np.ndarray, roots: Any, images: bool
) -> tuple[Any, Any]:
    gram = design.weighted_gram(fold, columns, roots)
    values, vectors = design.arrays.xp.linalg.eigh(gram)

    def build() -> dict[str, Any]:
        kept = _kept(design, values)
        rotation = roots[:, None] * vectors[:, kept]
        parts = {"values": values[kept], "rotation": rotation, "to_weights": rotation}
        if fold.n_validation:
            parts["base"] = design.held[design.index(fold)].features[:, columns], rotation
        if images:
            parts["images"] = design.rotated_images(columns, rotation)
        return parts

    return values, build


def _dual(
    design: Design, fold: Fold, weights: np.ndarray, columns: np.ndarray, roots: Any
) -> tuple[Any, Any]:
    inner, outer = design.centred_kernel(fold, weights)
    values, vectors = design.arrays.xp.linalg.eigh(inner)

    def build() -> dict[str, Any]:
        kept = _kept(design, values)
        singular = design.arrays.xp.sqrt(abs(values[kept]))
        left = vectors[:, kept] / design.arrays.xp.clip(singular, 1e-150, None)
        parts = {"values": values[kept], "rotation": vectors[:, kept] * singular, "from_rows": True}
        if fold.n_validation:
            parts["base"] = outer, left
        else:
            parts |= {"to_weights": left, "row_scale": roots**2}
        return parts

    return values, build


def _singular(design: Design, fold: Fold, columns: np.ndarray, roots: Any) -> dict[str, Any]:
    rows = design.training_rows(fold)[:, columns] * roots
    left, singular, right = design.arrays.xp.linalg.svd(rows, full_matrices=False)
    to_weights = roots[:, None] * right.T
    parts = {
        "values": singular**2,
        "rotation": left * singular,
        "to_weights": to_weights,
        "from_rows": True,
    }
    if fold.n_validation:
        parts["base"] = design.held[design.index(fold)].features[:, columns], to_weights
    return parts


def _finish(
    design: Design,
    parts: dict[str, Any],
    columns: np.ndarray,
    alpha_indices: np.ndarray,
    alphas: np.ndarray,
    dtype: str,
    triangular: bool,
) -> Factor:
    """Cast, and make the held-out part triangular if asked to."""
    arrays = design.arrays
    base = parts.pop("base", None)
    values = arrays.to_numpy(parts.pop("values"))
    from_rows = parts.pop("from_rows", False)
    if base is not None:
        parts.pop("to_weights", None)
        left, right = (arrays.asarray(side, dtype) for side in base)
        base = left @ right
        if triangular:
            parts["compression"], base = arrays.thin_qr(base)
        parts["operators"] = base.T
    cast = {name: arrays.contiguous(arrays.asarray(part, dtype)) for name, part in parts.items()}
    return Factor(alpha_indices, alphas, columns, dtype, from_rows=from_rows, values=values, **cast)


def _cholesky(
    design: Design, fold: Fold, columns: np.ndarray, roots: Any, alphas: np.ndarray
) -> list[Factor]:
    """One operator D (DXᵀXD + α)⁻¹ D X_vᵀ for each penalty, applied to Xᵀy itself."""
    arrays = design.arrays
    gram = design.weighted_gram(fold, columns, roots)
    held = design.held[design.index(fold)].features[:, columns] * roots
    # a bound: the eigenvalues themselves are what is to be saved
    bound = arrays.asarray([0.0, float(abs(gram).sum(0).max())])
    diagonal = arrays.xp.arange(len(columns))
    factors = []
    for dtype, chosen in _precisions(design, bound, alphas).items():
        if dtype == "svd":
            parts = _singular(design, fold, columns, roots)
            finished = _finish(design, parts, columns, chosen, alphas[chosen], "float64", True)
            factors.append(finished)
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
