"""The scikit-learn estimator, against himalaya's, and stacked regression."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from himalaya.ridge import GroupRidgeCV
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from encoding.banded_ridge import Options
from encoding.estimator import BandedRidgeCV
from encoding.splits import inner_folds
from encoding.stacking import fit_stacking, simplex_weights

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


def test_a_splitter_that_validates_an_image_twice_is_an_error(data):
    with pytest.raises(ValueError, match="validates in one fold at most"):
        BandedRidgeCV(cv=ShuffleSplit(5, random_state=0), n_iter=1).fit(*data)


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
