"""Banded ridge as a scikit-learn estimator; what it learns means what it does in himalaya."""

from __future__ import annotations

from typing import Any

import numpy as np
from himalaya.backend import get_backend
from himalaya.kernel_ridge import generate_dirichlet_samples
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from encoding.banded_ridge import DEFAULT_MEMORY, Options, fit_banded_ridge


class BandedRidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Ridge regression with a penalty and band weights of each target, picked by cross-validation.

    Parameters
    ----------
    groups : (feature,) the band of each feature, bands in ascending order, features of a negative
        one left out; None for a single band; "input": X is a list of bands
    alphas : (alpha,) candidate penalties
    n_iter : band weights to draw, as many and as himalaya does, or (iteration, band) band weights
    cv : number of folds, or a scikit-learn splitter that validates no sample twice
    random_state : seed of the draws
    fit_intercept : without, X and Y must have zero mean
    search, backend, dtype, memory_bytes, missing : see `encoding.banded_ridge.Options`; `dtype`
        None is that of X

    Attributes
    ----------
    coef_ : (feature,) or (feature, target); with `groups`, features band after band
    intercept_ : float or (target,); only with `fit_intercept`
    best_alphas_ : (target,), 1 / Σ exp(deltas_), the penalty if the weights picked sum to 1
    deltas_ : (band,) or (band, target), log(γ / α)
    cv_scores_ : (iteration, target), minus the mean squared error averaged over folds, at the best
        penalty; NaN where a windowed search ruled the iteration out
    n_features_in_ : int

    Targets that cannot be fitted are NaN throughout.

    See Also
    --------
    himalaya.ridge.GroupRidgeCV
    """

    def __init__(
        self,
        groups: Any = None,
        alphas: Any = (0.1, 1, 10, 100, 1000),
        n_iter: Any = 100,
        cv: Any = 5,
        random_state: int | None = None,
        fit_intercept: bool = True,
        search: str = "exact",
        backend: str = "numpy",
        dtype: str | None = None,
        memory_bytes: float = DEFAULT_MEMORY,
        missing: str = "available",
    ) -> None:
        self.groups = groups
        self.alphas = alphas
        self.n_iter = n_iter
        self.cv = cv
        self.random_state = random_state
        self.fit_intercept = fit_intercept
        self.search = search
        self.backend = backend
        self.dtype = dtype
        self.memory_bytes = memory_bytes
        self.missing = missing

    def fit(self, X: Any, y: Any) -> BandedRidgeCV:
        """Fit to X (sample, feature), or a list of bands, and y (sample,) or (sample, target)."""
        bands = self._bands(X, reset=True)
        dtype = self.dtype or ("float32" if bands[0].dtype == np.float32 else "float64")
        y = np.asarray(y, dtype=dtype)
        responses = y[:, None] if y.ndim == 1 else y
        fit = fit_banded_ridge(
            {str(place): band for place, band in enumerate(bands)},
            responses,
            self._folds(responses),
            np.atleast_1d(self.alphas),
            self._band_weights(len(bands)),
            Options(
                search=self.search,
                backend=self.backend,
                dtype=dtype,
                memory_bytes=self.memory_bytes,
                missing=self.missing,
                fit_intercept=self.fit_intercept,
            ),
        )
        with np.errstate(divide="ignore"):
            deltas = np.log(fit.band_weights / fit.alpha)
        target = (slice(None), 0) if y.ndim == 1 else slice(None)
        self.coef_, self.deltas_ = fit.coefficients[target], deltas[target]
        self.cv_scores_ = fit.candidate_scores
        self.best_alphas_ = 1 / np.exp(deltas).sum(axis=0)
        if self.fit_intercept:
            self.intercept_ = fit.intercept[0] if y.ndim == 1 else fit.intercept
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict (sample,) or (sample, target)."""
        check_is_fitted(self)
        predicted = np.hstack(self._bands(X, reset=False)) @ self.coef_
        return predicted + self.intercept_ if self.fit_intercept else predicted

    def score(self, X: Any, y: Any) -> np.ndarray:
        """R² of each target, (target,) or a float, as in himalaya: not their mean."""
        predicted, y = self.predict(X), np.asarray(y)
        residual = ((y - predicted) ** 2).sum(axis=0)
        return 1 - residual / ((y - y.mean(axis=0)) ** 2).sum(axis=0)

    def _bands(self, X: Any, reset: bool) -> list[np.ndarray]:
        if isinstance(self.groups, str) and self.groups == "input":
            bands = [np.asarray(band) for band in X]
            X = np.hstack(bands)
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        if isinstance(self.groups, str) and self.groups == "input":
            edges = np.cumsum([band.shape[1] for band in bands])[:-1]
            return np.split(X, edges, axis=1)
        groups = np.zeros(X.shape[1]) if self.groups is None else np.asarray(self.groups)
        if groups.shape != (X.shape[1],):
            raise ValueError(f"groups {groups.shape} do not name a band for {X.shape[1]} features")
        return [X[:, groups == group] for group in np.unique(groups) if group >= 0]

    def _folds(self, responses: np.ndarray) -> np.ndarray:
        folds = np.full(len(responses), -1)
        for fold, (train, validation) in enumerate(check_cv(self.cv).split(responses)):
            if (folds[validation] >= 0).any() or len(train) + len(validation) != len(folds):
                raise ValueError(
                    "cv: a sample validates in one fold at most and is fitted in all others; "
                    "choose KFold, GroupKFold or PredefinedSplit"
                )
            folds[validation] = fold
        return folds

    def _band_weights(self, n_bands: int) -> np.ndarray:
        if not isinstance(self.n_iter, (int, np.integer)):
            return np.asarray(self.n_iter)
        drawn = generate_dirichlet_samples(self.n_iter, n_bands, [0.1, 1.0], self.random_state)
        drawn = get_backend().to_numpy(drawn)
        drawn[0] = 1 / n_bands
        return drawn
