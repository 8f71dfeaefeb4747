"""Banded ridge as a scikit-learn estimator; what it learns means what it does in himalaya."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, NamedTuple, cast

import numpy as np
from himalaya.backend import get_backend
from himalaya.kernel_ridge import generate_dirichlet_samples
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from encoding.product_measure import OFFSET, split_r2
from encoding.ridge.problem import (
    DEFAULT_MEMORY,
    Dtype,
    MissingImages,
    Options,
    Problem,
    Responses,
    Search,
)
from encoding.ridge.solver import fit_models
from encoding.scores import r2_score

OTHER_SCORES = (
    "the mean squared error of held-out samples picks penalties and band weights; leave score_func "
    "out, or take himalaya.ridge.GroupRidgeCV, which picks by other scores"
)
WEIGHTED = (
    "subtract the weighted means from X and y, multiply their rows by the square roots of the "
    "weights, and set fit_intercept=False"
)
A_PARTITION = (
    "a sample validates in one fold at most, and is fitted in all others; choose KFold, GroupKFold "
    "(its groups are `fit`'s cv_groups), LeaveOneGroupOut or PredefinedSplit"
)


# checks of scikit-learn: NaN in y is a missing sample
OF_X = {"dtype": [np.float64, np.float32]}
OF_Y = {"dtype": "numeric", "ensure_2d": False, "ensure_all_finite": "allow-nan"}


class BandedRidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Ridge regression with a penalty and band weights of each target, picked by cross-validation.

    Parameters
    ----------
    groups : (feature,) the band of each feature, numbers or any other labels; features of a
        negative number are left out; None for a single band; "input": X is a list of bands
    alphas : (alpha,) candidate penalties
    n_iter : band weights to draw, as many and as himalaya does, or (iteration, band) band weights
    cv : number of folds, or a scikit-learn splitter that validates no sample twice
    random_state : seed of the draws
    fit_intercept : without, X and Y must have zero mean
    search, backend, dtype, memory_bytes, missing : see `encoding.ridge.problem.Options`; `dtype`
        None is that of X
    local_alpha : whether each target has a penalty of its own. If not, one penalty of each
        iteration serves all targets, the best on average; targets still pick their iteration. All
        penalties of all iterations are then decomposed and searched, whatever `search` is
    score_func : refused, as no other criterion than the mean squared error is computed

    Attributes
    ----------
    bands_ : labels of the bands, in ascending order if they have one, else as they come; without
        labels their numbers
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
        search: Search = "exact",
        backend: str = "numpy",
        dtype: Dtype | None = None,
        memory_bytes: float = DEFAULT_MEMORY,
        missing: MissingImages = "available",
        local_alpha: bool = True,
        score_func: None = None,
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
        self.local_alpha = local_alpha
        self.score_func = score_func

    def fit(self, X: Any, y: Any = None, *, cv_groups: Any = None, **others: Any) -> BandedRidgeCV:
        """Fit targets.

        Parameters
        ----------
        X : (sample, feature), or a list of bands
        y : (sample,) or (sample, target); NaN is a missing sample (see `missing`)
        cv_groups : (sample,) labels of samples that `cv` keeps together, e.g. runs

        Raises
        ------
        ValueError
            Shapes disagree, values are infinite, no target is measured, `cv` validates a sample
            twice, or there is a `score_func`.
        TypeError
            There is a `sample_weight`; the message says what to do instead.
        """
        if self.score_func is not None:
            raise ValueError(f"score_func: {OTHER_SCORES}")
        for name in others:
            raise TypeError(f"fit has no argument '{name}'; instead of sample_weight, {WEIGHTED}")
        X, widths = self._side_by_side(X)
        if y is None:
            name = type(self).__name__
            raise ValueError(f"{name} requires y to be passed, but the target y is None")
        X, y = validate_data(self, X, y, validate_separately=(OF_X, OF_Y))
        check_consistent_length(X, y)
        self._columns = _columns_of_bands(self.groups, X.shape[1], widths)
        self.bands_ = list(self._columns)
        dtype = self.dtype or cast(Dtype, str(X.dtype))
        responses = (y[:, None] if y.ndim == 1 else y).astype(dtype)
        _require_measured(responses, self.missing)
        problem = Problem.of_one_model(
            {str(place): X[:, columns] for place, columns in enumerate(self._columns.values())},
            responses,
            _folds(self.cv, X, responses, cv_groups),
            np.atleast_1d(self.alphas).astype(np.float64),
            self._band_weights(),
            Options(
                search=self.search if self.local_alpha else "exact",
                backend=self.backend,
                dtype=dtype,
                memory_bytes=self.memory_bytes,
                missing=self.missing,
                fit_intercept=self.fit_intercept,
            ),
        )
        fitted = (_fit if self.local_alpha else _fit_one_alpha)(problem)
        self.cv_scores_ = fitted.scores
        self.best_alphas_ = 1 / np.exp(fitted.deltas).sum(axis=0)
        target = 0 if y.ndim == 1 else slice(None)
        self.coef_, self.deltas_ = fitted.coefficients[:, target], fitted.deltas[:, target]
        if self.fit_intercept:
            self.intercept_ = fitted.intercept[target]
        return self

    def predict(self, X: Any, split: bool = False) -> np.ndarray:
        """Predict (sample,) or (sample, target).

        With `split` the parts of the bands, (band, sample) or (band, sample, target), in the order
        of `bands_`: they sum to the prediction minus `intercept_`.
        """
        check_is_fitted(self)
        X, widths = self._side_by_side(X)
        X = validate_data(self, X, reset=False, **OF_X)
        bands = [X[:, columns] for columns in self._columns.values()]
        fitted = [band.shape[1] for band in bands]
        if widths not in (None, fitted):
            raise ValueError(f"X: bands of {widths} features; those of the fit have {fitted}")
        if split:
            parts = zip(bands, np.split(self.coef_, np.cumsum(fitted)[:-1]), strict=True)
            return np.stack([band @ coefficients for band, coefficients in parts])
        predicted = np.hstack(bands) @ self.coef_
        return predicted + self.intercept_ if self.fit_intercept else predicted

    def score(self, X: Any, y: Any, split: bool = False) -> np.ndarray:
        """R² of each target, (target,) or a float, as in himalaya: not their mean.

        With `split` the product measure of each band, (band, target) or (band,) (see
        `encoding.product_measure`); if there is an intercept, of parts minus their means over these
        samples. They sum to R² and what a mean that is predicted wrongly costs,
        n (mean(y) - mean(ŷ))² / Σ (y - mean(y))². NaN in y is left out; a target that does not vary
        is NaN.
        """
        predicted, y = self.predict(X, split), np.asarray(y)
        if y.ndim == 1:
            predicted, y = predicted[..., None], y[:, None]
        found = self._split_r2(y, predicted) if split else r2_score(y, predicted)
        # a single R² is a float
        return found[..., 0][()] if self.coef_.ndim == 1 else found

    def _split_r2(self, y: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """(band, target)."""
        intercept = np.zeros(y.shape[1])
        if self.fit_intercept:
            means = parts.mean(axis=1)
            parts, intercept = parts - means[:, None], self.intercept_ + means.sum(axis=0)
        found = split_r2(y, {str(place): part for place, part in enumerate(parts)}, intercept)
        return np.stack([values for name, values in found.items() if name != OFFSET])

    def _side_by_side(self, X: Any) -> tuple[Any, list[int] | None]:
        """Bands of a list as one X, and how many features each has."""
        if not (isinstance(self.groups, str) and self.groups == "input"):
            return X, None
        bands = [np.asarray(band) for band in X]
        return np.hstack(bands), [band.shape[-1] for band in bands]

    def _band_weights(self) -> np.ndarray:
        """Return band weights (iteration, band)."""
        if not isinstance(self.n_iter, (int, np.integer)):
            return np.asarray(self.n_iter)
        if self.n_iter < 1:
            raise ValueError(f"n_iter: {self.n_iter} band weights; draw at least 1")
        n_bands = len(self.bands_)
        drawn = generate_dirichlet_samples(self.n_iter, n_bands, [0.1, 1.0], self.random_state)
        drawn = get_backend().to_numpy(drawn)
        drawn[0] = 1 / n_bands
        return drawn


class _Fitted(NamedTuple):
    """Fit of all targets.

    Attributes
    ----------
    coefficients : (feature, target)
    intercept : (target,)
    deltas : (band, target)
    scores : (iteration, target)
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    deltas: np.ndarray
    scores: np.ndarray


def _fit(problem: Problem) -> _Fitted:
    """Every target with a penalty of its own."""
    fit = fit_models(problem)["model"]
    with np.errstate(divide="ignore"):
        deltas = np.log(fit.band_weights / fit.alpha)
    return _Fitted(fit.coefficients, fit.intercept, deltas, fit.candidate_scores)


def _fit_one_alpha(problem: Problem) -> _Fitted:
    """Select in each iteration the penalty that is best on average over targets.

    Σ α ‖w‖² / γ is the penalty 1 of band weights γ / α: each pair is searched as a candidate.
    """
    weights = problem.candidates["model"]
    pairs = weights[:, None] / problem.alphas[:, None]

    def with_weights(tried: np.ndarray, responses: Responses) -> _Fitted:
        candidates = {"model": tried}
        return _fit(replace(problem, responses=responses, alphas=np.ones(1), candidates=candidates))

    tried = with_weights(pairs.reshape(-1, weights.shape[1]), problem.responses)
    scores = tried.scores.reshape(*pairs.shape[:2], -1)
    usable = np.isfinite(scores).all(axis=(0, 1))
    best = scores[..., usable].sum(axis=2).argmax(axis=1)
    scores = scores[np.arange(len(weights)), best]
    chosen = np.where(usable, scores.argmax(axis=0), -1)
    fitted = _Fitted(tried.coefficients, tried.intercept, tried.deltas, scores)
    for iteration in np.unique(chosen[usable]):
        targets = np.flatnonzero(chosen == iteration)
        pair = pairs[iteration, best[iteration]][None]
        found = with_weights(pair, problem.responses[:, targets])
        for values, of_targets in zip(fitted[:3], found, strict=False):
            values[..., targets] = of_targets
    return fitted


def _columns_of_bands(
    groups: Any, n_features: int, widths: Sequence[int] | None
) -> dict[Hashable, Any]:
    """{label of a band: its features}, the bands in order; `widths` are those of a list."""
    if widths is not None:
        ends = np.cumsum(widths).tolist()
        return {
            place: slice(end - width, end)
            for place, (end, width) in enumerate(zip(ends, widths, strict=True))
        }
    if groups is None:
        return {0: slice(None)}
    labels = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    if len(labels) != n_features:
        raise ValueError(f"groups ({len(labels)}) do not name a band for {n_features} features")
    columns: dict[Any, list[int]] = {}
    for feature, label in enumerate(labels):
        # NaN is left out as well
        if not isinstance(label, Real) or float(label) >= 0:
            columns.setdefault(label, []).append(feature)
    if not columns:
        raise ValueError("groups: numbers below 0 leave out every feature")
    try:
        return {label: columns[label] for label in sorted(columns)}
    except TypeError:
        return columns


def _folds(cv: Any, X: np.ndarray, responses: np.ndarray, groups: Any) -> np.ndarray:
    """(sample,) the fold in which each validates; -1: in none."""
    splitter, folds = check_cv(cv), np.full(len(X), -1)
    try:
        splits = list(splitter.split(X, responses, groups))
    except ValueError as error:
        raise ValueError(f"cv: {error} (groups are given to fit, as `cv_groups`)") from None
    for fold, (train, validation) in enumerate(splits):
        if (folds[validation] >= 0).any() or len(train) + len(validation) != len(folds):
            raise ValueError(f"cv: {splitter} does not fit: {A_PARTITION}")
        folds[validation] = fold
    return folds


def _require_measured(responses: np.ndarray, missing: str) -> None:
    measured = np.isfinite(responses)
    if not (measured.all(axis=0) if missing == "exclude" else measured.any(axis=0)).any():
        raise ValueError(f"y: its NaN leave no target to fit (with missing='{missing}')")
