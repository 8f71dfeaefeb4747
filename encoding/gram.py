"""What all candidates share: Gram matrices of the training images, held-out folds downdated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from encoding.arrays import Arrays


@dataclass(frozen=True)
class Fold:
    """Images to fit, images to score, and the mean features (feature,) float64 of the former."""

    train: np.ndarray
    validation: np.ndarray
    mean: Any


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

    Grams are float64 whatever the precision of the voxels: they cost little, and their rounding
    error would otherwise bound the penalties that can be used.

    Attributes
    ----------
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
        self.band_slices = [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        self.n_images, self.n_features = len(folds), int(edges[-1])
        self.offset = np.concatenate([band.mean(axis=0, dtype=np.float64) for band in bands])
        self.offset *= fit_intercept
        centred = np.empty((self.n_images, self.n_features), dtype)
        for band, columns in zip(bands, self.band_slices, strict=True):
            np.subtract(band, self.offset[columns], out=centred[:, columns], casting="unsafe")
        self.features = arrays.asarray(centred)
        self.whole = self._fold(np.arange(self.n_images), np.arange(0))
        self.folds = [
            self._fold(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
            for fold in np.unique(folds[folds >= 0])
        ]
        self._grams: dict[int, Any] = {}

    def _fold(self, train: np.ndarray, validation: np.ndarray) -> Fold:
        mean = self.arrays.xp.mean(self._rows(train), 0) * self.fit_intercept
        return Fold(train, validation, mean)

    def _rows(self, images: np.ndarray, dtype: str = "float64") -> Any:
        return self.arrays.asarray(self.features[images], dtype)

    @cached_property
    def parts(self) -> list[np.ndarray]:
        """Each fold's validation images, then those that never validate."""
        held = [fold.validation for fold in self.folds]
        validating = np.concatenate([*held, np.arange(0)])
        return [*held, np.setdiff1d(self.whole.train, validating)]

    @cached_property
    def _second_moments(self) -> list[Any]:
        """XᵀX of each of `parts`."""
        return [rows.T @ rows for rows in map(self._rows, self.parts)]

    @cached_property
    def _second_moment(self) -> Any:
        return sum(self._second_moments[1:], self._second_moments[0])

    def gram(self, fold: Fold) -> Any:
        """(feature, feature) float64, of the fold's training images less their mean."""
        if id(fold) not in self._grams:
            gram = self._second_moment - len(fold.train) * fold.mean[:, None] * fold.mean[None, :]
            if fold is not self.whole:
                gram = gram - self._second_moments[self.index(fold)]
            self._grams[id(fold)] = gram
        return self._grams[id(fold)]

    def index(self, fold: Fold) -> int:
        """Its place among the folds."""
        return next(i for i, other in enumerate(self.folds) if other is fold)

    @cached_property
    def held(self) -> list[Held]:
        """Validation rows of each fold, compressed where that is smaller."""
        return [self._held(fold) for fold in self.folds]

    def _held(self, fold: Fold) -> Held:
        rows = self._rows(fold.validation) - fold.mean
        if rows.shape[0] <= rows.shape[1]:
            return Held(None, rows)
        rotation, triangle = self.arrays.xp.linalg.qr(rows)
        return Held(rotation, triangle)

    def training_rows(self, fold: Fold) -> Any:
        """(image, feature) float64, less their mean."""
        return self._rows(fold.train) - fold.mean

    @cached_property
    def kernels(self) -> list[Any]:
        """(image, image) float64 of each band."""
        rows = self._rows(np.arange(self.n_images))
        return [rows[:, columns] @ rows[:, columns].T for columns in self.band_slices]

    def centred_kernel(self, fold: Fold, weights: np.ndarray) -> tuple[Any, Any]:
        """Σ γ_b X_b X_bᵀ, features less their training mean, without forming them.

        Returns
        -------
        (train, train) and (validation, train) float64
        """
        rows = np.concatenate([fold.train, fold.validation])
        active = np.flatnonzero(weights)
        kernel = sum(float(weights[band]) * self.kernels[band][rows] for band in active)
        kernel = kernel[:, fold.train]
        n_train = len(fold.train)
        if self.fit_intercept:
            inner = kernel[:n_train]
            column, row = self.arrays.xp.mean(inner, 0), self.arrays.xp.mean(kernel, 1)
            kernel = kernel - column[None, :] - row[:, None] + column.mean()
        return kernel[:n_train], kernel[n_train:]

    def columns(self, weights: np.ndarray) -> tuple[np.ndarray, Any]:
        """Columns of the bands with weight, and √γ of each, (active feature,) float64."""
        widths = [columns.stop - columns.start for columns in self.band_slices]
        spread = np.repeat(weights, widths)
        indices = np.flatnonzero(spread)
        return indices, self.arrays.asarray(np.sqrt(spread[indices]))

