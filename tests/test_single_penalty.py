"""One penalty on concatenated features, as published, against scikit-learn; the split of its R²."""

from __future__ import annotations

import numpy as np
import pytest
from himalaya.scoring import r2_score_split
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from encoding.product_measure import split_r2
from encoding.ridge.candidates import draw_band_weights, equal_weights
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import fit_banded_ridge, fit_models
from encoding.scaling import FeatureScaling
from encoding.scores import r2_score
from encoding.splits import listed_folds
from encoding.variance_partitioning import model_name, subsets

ALPHAS = np.logspace(-8, 10, 19)
N_FOLDS = 7


@pytest.fixture
def generator():
    return np.random.default_rng(4)


def problem(generator, n_images=100, widths=(12, 30), n_voxels=5, noise=2.0):
    """Spaces of unequal scale, centred only, and voxels that each answer to some features."""
    scales = (5.0, 0.2)
    raw = {
        name: scale * generator.normal(size=(n_images, width)) + 3
        for name, scale, width in zip("ab", scales, widths, strict=True)
    }
    train = np.arange(n_images) < 0.7 * n_images
    bands = {k: FeatureScaling.fit(v[train], "center").transform(v) for k, v in raw.items()}
    weights = generator.normal(size=(sum(widths), n_voxels))
    signal = np.hstack([bands["a"] / 5, bands["b"] / 0.2]) @ weights
    responses = signal / signal.std(0) + noise * generator.normal(size=signal.shape)
    return bands, responses.astype(np.float32), train


def fit_single(bands, responses, train, **options):
    """All subsets' models."""
    models = {model_name(subset): subset for subset in subsets(list(bands))}
    candidates = {name: equal_weights(len(spaces)) for name, spaces in models.items()}
    problem = Problem(
        {name: band[train] for name, band in bands.items()},
        responses[train],
        listed_folds(np.count_nonzero(train), N_FOLDS),
        ALPHAS,
        models,
        candidates,
        Options(search="exact", **options),
        inherit=False,
    )
    return fit_models(problem)


def test_features_are_centred_by_training_images_and_else_as_they_were(generator):
    raw = generator.normal(3, 5, (40, 7))
    scaled = FeatureScaling.fit(raw[:30], "center").transform(raw)
    assert np.allclose(scaled, raw - raw[:30].mean(0), atol=1e-5)


def ridge_search(X, y):
    """Mean squared error (alpha, voxel) of scikit-learn's ridge, averaged over unshuffled folds."""
    losses = []
    for fitted, held_out in KFold(N_FOLDS).split(X):
        models = [Ridge(alpha, solver="svd").fit(X[fitted], y[fitted]) for alpha in ALPHAS]
        losses.append([((y[held_out] - m.predict(X[held_out])) ** 2).mean(0) for m in models])
    return np.mean(losses, axis=0)


@pytest.mark.parametrize("widths", [(12, 30), (20, 90)])
def test_penalty_and_weights_are_those_of_ridge_on_the_concatenation(generator, widths):
    bands, responses, train = problem(generator, widths=widths)
    y = responses[train].astype(np.float64)
    for name, fit in fit_single(bands, responses, train, dtype="float64").items():
        X = np.hstack([bands[space][train] for space in name.split("+")]).astype(np.float64)
        losses = ridge_search(X, y)
        best = ALPHAS[losses.argmin(0)]
        assert np.allclose(fit.alpha, best)
        expected = Ridge(best, solver="svd").fit(X, y)
        scale = np.abs(expected.coef_).max()
        assert np.allclose(fit.coefficients, expected.coef_.T, atol=1e-6 * scale)
        assert np.allclose(fit.intercept, expected.intercept_, atol=1e-6)
        assert np.allclose(1 - fit.cv_score, losses.min(0) / y.var(0))


def test_the_smallest_published_penalty_is_stable(generator):
    """At 1e-8 the Gram matrix has lost the small singular values, even in float64."""
    X = generator.normal(size=(120, 30)) * np.logspace(3, -3, 30)
    y = X @ generator.normal(size=(30, 2)) + generator.normal(size=(120, 2))
    fit = fit_banded_ridge(
        {"x": X}, y, listed_folds(120, N_FOLDS), np.array([1e-8]), equal_weights(1)
    )
    expected = Ridge(alpha=1e-8, solver="svd").fit(X, y)
    predicted = expected.predict(X)
    assert np.allclose(fit.predict({"x": X}), predicted, atol=1e-5 * np.abs(predicted).max())


def test_no_part_of_a_joint_model_can_be_left_out(generator):
    bands, responses, train = problem(generator)
    assert (fit_single(bands, responses, train)["a+b"].band_weights == 1).all()


def test_one_penalty_for_unequal_scales_can_leave_the_joint_model_below_its_part(generator):
    """What banded ridge avoids: a large useless space takes the penalty away from a small one."""
    n_images = 300
    train = np.arange(n_images) < 200
    useful, useless = generator.normal(size=(n_images, 20)), generator.normal(size=(n_images, 150))
    signal = useful @ generator.normal(size=(20, 30))
    y = signal / signal.std() + generator.normal(size=signal.shape)
    bands = {"a": useful.astype(np.float32), "b": (30 * useless).astype(np.float32)}
    single = fit_single(bands, y, train)
    folds = listed_folds(200, N_FOLDS)
    trained = {name: band[train] / np.linalg.norm(band[train]) * 10 for name, band in bands.items()}
    models = {model_name(subset): subset for subset in subsets(["a", "b"])}
    candidates = {name: draw_band_weights(len(s), 15, 0) for name, s in models.items()}
    banded = fit_models(Problem(trained, y[train], folds, ALPHAS, models, candidates))
    held_out = {n: band[~train] / np.linalg.norm(band[train]) * 10 for n, band in bands.items()}
    test = {name: band[~train] for name, band in bands.items()}
    loss = {
        "single": r2_score(y[~train], single["a"].predict({"a": test["a"]}))
        - r2_score(y[~train], single["a+b"].predict(test)),
        "banded": r2_score(y[~train], banded["a"].predict({"a": held_out["a"]}))
        - r2_score(y[~train], banded["a+b"].predict(held_out)),
    }
    assert loss["single"].mean() > 0.05
    assert abs(loss["banded"].mean()) < 0.02


# ---- the product measure


def split_of(bands, responses, train):
    fit = fit_single(bands, responses, train)["a+b"]
    test = {name: band[~train] for name, band in bands.items()}
    split = split_r2(responses[~train], fit.predict_by_band(test), fit.intercept)
    return split, fit, test


def test_the_split_sums_to_r2_of_the_joint_model(generator):
    bands, responses, train = problem(generator)
    split, fit, test = split_of(bands, responses, train)
    assert list(split) == ["a", "b", "offset"]
    joint = r2_score(responses[~train], fit.predict(test))
    assert np.allclose(sum(split.values()), joint, atol=1e-5)


def test_the_split_is_himalayas(generator):
    bands, responses, train = problem(generator)
    split, fit, test = split_of(bands, responses, train)
    measured = responses[~train].astype(np.float64)
    centred = measured - measured.mean(0)
    parts = [part.astype(np.float64) for part in fit.predict_by_band(test).values()]
    parts.append(np.broadcast_to(fit.intercept - measured.mean(0), measured.shape))
    expected = r2_score_split(centred, np.stack(parts))
    assert np.allclose(np.stack(list(split.values())), expected, atol=1e-9)


@given(st.integers(0, 20), st.floats(-3, 3))
def test_uncorrelated_bands_get_what_each_explains_alone(seed, shift):
    random = np.random.default_rng(seed)
    orthogonal = np.linalg.qr(np.column_stack([np.ones(50), random.normal(size=(50, 3))]))[0]
    a, b, noise = 5 * orthogonal[:, 1:2], 3 * orthogonal[:, 2:3], 4 * orthogonal[:, 3:4]
    y = a + b + noise + shift
    split = split_r2(y, {"a": a, "b": b}, np.array([shift]))
    assert np.allclose([split["a"], split["b"]], [[0.5], [0.18]])
    assert np.allclose(split["offset"], 0, atol=1e-12)


def test_images_without_a_response_are_left_out(generator):
    y, a, b = generator.normal(size=(3, 40, 2))
    few = split_r2(y[:30], {"a": a[:30], "b": b[:30]}, np.ones(2))
    y[30:] = np.nan
    for name, values in split_r2(y, {"a": a, "b": b}, np.ones(2)).items():
        assert np.allclose(values, few[name])


def test_voxels_without_variance_or_prediction_have_no_split(generator):
    y, a, b = generator.normal(size=(3, 40, 2))
    y[:, 0], a[3, 1] = 2.0, np.nan
    split = split_r2(y, {"a": a, "b": b}, np.zeros(2))
    assert np.isnan(list(split.values())).all()
    with pytest.raises(ValueError, match="cannot be named 'offset'"):
        split_r2(y, {"offset": a}, np.zeros(2))
