"""What all candidates share: Gram matrices of the training images, held-out folds downdated."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from encoding.arrays import Arrays


@dataclass(frozen=True)
class Fold:
    """Images to fit and to score, in the design's order.

    Attributes
    ----------
    validation : neighbours; all others are fitted
    n_train : how many
    mean : (feature,) float64, of the images that are fitted
    """

    validation: slice
    n_train: int
    mean: Any

    @property
    def n_validation(self) -> int:
        return self.validation.stop - self.validation.start


@dataclass(frozen=True)
class Held:
    """Validation rows less the training mean, compressed: rows = rotation @ features.

    With fewer features than validation images, ‖y - Xw‖² = ‖Uᵀy - Rw‖² + ‖y - UUᵀy‖² for X = UR:
    R (feature, feature) takes the place of X. Otherwise `rotation` is None.
    """

    rotation: Any
    features: Any


class Design:
    """Bands of features (image, feature) of the images of a fit, and their folds.

    Images are put in the order of the folds: a fold is a slice, never a copy.

    Grams are float64 whatever the precision of the voxels: they cost little, and their rounding
    error would otherwise bound the penalties that can be used.

    Attributes
    ----------
    order : (image,) the given image at each place
    features : (image, feature), bands one after another, less `offset`
    offset : (feature,) float64, the mean over all images; 0 without an intercept
    band_slices : the columns of each band
    folds : those that validate some image; `whole` fits all images and validates none
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
        edges = np.cumsum([0, *(band.shape[1] for band in bands)])
        self.band_slices = [slice(a, b) for a, b in itertools.pairwise(edges)]
        self.n_images, self.n_features = len(folds), int(edges[-1])
        self.offset = np.concatenate([band.mean(axis=0, dtype=np.float64) for band in bands])
        self.offset *= fit_intercept
        self.order = np.argsort(folds, kind="stable")
        centred = np.empty((self.n_images, self.n_features), dtype)
        for band, columns in zip(bands, self.band_slices, strict=True):
            np.subtract(
                band[self.order], self.offset[columns], out=centred[:, columns], casting="unsafe"
            )
        self.features = arrays.asarray(centred)
        starts = np.searchsorted(folds[self.order], np.unique(folds[folds >= 0]))
        edges = [*starts.tolist(), self.n_images]
        # each fold's validation images; images before them never validate
        self.parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
        self.rest = slice(0, edges[0])
        self.folds = [self._fold(part) for part in self.parts]
        self.whole = self._fold(slice(0, 0))
        self._grams: dict[int, Any] = {}

    def _fold(self, validation: slice) -> Fold:
        n_train = self.n_images - (validation.stop - validation.start)
        total = (
            self._sum
            if validation.stop == validation.start
            else self._sum - self._total(validation)
        )
        return Fold(validation, n_train, total / n_train * self.fit_intercept)

    def _total(self, images: slice) -> Any:
        return self._rows(images).sum(0)

    @cached_property
    def _sum(self) -> Any:
        return self._total(slice(0, self.n_images))

    def _rows(self, images: slice) -> Any:
        """(image, feature) float64."""
        return self.arrays.asarray(self.features[images], "float64")

    @cached_property
    def _second_moments(self) -> list[Any]:
        """XᵀX of the images of each fold, then of those that never validate."""
        return self.arrays.map(self._of_images, [*self.parts, self.rest])

    @cached_property
    def _second_moment(self) -> Any:
        """XᵀX of all images; those of the folds are kept only if they are there already."""
        if "_second_moments" in vars(self):
            return sum(self._second_moments)
        parts, total = [*self.parts, self.rest], 0
        for first in range(0, len(parts), self.arrays.workers):
            some = parts[first : first + self.arrays.workers]
            total = sum(self.arrays.map(self._of_images, some), total)
        return total

    def _of_images(self, images: slice) -> Any:
        rows = self._rows(images)
        return rows.T @ rows

    def gram(self, fold: Fold) -> Any:
        """(feature, feature) float64, of the fold's training images less their mean."""
        if id(fold) not in self._grams:
            held = None if fold is self.whole else self._second_moments[self.index(fold)]
            gram = self._second_moment - fold.n_train * fold.mean[:, None] * fold.mean[None, :]
            if held is not None:
                gram = gram - held
            self._grams[id(fold)] = gram
        return self._grams[id(fold)]

    def weighted_gram(self, fold: Fold, columns: np.ndarray, roots: Any) -> Any:
        """`gram` of some features, each times its root, (feature with weight, the same)."""
        taken = without_copy(columns)
        return self.gram(fold)[taken][:, taken] * (roots[:, None] * roots[None, :])

    def index(self, fold: Fold) -> int:
        """Its place among the folds."""
        return next(i for i, other in enumerate(self.folds) if other is fold)

    @cached_property
    def held(self) -> list[Held]:
        """Validation rows of each fold, compressed where that is smaller."""
        return self.arrays.map(self._held, self.folds)

    def compresses(self, fold: Fold) -> bool:
        """Whether the fold's validation rows are more than there are features."""
        return fold.n_validation > self.n_features

    def _held(self, fold: Fold) -> Held:
        rows = self._rows(fold.validation) - fold.mean
        if not self.compresses(fold):
            return Held(None, rows)
        rotation, triangle = self.arrays.thin_qr(rows)
        return Held(rotation, triangle)

    @cached_property
    def unevenness(self) -> float:
        """How unequal the images' leverages are: E[s²] / E[s]² of s = ‖x‖², 1 if all are alike.

        That of the most uneven band; one image alone makes it the number of images.
        """
        squares, ratios = self.features**2, [1.0]
        for columns in self.band_slices:
            norms = self.arrays.asarray(squares[:, columns].sum(1), "float64")
            if norms.any():
                ratios.append(float((norms**2).mean() / norms.mean() ** 2))
        return max(ratios)

    def rotated_images(self, columns: np.ndarray, rotation: Any) -> Any:
        """Some features of all images times `rotation` (feature, component); a fold at a time."""
        shape = self.n_images, rotation.shape[1]
        rotated = self.arrays.empty(shape, self.dtype)
        for images in [*self.parts, self.rest]:
            rotated[images] = self.arrays.asarray(
                self._rows(images)[:, columns] @ rotation, self.dtype
            )
        return rotated

    def training(self, values: Any, fold: Fold) -> Any:
        """`values` (image, …) of the images that are fitted."""
        first, last = values[: fold.validation.start], values[fold.validation.stop :]
        return last if len(first) == 0 else self.arrays.xp.concatenate([first, last])

    def training_rows(self, fold: Fold) -> Any:
        """(image, feature) float64, less their mean."""
        return self.training(self._rows(slice(0, self.n_images)), fold) - fold.mean

    @cached_property
    def kernels(self) -> list[Any]:
        """(image, image) float64 of each band."""
        rows = self._rows(slice(0, self.n_images))
        return self.arrays.map(
            lambda columns: rows[:, columns] @ rows[:, columns].T, self.band_slices
        )

    def centred_kernel(self, fold: Fold, weights: np.ndarray) -> tuple[Any, Any]:
        """Σ γ_b X_b X_bᵀ, features less their training mean, without forming them.

        Returns
        -------
        (train, train) and (validation, train) float64
        """
        active = np.flatnonzero(weights)
        kernel = sum(float(weights[band]) * self.kernels[band] for band in active)
        # symmetric: rows and columns are dropped alike
        kernel = self.training(kernel, fold).T
        inner, outer = self.training(kernel, fold), kernel[fold.validation]
        if self.fit_intercept:
            column = self.arrays.xp.mean(inner, 0)
            centre = column.mean()
            outer = outer - column[None, :] - self.arrays.xp.mean(outer, 1)[:, None] + centre
            inner = inner - column[None, :] - column[:, None] + centre
        return inner, outer

    def columns(self, weights: np.ndarray) -> tuple[np.ndarray, Any]:
        """Columns of the bands with weight, and √γ of each, (active feature,) float64."""
        widths = [columns.stop - columns.start for columns in self.band_slices]
        spread = np.repeat(weights, widths)
        indices = np.flatnonzero(spread)
        return indices, self.arrays.asarray(np.sqrt(spread[indices]))


def without_copy(columns: np.ndarray) -> slice | np.ndarray:
    """Ascending indices; neighbours as a slice, which takes no copy."""
    first, last = columns[0], columns[-1] + 1
    return slice(first, last) if last - first == len(columns) else columns
