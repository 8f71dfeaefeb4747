"""Principal components of the bands and Gram matrices of the images, which all candidates share.

Ridge does not change when the features of a band are rotated. Each band X is therefore replaced by
the principal components of all images, X = U S Wᵀ: its columns are those of U, of unit length, and
S joins the band weight (`Design.columns`). Products of responses with U are of like size for large
and small components, so that float32 is precise at any penalty; products with X are not: rounding
errors of its largest components would hide its smallest.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from encoding.ridge.backend import Array, Arrays


@dataclass(frozen=True)
class Fold:
    """Images to fit and to score, in the design's order.

    Attributes
    ----------
    validation : neighbours; all others are fitted
    n_train : how many
    mean : (component,) float64, of the images that are fitted
    """

    validation: slice
    n_train: int
    mean: Array

    @property
    def n_validation(self) -> int:
        """Number of validation images."""
        return self.validation.stop - self.validation.start


@dataclass(frozen=True)
class HeldOutFeatures:
    """Validation rows minus the training mean, compressed: rows = rotation @ components.

    With fewer components than validation images, ‖y - Uw‖² = ‖Oᵀy - Rw‖² + ‖y - OOᵀy‖² for U = OR:
    R (component, component) takes the place of U. Otherwise `rotation` is None.
    """

    rotation: Array | None
    components: Array


class Design:
    """Principal components of the bands (image, component) of a fit, and its folds.

    Images are put in the order of the folds: a fold is a slice, never a copy.

    Grams are float64 whatever the precision of the voxels: they cost little, and their rounding
    error would otherwise bound the penalties that can be used.

    Attributes
    ----------
    order : (image,) indices of the given images in this order
    offset : (feature,) float64, the mean over all images; 0 without an intercept
    components : (image, component), U of the bands one after another
    scales : (component,) float64, S
    axes : of each band, (feature, component) float64: U = (X - offset) @ axes
    feature_slices, band_slices : the features and the components of each band
    folds : those that validate some image; `all_images` fits all images and validates none
    """

    def __init__(
        self,
        bands: list[np.ndarray],
        folds: np.ndarray,
        arrays: Arrays,
        dtype: str = "float32",
        fit_intercept: bool = True,
    ) -> None:
        self.arrays, self.dtype, self.fit_intercept = arrays, dtype, fit_intercept
        self.n_images = len(folds)
        self.order = np.argsort(folds, kind="stable")
        self.offset = np.concatenate([band.mean(axis=0, dtype=np.float64) for band in bands])
        self.offset *= fit_intercept
        self.feature_slices = _neighbours([band.shape[1] for band in bands])
        self.n_features = len(self.offset)
        components, self.axes, scales = [], [], []
        for band, columns in zip(bands, self.feature_slices, strict=True):
            rows = arrays.asarray(band[self.order] - self.offset[columns], "float64")
            component, scale, axes = principal_components(arrays, rows)
            components.append(arrays.asarray(component, dtype))
            scales.append(scale)
            self.axes.append(axes)
        self.components = arrays.contiguous(arrays.xp.hstack(components))
        self.scales, self.n_components = np.concatenate(scales), self.components.shape[1]
        self.band_slices = _neighbours([len(scale) for scale in scales])
        starts = np.searchsorted(folds[self.order], np.unique(folds[folds >= 0]))
        edges = [*starts.tolist(), self.n_images]
        # each fold's validation images; images before them never validate
        self.parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
        self.rest = slice(0, edges[0])
        self.folds = [self._fold(part) for part in self.parts]
        self.all_images = self._fold(slice(0, 0))
        self._grams: dict[int, Array] = {}

    def _fold(self, validation: slice) -> Fold:
        n_train = self.n_images - (validation.stop - validation.start)
        total = (
            self._sum
            if validation.stop == validation.start
            else self._sum - self._total(validation)
        )
        return Fold(validation, n_train, total / n_train * self.fit_intercept)

    def _total(self, images: slice) -> Array:
        return self._rows(images).sum(0)

    @cached_property
    def _sum(self) -> Array:
        return self._total(slice(0, self.n_images))

    def _rows(self, images: slice) -> Array:
        """(image, component) float64."""
        return self.arrays.asarray(self.components[images], "float64")

    @cached_property
    def _second_moments(self) -> list[Array]:
        """UᵀU of the images of each fold, then of those that never validate."""
        return self.arrays.map(self._of_images, [*self.parts, self.rest])

    @cached_property
    def _second_moment(self) -> Array:
        """UᵀU of all images; those of the folds are kept only if they are there already."""
        if "_second_moments" in vars(self):
            return cast(Array, sum(self._second_moments))
        parts = [*self.parts, self.rest]
        total: Array | int = 0
        for first in range(0, len(parts), self.arrays.workers):
            some = parts[first : first + self.arrays.workers]
            total = sum(self.arrays.map(self._of_images, some), total)
        return cast(Array, total)

    def _of_images(self, images: slice) -> Array:
        rows = self._rows(images)
        return rows.T @ rows

    def gram(self, fold: Fold) -> Array:
        """(component, component) float64, of the fold's training images minus their mean."""
        if id(fold) not in self._grams:
            held = None if fold is self.all_images else self._second_moments[self.index(fold)]
            gram = self._second_moment - fold.n_train * fold.mean[:, None] * fold.mean[None, :]
            if held is not None:
                gram = gram - held
            self._grams[id(fold)] = gram
        return self._grams[id(fold)]

    def weighted_gram(self, fold: Fold, columns: np.ndarray, roots: Array) -> Array:
        """`gram` of some components, each times its root."""
        taken = without_copy(columns)
        return self.gram(fold)[taken][:, taken] * (roots[:, None] * roots[None, :])

    def index(self, fold: Fold) -> int:
        """Return the index of a fold."""
        return next(i for i, other in enumerate(self.folds) if other is fold)

    @cached_property
    def held_out(self) -> list[HeldOutFeatures]:
        """Validation rows of each fold, compressed where that is smaller."""
        return self.arrays.map(self._held, self.folds)

    def compresses(self, fold: Fold) -> bool:
        """Test whether the fold's validation rows are more than there are components."""
        return fold.n_validation > self.n_components

    def _held(self, fold: Fold) -> HeldOutFeatures:
        rows = self._rows(fold.validation) - fold.mean
        if not self.compresses(fold):
            return HeldOutFeatures(None, rows)
        rotation, triangle = self.arrays.thin_qr(rows)
        return HeldOutFeatures(rotation, triangle)

    @cached_property
    def unevenness(self) -> float:
        """Inequality of the images' leverages: E[s²] / E[s]² of s = ‖x‖², 1 if all are alike.

        That of the most uneven band; one image alone makes it the number of images.
        """
        ratios = [1.0]
        for columns in self.band_slices:
            scaled = self.components[:, columns] * self.arrays.asarray(
                self.scales[columns], self.dtype
            )
            norms = self.arrays.asarray((scaled**2).sum(1), "float64")
            if norms.any():
                ratios.append(float((norms**2).mean() / norms.mean() ** 2))
        return max(ratios)

    def rotated_images(self, columns: np.ndarray, rotation: Array) -> Array:
        """Multiply columns of all images by `rotation` (column, component), a fold at a time."""
        rotation = self.arrays.asarray(rotation, self.dtype)
        rotated = self.arrays.empty((self.n_images, rotation.shape[1]), self.dtype)
        for images in [*self.parts, self.rest]:
            rotated[images] = self.components[images][:, without_copy(columns)] @ rotation
        return rotated

    def training(self, values: Array, fold: Fold) -> Array:
        """`values` (image, …) of the images that are fitted."""
        first, last = values[: fold.validation.start], values[fold.validation.stop :]
        return last if len(first) == 0 else self.arrays.xp.concatenate([first, last])

    def training_rows(self, fold: Fold) -> Array:
        """(image, component) float64, minus their mean."""
        return self.training(self._rows(slice(0, self.n_images)), fold) - fold.mean

    @cached_property
    def kernels(self) -> list[Array]:
        """(image, image) float64 of each band, X Xᵀ."""
        rows = self._rows(slice(0, self.n_images)) * self.arrays.asarray(self.scales)
        return self.arrays.map(
            lambda columns: rows[:, columns] @ rows[:, columns].T, self.band_slices
        )

    def centred_kernel(self, fold: Fold, weights: np.ndarray) -> tuple[Array, Array]:
        """Σ γ_b X_b X_bᵀ, features minus their training mean, without forming them.

        Returns
        -------
        (train, train) and (validation, train) float64
        """
        active = np.flatnonzero(weights)
        kernel = cast(Array, sum(float(weights[band]) * self.kernels[band] for band in active))
        # symmetric: rows and columns are dropped alike
        kernel = self.training(kernel, fold).T
        inner, outer = self.training(kernel, fold), kernel[fold.validation]
        if self.fit_intercept:
            column = self.arrays.xp.mean(inner, 0)
            centre = column.mean()
            outer = outer - column[None, :] - self.arrays.xp.mean(outer, 1)[:, None] + centre
            inner = inner - column[None, :] - column[:, None] + centre
        return inner, outer

    def columns(self, weights: np.ndarray) -> tuple[np.ndarray, Array]:
        """Components of the bands with weight, and √γ S of each, (active component,) float64."""
        widths = [columns.stop - columns.start for columns in self.band_slices]
        spread = np.repeat(weights, widths)
        indices = np.flatnonzero(spread)
        return indices, self.arrays.asarray(np.sqrt(spread[indices]) * self.scales[indices])

    def feature_weights(self, weights: np.ndarray) -> np.ndarray:
        """Weights of components (component, voxel) as weights of features (feature, voxel)."""
        found = np.empty((self.n_features, weights.shape[1]), self.dtype)
        for features, components, axes in zip(
            self.feature_slices, self.band_slices, self.axes, strict=True
        ):
            cast = self.arrays.asarray(axes, self.dtype)
            product = cast @ self.arrays.asarray(weights[components], self.dtype)
            found[features] = self.arrays.to_numpy(product)
        return found


def _neighbours(widths: list[int]) -> list[slice]:
    edges = np.cumsum([0, *widths]).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def principal_components(arrays: Arrays, rows: Array) -> tuple[Array, np.ndarray, Array]:
    """Components of unit length of `rows` (image, feature), by the smaller of its Gram matrices.

    Directions without variance, up to rounding error of float64, are left out; one at least stays.

    Returns
    -------
    components : (image, component) float64, U
    scales : (component,) float64, S
    axes : (feature, component) float64, U = rows @ axes
    """
    wide = rows.shape[1] > rows.shape[0]
    values, vectors = arrays.xp.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept, scales, inverse = singular_values(arrays, values, max(rows.shape))
    axes = vectors[:, kept] * inverse
    if wide:
        axes = rows.T @ axes * inverse
    return rows @ axes, scales, axes


def singular_values(
    arrays: Arrays, values: Array, size: int
) -> tuple[np.ndarray, np.ndarray, Array]:
    """Select eigenvalues of a Gram matrix above rounding error, one at least, and their roots.

    The largest come first.

    Parameters
    ----------
    values : (component,) ascending
    size : of the matrix, or of the longer side of what it is the Gram matrix of

    Returns
    -------
    kept : indices
    roots : (kept,) float64
    inverse : (kept,) 1 / roots, 0 where there is no variance
    """
    host = arrays.to_numpy(values)
    floor = np.finfo(np.float64).eps * size * max(host[-1], 0.0)
    kept = np.flatnonzero(host > floor) if (host > floor).any() else np.array([len(host) - 1])
    kept = kept[::-1].copy()
    roots = np.sqrt(np.where(host[kept] > floor, host[kept], 0.0))
    inverse = np.divide(1, roots, out=np.zeros_like(roots), where=roots > 0)
    return kept, roots, arrays.asarray(inverse)


def without_copy(columns: np.ndarray) -> slice | np.ndarray:
    """Ascending indices; neighbours as a slice, which takes no copy."""
    first, last = columns[0], columns[-1] + 1
    return slice(first, last) if last - first == len(columns) else columns
