"""One decomposition of all images, from which the predictions of every fold follow.

With features and responses minus their means over all n images, D UᵀU D = Q L Qᵀ and
B = U_v D Q L^-½ as in `decomposition.py` for the rows that a fold holds out, Woodbury's identity
gives what the training images alone would predict for them, each side minus its training mean:

    N B H c,    H = L (L + α)⁻¹,    N = (1 - 11ᵀ/n - B H Bᵀ)⁻¹,    c = Bᵀy of the training images

(without 11ᵀ/n where there is no intercept). This is the block form of leave-one-out's shortcut
(Allen 1974, Technometrics): N of a single row is 1 / (1 - leverage). A correction N of held rows ×
held rows for each fold and penalty takes the place of a fold's eigendecomposition, which pays where
features are many and held rows few. Held rows are rotated, B = O R, so that R is triangular.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from encoding.ridge.backend import Array, Arrays
from encoding.ridge.decomposition import (
    AMPLIFIED,
    NEGLIGIBLE,
    Decomposition,
    DeletableDecomposition,
    DeletedFold,
    shrinkage_basis,
)
from encoding.ridge.design import Design, Fold

# of a float64 eigendecomposition of p features in products of float32: so many p³ operations
DECOMPOSITION = 14
# voxels for whose predictions the sides are weighed: those of a block. Were it the number that is
# fitted, a voxel's last bits would depend on the others
VOXELS = 8192
# penalties at which the windowed search predicts a voxel in contention
TRIED = 4
# of N, in the Frobenius norm: where it amplifies rounding errors more, folds are decomposed
LARGEST_CORRECTION = {"float32": 3e3, "float64": 1e7}


def deletion_pays(design: Design, n_features: int, n_alphas: int) -> bool:
    """Test whether corrections cost less than the eigendecompositions that they save.

    Parameters
    ----------
    n_features : components with weight
    """
    held = max(fold.n_validation for fold in design.folds)
    saved = (len(design.folds) - 1) * DECOMPOSITION * n_features**3
    # products and inverses; predictions corrected, and rows that no triangle leaves out
    corrections = n_alphas * held**2 * (n_features + 2 * held)
    predictions = TRIED * VOXELS * 3 * held**2
    return len(design.folds) * (corrections + predictions) < saved


def delete_fold(
    design: Design, fold: Fold, all_images: Sequence[Decomposition]
) -> DeletedFold | None:
    """Derive the decomposition of a fold from that of all images.

    Parameters
    ----------
    all_images : of `design.all_images`, with its images

    Returns
    -------
    None if rounding errors would show: penalties too small, or held rows that alone decide some
    weight
    """
    if len(all_images) != 1:
        return None
    (decomposition,), arrays = all_images, design.arrays
    if not isinstance(decomposition, DeletableDecomposition) or decomposition.dtype != design.dtype:
        return None
    images = arrays.asarray(decomposition.images[fold.validation], "float64")
    rotation, rows = (arrays.asarray(part, decomposition.dtype) for part in arrays.full_qr(images))
    ones = rotation.sum(0) * design.fit_intercept / design.n_images**0.5
    kept = (
        arrays.asarray(arrays.xp.eye(len(rows)), decomposition.dtype)
        - ones[:, None] * ones[None, :]
    )
    corrections = []
    for leverage in _leverages(arrays, decomposition, rows):
        correction = arrays.inverse_positive(kept - leverage)
        if (
            correction is None
            or not _norm(arrays, correction) < LARGEST_CORRECTION[decomposition.dtype]
        ):
            return None
        corrections.append(correction)
    return DeletedFold(
        alpha_indices=decomposition.alpha_indices,
        alphas=decomposition.alphas,
        columns=decomposition.columns,
        dtype=decomposition.dtype,
        values=decomposition.values,
        operators=rows.T,
        held_rotation=rotation,
        corrections=corrections,
    )


def _norm(arrays: Arrays, matrix: Array) -> float:
    return float(arrays.xp.einsum("ij,ij->", matrix, matrix)) ** 0.5


def _leverages(
    arrays: Arrays, decomposition: DeletableDecomposition, rows: Array
) -> Iterator[Array]:
    """B L (L + α)⁻¹ Bᵀ for each penalty; as predictions are, all are sums of a few."""
    chosen, mixing = shrinkage_basis(
        decomposition.values, decomposition.alphas, NEGLIGIBLE[decomposition.dtype] / AMPLIFIED
    )
    parts = arrays.empty((len(chosen), len(rows), len(rows)), decomposition.dtype)
    for part, alpha in zip(parts, decomposition.alphas[chosen], strict=True):
        scaled = rows * arrays.asarray(decomposition.shrinkage(alpha) ** 0.5, decomposition.dtype)
        part[:] = scaled @ scaled.T
    for shares in arrays.asarray(mixing, decomposition.dtype):
        yield (shares @ parts.reshape(len(parts), len(rows) ** 2)).reshape(len(rows), len(rows))
