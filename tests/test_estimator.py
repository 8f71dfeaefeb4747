"""The scikit-learn estimator, against himalaya's, and stacked regression."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.optimize
from conftest import ROOT
from himalaya.ridge import GroupRidgeCV
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from encoding.ridge.estimator import BandedRidgeCV
from encoding.ridge.problem import Options
from encoding.ridge.stacking import fit_stacking, simplex_weights
from encoding.scores import r2_score
from encoding.splits import inner_folds

GROUPS = np.array([0, 1, 0, 2, 2, -1, 1, 0])
ALPHAS = np.logspace(-1, 3, 7)


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 8))
    return x, x @ generator.normal(size=(8, 4)) + 2 * generator.normal(size=(60, 4)) + 3


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("target", [slice(None), 0], ids=["targets", "one target"])
def test_what_is_learnt_means_what_it_does_in_himalaya(data, fit_intercept, target):
    x, y = data[0], data[1][:, target]
    if not fit_intercept:
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    own = BandedRidgeCV(GROUPS, ALPHAS, 7, 4, 3, fit_intercept).fit(x, y)
    parameters = {"n_iter": 7, "alphas": ALPHAS, "progress_bar": False}
    other = GroupRidgeCV(
        GROUPS, solver_params=parameters, cv=4, random_state=3, fit_intercept=fit_intercept
    ).fit(x, y)
    names = ["coef_", "deltas_", "cv_scores_", "best_alphas_"]
    for name in [*names, "intercept_"] if fit_intercept else names:
        found, expected = np.asarray(getattr(own, name)), np.asarray(getattr(other, name))
        assert found.shape == expected.shape, name
        assert np.allclose(found, expected, atol=1e-6), name
    if np.ndim(y) == 2:
        assert np.allclose(own.score(x[:, :8], y), other.score(x, y))


def test_given_band_weights_and_a_list_of_bands(data):
    x, y = data
    weights = np.array([[0.2, 0.8], [0.5, 0.5], [2.0, 1.0]])
    own = BandedRidgeCV("input", ALPHAS, weights, KFold(5)).fit([x[:, :3], x[:, 3:]], y)
    parameters = {"n_iter": weights, "alphas": ALPHAS, "progress_bar": False}
    other = GroupRidgeCV("input", solver_params=parameters, cv=5, fit_intercept=True)
    other.fit([x[:, :3], x[:, 3:]], y)
    assert np.allclose(own.deltas_, other.deltas_)
    assert np.allclose(own.best_alphas_, other.best_alphas_)
    assert np.allclose(own.predict([x[:, :3], x[:, 3:]]), other.predict([x[:, :3], x[:, 3:]]))


def test_it_clones_and_goes_into_pipelines(data):
    x, y = data
    model = BandedRidgeCV(GROUPS, ALPHAS, 3, random_state=0)
    assert set(clone(model).get_params()) == set(model.get_params())
    pipe = make_pipeline(StandardScaler(), clone(model)).fit(x, y)
    assert pipe.predict(x).shape == y.shape
    assert not hasattr(model, "coef_")


def test_precision_is_that_of_the_features(data):
    x, y = data
    assert BandedRidgeCV(n_iter=1).fit(x.astype(np.float32), y).coef_.dtype == np.float32
    assert BandedRidgeCV(n_iter=1).fit(x, y).coef_.dtype == np.float64


def himalaya(groups=GROUPS, cv=4, fit_intercept=True, **parameters):
    parameters = {"n_iter": 7, "alphas": ALPHAS, "progress_bar": False, **parameters}
    return GroupRidgeCV(
        groups, solver_params=parameters, cv=cv, random_state=3, fit_intercept=fit_intercept
    )


def centred(data):
    return [values - values.mean(axis=0) for values in data]


@pytest.mark.parametrize("target", [slice(None), 0], ids=["targets", "one target"])
def test_predictions_and_scores_are_split_by_band_as_in_himalaya(data, target):
    x, y = centred(data)
    own = BandedRidgeCV(GROUPS, ALPHAS, 7, 4, 3, fit_intercept=False).fit(x, y[:, target])
    other = himalaya(fit_intercept=False).fit(x, y[:, target])
    parts = own.predict(x, split=True)
    assert np.allclose(parts, other.predict(x, split=True))
    assert np.allclose(parts.sum(axis=0), own.predict(x))
    found = own.score(x, y[:, target], split=True)
    assert found.shape == own.deltas_.shape
    assert np.allclose(found.sum(axis=0), own.score(x, y[:, target]))
    if y[:, target].ndim == 2:
        assert np.allclose(found, other.score(x, y, split=True))


def test_with_an_intercept_parts_do_not_depend_on_where_features_have_their_zero(data):
    x, y = data
    scores = []
    for moved in (0, 100):
        own = BandedRidgeCV(GROUPS, ALPHAS, 7, 4, 3).fit(x[:40] + moved, y[:40])
        parts = own.predict(x[40:] + moved, split=True)
        predicted = own.predict(x[40:] + moved)
        assert np.allclose(parts.sum(axis=0) + own.intercept_, predicted)
        scores.append(own.score(x[40:] + moved, y[40:], split=True))
        bias = (y[40:].mean(axis=0) - predicted.mean(axis=0)) ** 2 / y[40:].var(axis=0)
        expected = own.score(x[40:] + moved, y[40:]) + bias
        assert np.allclose(scores[-1].sum(axis=0), expected)
    assert np.allclose(*scores)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_penalty_for_all_targets_is_himalayas(data, dtype):
    x, y = (values.astype(dtype) for values in data)
    # targets that would each pick another penalty
    y = y + np.random.default_rng(1).normal(size=y.shape).astype(dtype) * [0, 2, 10, 40]
    y = y.astype(dtype)
    own = BandedRidgeCV(GROUPS, ALPHAS, 7, 4, 3, local_alpha=False).fit(x, y)
    other = himalaya(local_alpha=False).fit(x, y)
    assert len(np.unique(BandedRidgeCV(GROUPS, ALPHAS, 7, 4, 3).fit(x, y).best_alphas_)) > 1
    exact = 1e-6 if dtype == "float64" else 1e-3
    for name in ("coef_", "deltas_", "cv_scores_", "best_alphas_", "intercept_"):
        found, expected = getattr(own, name), np.asarray(getattr(other, name))
        assert found.shape == expected.shape, name
        assert np.allclose(found, expected, rtol=exact, atol=exact), name


def test_one_penalty_leaves_targets_that_cannot_be_fitted_out(data):
    x, y = data
    with_constant = np.column_stack([y, np.ones(len(y))])
    alone, beside = (
        BandedRidgeCV(GROUPS, ALPHAS, 7, 4, 3, local_alpha=False).fit(x, targets)
        for targets in (y, with_constant)
    )
    assert np.allclose(beside.coef_[:, :4], alone.coef_)
    assert np.isnan(beside.coef_[:, 4]).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_band_is_scikit_learns_ridge(data, fit_intercept):
    x, y = data if fit_intercept else centred(data)
    own = BandedRidgeCV(None, ALPHAS, 1, 5, fit_intercept=fit_intercept).fit(x, y[:, 0])
    scoring = "neg_mean_squared_error"
    other = RidgeCV(ALPHAS, cv=5, fit_intercept=fit_intercept, scoring=scoring).fit(x, y[:, 0])
    assert own.best_alphas_ == pytest.approx(other.alpha_)
    assert np.allclose(own.coef_, other.coef_)
    assert np.allclose(own.predict(x), other.predict(x))
    assert own.score(x, y[:, 0]) == pytest.approx(other.score(x, y[:, 0]))


@pytest.mark.parametrize(
    "names",
    [
        ("colour", "motion", "words"),
        (b"a", b"b", b"c"),
        (("v", 1), ("v", 2), ("w", 0)),
        (2, 3.5, 9),
    ],
    ids=["text", "bytes", "tuples", "numbers"],
)
def test_bands_are_named_by_whatever_has_an_order(data, names):
    x, y = data[0][:, GROUPS >= 0], data[1]
    numbers = GROUPS[GROUPS >= 0]
    named = BandedRidgeCV([names[number] for number in numbers], ALPHAS, 5, random_state=0)
    numbered = BandedRidgeCV(numbers, ALPHAS, 5, random_state=0).fit(x, y)
    assert named.fit(x, y).bands_ == list(names)
    assert np.array_equal(named.coef_, numbered.coef_)
    assert np.array_equal(named.predict(x), numbered.predict(x))


def test_labels_without_an_order_are_bands_as_they_come(data):
    labels = ["words", None, 7, None, "words", -1, np.nan, 7]
    model = BandedRidgeCV(labels, ALPHAS, 5, random_state=0).fit(*data)
    assert model.bands_ == ["words", None, 7]
    x, columns = data[0], [0, 4, 1, 3, 2, 7]
    assert np.allclose(model.predict(x), x[:, columns] @ model.coef_ + model.intercept_)


RUNS = np.repeat(np.arange(6), 10)


@pytest.mark.parametrize("target", [slice(None), 0], ids=["targets", "one target"])
def test_samples_of_a_group_validate_together(data, target):
    x, y = data[0], data[1][:, target]
    own = BandedRidgeCV(GROUPS, ALPHAS, 7, GroupKFold(3), 3).fit(x, y, cv_groups=RUNS)
    other = himalaya(cv=list(GroupKFold(3).split(x, groups=RUNS))).fit(x, y)
    assert np.allclose(own.cv_scores_, other.cv_scores_)
    assert np.allclose(own.coef_, other.coef_)
    pipe = make_pipeline(StandardScaler(), BandedRidgeCV(n_iter=1, cv=GroupKFold(3)))
    assert pipe.fit(x, y, bandedridgecv__cv_groups=RUNS).predict(x).shape == y.shape


def test_groups_that_a_splitter_lacks_are_asked_for(data):
    with pytest.raises(ValueError, match="as `cv_groups`"):
        BandedRidgeCV(cv=GroupKFold(3), n_iter=1).fit(*data)


@pytest.mark.parametrize(
    "cv", [LeaveOneOut(), PredefinedSplit(np.arange(60) % 4 - 1)], ids=["leave one out", "given"]
)
def test_any_splitter_that_parts_samples_is_taken(data, cv):
    own = BandedRidgeCV(GROUPS, ALPHAS, 7, cv, 3).fit(*data)
    other = himalaya(cv=list(cv.split(data[0]))).fit(*data)
    assert np.allclose(own.cv_scores_, other.cv_scores_)


@pytest.mark.parametrize(
    "cv", [ShuffleSplit(5, random_state=0), RepeatedKFold(n_repeats=2), TimeSeriesSplit(3)]
)
def test_other_splitters_are_refused_with_what_to_choose(data, cv):
    with pytest.raises(ValueError, match=f"{type(cv).__name__}.*one fold at most.*choose KFold"):
        BandedRidgeCV(cv=cv, n_iter=1).fit(*data)


def test_another_criterion_is_refused(data):
    with pytest.raises(ValueError, match=r"score_func: the mean squared error.*GroupRidgeCV"):
        BandedRidgeCV(n_iter=1, score_func=r2_score).fit(*data)


def test_weights_of_samples_are_refused_by_a_recipe_that_is_exact(data):
    x, y = data
    weights = np.random.default_rng(2).uniform(0.5, 3, len(x))
    with pytest.raises(TypeError, match=r"'sample_weight'.*square roots.*fit_intercept=False"):
        BandedRidgeCV(n_iter=1).fit(x, y, sample_weight=weights)
    roots = np.sqrt(weights)[:, None]
    rows = [(a - np.average(a, axis=0, weights=weights)) * roots for a in data]
    own = BandedRidgeCV(alphas=[3.0], n_iter=1, fit_intercept=False).fit(*rows)
    assert np.allclose(own.coef_.T, Ridge(3.0).fit(x, y, sample_weight=weights).coef_)


def test_infinite_targets_are_refused_and_missing_ones_left_out(data):
    x, y = data
    spoilt = y.copy()
    spoilt[5, 1] = np.inf
    with pytest.raises(ValueError, match="Input y contains infinity"):
        BandedRidgeCV(n_iter=1).fit(x, spoilt)
    spoilt[5, 1] = np.nan
    folds = PredefinedSplit(np.arange(60) % 4)
    available = BandedRidgeCV(GROUPS, ALPHAS, 7, folds, 3).fit(x, spoilt)
    kept = np.arange(60) != 5
    fewer = PredefinedSplit((np.arange(60) % 4)[kept])
    alone = BandedRidgeCV(GROUPS, ALPHAS, 7, fewer, 3).fit(x[kept], y[kept, 1])
    assert np.allclose(available.coef_[:, 1], alone.coef_)
    assert available.score(x, spoilt)[1] == pytest.approx(alone.score(x[kept], y[kept, 1]))
    excluded = BandedRidgeCV(GROUPS, ALPHAS, 7, folds, 3, missing="exclude").fit(x, spoilt)
    assert np.isnan(excluded.coef_).any(axis=0).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("change", "y", "message"),
    [
        ({}, None, "requires y to be passed"),
        ({}, np.full(60, np.nan), "its NaN leave no target to fit"),
        ({"n_iter": 0}, np.arange(60), "n_iter: 0 band weights; draw at least 1"),
        ({"n_iter": np.ones((0, 1))}, np.arange(60), "do not fit 1 bands"),
        ({"groups": np.full(8, -1)}, np.arange(60), "leave out every feature"),
        ({"alphas": [0.0, 1.0]}, np.arange(60), "penalties above 0"),
        ({}, np.arange(59), "inconsistent numbers of samples"),
    ],
)
def test_what_cannot_be_fitted_is_reported(data, change, y, message):
    with pytest.raises(ValueError, match=message):
        BandedRidgeCV(**change).fit(data[0], y)


def test_bands_of_other_widths_than_those_of_the_fit_are_reported(data):
    x, y = data
    model = BandedRidgeCV("input", ALPHAS, 2, random_state=0).fit([x[:, :3], x[:, 3:]], y)
    with pytest.raises(
        ValueError, match=r"bands of \[5, 3\] features; those of the fit have \[3, 5\]"
    ):
        model.predict([x[:, :5], x[:, 5:]])


ESTIMATOR_CHECKS = """
from sklearn.utils.estimator_checks import check_estimator
from encoding.ridge.estimator import BandedRidgeCV

for parameters in {}, {"local_alpha": False, "fit_intercept": False}:
    found = check_estimator(BandedRidgeCV(n_iter=2, **parameters), on_skip=None)
    assert len(found) > 50
    assert {check["status"] for check in found} == {"passed"}, found
"""


def test_scikit_learns_checks_pass_and_none_is_skipped():
    # its check of array inputs is skipped unless scipy is told at import
    environ = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ESTIMATOR_CHECKS]
    done = subprocess.run(command, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr[-2000:]


def test_groups_of_another_number_of_features_are_an_error(data):
    with pytest.raises(ValueError, match="do not name a band for 8 features"):
        BandedRidgeCV(GROUPS[:5], n_iter=1).fit(*data)


# ---- stacked regression


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_stacking_weights_solve_the_quadratic_program(seed, n_spaces):
    generator = np.random.default_rng(seed)
    errors = generator.normal(size=(3, 20, n_spaces)) + generator.normal(size=(3, 20, 1))
    products = np.einsum("vni,vnj->vij", errors, errors)
    found = simplex_weights(products)
    assert np.allclose(found.sum(axis=0), 1)
    for voxel in range(3):
        solved = scipy.optimize.minimize(
            lambda s, p: s @ p @ s,
            np.full(n_spaces, 1 / n_spaces),
            args=(products[voxel],),
            bounds=[(0, 1)] * n_spaces,
            constraints={"type": "eq", "fun": lambda s: s.sum() - 1},
        )
        loss = found[:, voxel] @ products[voxel] @ found[:, voxel]
        assert loss <= solved.fun * (1 + 1e-6)


def test_a_space_given_twice_still_has_weights_on_the_simplex():
    errors = np.random.default_rng(0).normal(size=(2, 10, 1)).repeat(2, axis=2)
    found = simplex_weights(np.einsum("vni,vnj->vij", errors, errors))
    assert np.allclose(found.sum(axis=0), 1)
    assert (found >= 0).all()


@pytest.mark.parametrize("widths", [(7, 5), (60, 12)], ids=["narrow", "wide"])
def test_the_stack_is_single_space_ridges_weighed_by_held_out_errors(widths):
    generator = np.random.default_rng(1)
    bands = {f"band{p}": generator.normal(size=(48, p)) for p in widths}
    y = sum(x @ generator.normal(size=(x.shape[1], 5)) / 3 for x in bands.values())
    y += generator.normal(size=y.shape) + 2
    folds = inner_folds(48, 4, 0)
    fit = fit_stacking(bands, y, folds, ALPHAS, Options(dtype="float64"))
    for voxel in range(5):
        errors, whole = [], []
        for place, x in enumerate(bands.values()):
            ridge = Ridge(alpha=fit.alpha[place, voxel], solver="svd")
            held = np.empty(48)
            for fold in range(4):
                train = folds != fold
                held[~train] = ridge.fit(x[train], y[train, voxel]).predict(x[~train])
            errors.append(y[:, voxel] - held)
            whole.append(ridge.fit(x, y[:, voxel]).predict(x))
        products = np.array(errors) @ np.array(errors).T
        assert np.allclose(fit.weights[:, voxel], simplex_weights(products[None])[:, 0])
        assert np.allclose(fit.predict(bands)[:, voxel], fit.weights[:, voxel] @ np.array(whole))
        loss = fit.weights[:, voxel] @ products @ fit.weights[:, voxel] / 48
        assert fit.cv_score[voxel] == pytest.approx(1 - loss / y[:, voxel].var())


def test_a_voxel_that_cannot_be_stacked_is_marked():
    generator = np.random.default_rng(2)
    bands = {"a": generator.normal(size=(30, 4)), "b": generator.normal(size=(30, 3))}
    y = generator.normal(size=(30, 2))
    y[:, 1] = 1.0
    fit = fit_stacking(bands, y, inner_folds(30, 3, 0), ALPHAS)
    assert np.isnan(fit.predict(bands)[:, 1]).all()
    assert np.isfinite(fit.predict(bands)[:, 0]).all()
