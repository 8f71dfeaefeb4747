"""Fewer features from many: principal components, sparse random projections, whitening.

Every reduction is linear and is stored completely, so that it can be applied to new images:
y = (x - mean) @ components.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.random_projection import SparseRandomProjection

# beyond it the principal components are found batch by batch
WHOLE_MATRIX_BYTES = 8e8
ROWS_PER_BLOCK = 4096
# that are tried for a share of the variance of a matrix taken batch by batch
MOST_COMPONENTS = 1000
OVERSAMPLING = 4


class Matrix(Protocol):
    """Features (image, feature): an array, or one that is read from files by blocks of rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of images and features."""

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...

    def __array__(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Reduction:
    """A fitted reduction.

    Attributes
    ----------
    mean : (feature,) float32, of the images it was fitted on
    components : (feature, component) float32, whitening included; sparse for random projections
    explained_variance : (component,) share of the variance of the fitted images; NaN for random
        projections
    """

    mean: np.ndarray
    components: np.ndarray | csr_array
    explained_variance: np.ndarray

    def transform(self, features: np.ndarray) -> np.ndarray:
        """(image, component) float32 of features (image, feature)."""
        result = np.empty((len(features), self.components.shape[1]), dtype=np.float32)
        for rows in _blocks(len(features), ROWS_PER_BLOCK):
            result[rows] = (np.asarray(features[rows]) - self.mean) @ self.components
        return result


def fit_principal_components(
    features: Matrix, components: float, whiten: bool = False, seed: int = 0
) -> Reduction:
    """Principal components of training images.

    Parameters
    ----------
    features : (image, feature), training images only; read in blocks if it is large, so that an
        open HDF5 dataset serves too
    components : a number of components, or below 1 the share of the variance to explain
    whiten : give every component unit variance over the training images
    seed : of the randomised solver

    Raises
    ------
    ValueError
        Fewer images or features than components, or features without variance.
    """
    n_images, n_features = features.shape
    components = int(components) if components >= 1 else components
    if components >= 1 and components > min(n_images, n_features):
        raise ValueError(
            f"{components} principal components of {n_images} training images with {n_features} "
            "features; ask for fewer"
        )
    fits = 4 * n_images * n_features <= WHOLE_MATRIX_BYTES
    if fits:
        # few components of a large matrix: scikit-learn then takes the randomised solver
        model = PCA(components, random_state=seed).fit(np.asarray(features, dtype=np.float32))
    else:
        model = _incremental(features, components)
    if not model.explained_variance_.max() > 0:
        raise ValueError("the features do not vary over the training images")
    kept = _enough(model.explained_variance_ratio_, components)
    directions = model.components_[:kept].T.astype(np.float32)
    if whiten:
        directions /= np.sqrt(model.explained_variance_[:kept]).astype(np.float32)
    shares = model.explained_variance_ratio_[:kept].astype(np.float32)
    return Reduction(model.mean_.astype(np.float32), directions, shares)


def _incremental(features: Matrix, components: float) -> IncrementalPCA:
    n_images, n_features = features.shape
    # what is cut off after each batch is lost: keep more than requested; a share of the variance
    # is only known once there are components enough
    requested = OVERSAMPLING * components if components >= 1 else MOST_COMPONENTS
    number = int(min(n_images, n_features, requested))
    model = IncrementalPCA(number)
    for rows in _blocks(n_images, max(ROWS_PER_BLOCK, 2 * number)):
        model.partial_fit(np.asarray(features[rows], dtype=np.float32))
    return model


def _enough(shares: np.ndarray, components: float) -> int:
    if components >= 1:
        return int(components)
    reached = np.cumsum(shares)
    if reached[-1] < components - 1e-6 and len(shares) == MOST_COMPONENTS:
        raise ValueError(
            f"{len(shares)} principal components explain {reached[-1]:.2f} of the variance, less "
            f"than {components}; ask for less, or for a number of components"
        )
    return min(int(np.searchsorted(reached, components - 1e-6)) + 1, len(shares))


def fit_random_projection(n_features: int, components: int, seed: int) -> Reduction:
    """Draw a sparse random projection (Li, Hastie & Church 2006), which needs no training images.

    Distances between images are kept on average.
    """
    model = SparseRandomProjection(components, random_state=seed)
    model.fit(np.zeros((1, n_features), dtype=np.float32))
    directions = csr_array(model.components_.T, dtype=np.float32)
    unknown = np.full(components, np.nan, dtype=np.float32)
    return Reduction(np.zeros(n_features, dtype=np.float32), directions, unknown)


def _blocks(n_rows: int, size: int) -> Iterator[slice]:
    """Slices of about `size` rows, the last not smaller than half of it."""
    edges = np.linspace(0, n_rows, max(1, round(n_rows / size)) + 1).round().astype(int)
    return (slice(*pair) for pair in itertools.pairwise(edges))
