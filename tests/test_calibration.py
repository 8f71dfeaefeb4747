"""Experiments of known truth: their truth is true, and what is wrong with a method shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import TINY

from encoding.ridge.problem import Options
from encoding.ridge.solver import fit_banded_ridge
from encoding.splits import inner_folds
from pipeline.configuration.reading import parse_configuration
from pipeline.validation.calibration import CONDITIONS, run_experiment, summarise
from pipeline.validation.experiments import SPACES, Condition, Experiment

SMALL = Condition(widths=(12, 8), n_train=120, n_test=120)
ALPHAS = np.logspace(-3, 3, 7)


def settings_of(encoding: dict | None = None, significance: dict | None = None) -> dict:
    """What a study with these settings calibrates with."""
    values = yaml.safe_load(TINY.read_text())
    values["encoding"] |= {
        "alphas": {"minimum": 1e-3, "maximum": 1e3, "number": 7},
        "band_weight_samples": 4,
        **(encoding or {}),
    }
    values["significance"] |= {"draws": 400, **(significance or {})}
    return parse_configuration(values).calibrated


SETTINGS = settings_of()


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_population_r2_of_a_fit_is_that_of_very_many_images(correlation):
    condition = replace(SMALL, correlation=correlation)
    experiment = Experiment(condition, 0)
    training = {name: rows[experiment.train] for name, rows in experiment.features.items()}
    measured = experiment.measured[experiment.train]
    folds, weights = inner_folds(len(measured), 4, 0), np.array([[0.5, 0.5]])
    fit = fit_banded_ridge(training, measured, folds, ALPHAS, weights, Options(search="exact"))
    many = Experiment(replace(condition, n_test=60_000), 1)
    signal = np.hstack(list(many.features.values())) @ experiment.weights
    noise = np.random.default_rng(2).standard_normal(signal.shape) / np.sqrt(3)
    error = ((signal + noise - fit.predict(many.features)) ** 2).mean(axis=0)
    found = 1 - error / (signal + noise).var(axis=0)
    assert np.allclose(
        experiment.population_r2(fit.coefficients, fit.intercept, SPACES), found, atol=0.02
    )


def test_a_perfect_fit_explains_the_noise_ceiling_where_variance_was_planted():
    experiment = Experiment(SMALL, 3)
    ceiling = SMALL.signal / (SMALL.signal + 1 / 3)
    joint, alone = experiment.perfect_r2(SPACES), experiment.perfect_r2(("A",))
    assert np.allclose(joint[experiment.kind != "neither"], ceiling)
    assert np.allclose(joint[experiment.kind == "neither"], 0)
    assert np.allclose(alone[experiment.kind == "A"], ceiling)
    assert np.allclose(alone[experiment.kind == "B"], 0)
    assert np.allclose(alone[experiment.kind == "both"], ceiling / 2)


def test_correlated_spaces_share_variance_that_either_predicts():
    experiment = Experiment(replace(SMALL, correlation=0.7), 4)
    of_other = experiment.perfect_r2(("B",))[experiment.kind == "A"]
    assert (of_other > 0.02).all()


@pytest.mark.parametrize("duplicates", ["within", "across"])
def test_near_duplicates_are_where_the_condition_says(duplicates):
    experiment = Experiment(replace(SMALL, duplicates=duplicates), 5)
    features, pair = experiment.features["A"], experiment.pair
    first, second = np.flatnonzero(pair == pair[0])
    assert np.corrcoef(features[first], features[second])[0, 1] > 0.9
    assert (experiment.train[first] != experiment.train[second]) == (duplicates == "across")


def rows(statistics, words):
    found = statistics[statistics["statistic"].str.contains(words, regex=False)]
    assert len(found)
    return found


@pytest.fixture(scope="module")
def shown():
    """What twelve experiments of three conditions show."""
    names = ("plain", "duplicates_drawn_singly")
    small = {name: replace(CONDITIONS[name], widths=(12, 8), n_train=150) for name in names}
    small["duplicates_across_the_split"] = CONDITIONS["duplicates_across_the_split"]
    experiments = {
        name: [run_experiment(condition, 300 + n, SETTINGS, n == 0) for n in range(12)]
        for name, condition in small.items()
    }
    return experiments, {name: summarise(name, found, 0.95) for name, found in experiments.items()}


def test_methods_are_in_order_where_images_are_independent(shown):
    assert set(shown[1]["plain"]["verdict"]) <= {"as it should be", "not judged"}


def test_spaces_of_unequal_width_are_recovered_as_well_as_by_an_oracle():
    """Both scale features alike: another scaling would be another prior, not a better method."""
    condition = CONDITIONS["unequal_spaces"]
    found = [run_experiment(condition, seed, SETTINGS) for seed in range(3)]
    bias = rows(summarise("unequal_spaces", found, 0.95), "recovered minus oracle")
    assert set(bias["verdict"]) == {"as it should be"}
    assert bias["value"].abs().max() < 0.02


def test_near_duplicates_that_are_drawn_singly_make_intervals_too_narrow(shown):
    statistics = shown[1]
    words = "R² of the joint model: 95% intervals cover"
    plain, singly = (rows(statistics[n], words)["value"].item() for n in list(statistics)[:2])
    assert singly < plain - 0.01


def test_near_duplicates_across_the_split_flatter_a_model(shown):
    bias = rows(shown[1]["duplicates_across_the_split"], "measured minus population")
    assert bias["value"].item() > 0.02
    assert bias["verdict"].item() == "not judged"


def test_intervals_that_are_too_narrow_are_reported(shown):
    narrow = []
    for experiment in shown[0]["plain"]:
        middle = (experiment["joint/lower"] + experiment["joint/upper"]) / 2
        half = (experiment["joint/upper"] - experiment["joint/lower"]) / 4
        ends = {"joint/lower": middle - half, "joint/upper": middle + half}
        narrow.append(experiment.assign(**ends))
    cover = rows(summarise("plain", narrow, 0.95), "R² of the joint model: 95% intervals cover")
    assert cover["verdict"].item() == "off"


def test_models_that_do_not_differ_have_no_interval_to_cover(shown):
    """Rounding decides where two models predict the same: it is told, and not counted."""
    experiments = [e.copy() for e in shown[0]["plain"]]
    words = "unique variance of A: 95% intervals cover"
    before = rows(summarise("plain", experiments, 0.95), words)["value"].item()
    for experiment in experiments:
        same = pd.DataFrame(experiment.iloc[:50]).assign(
            **{"A/lower": 1e-9, "A/upper": 2e-9, "population/A": 0.0}
        )
        experiment.iloc[:50] = same[experiment.columns]
    statistics = summarise("plain", experiments, 0.95)
    assert abs(rows(statistics, words)["value"].item() - before) < 0.05
    reported = rows(statistics, "unique variance of A: voxels with an interval")
    assert reported["value"].item() <= 0.5
    assert reported["verdict"].item() == "not judged"


def test_p_values_that_are_not_uniform_are_reported(shown):
    eager = [e.assign(**{"A+B/p": e["A+B/p"] ** 2}) for e in shown[0]["plain"]]
    statistics = summarise("plain", eager, 0.95)
    assert rows(statistics, "Kolmogorov")["verdict"].item() == "off"
    assert rows(statistics, "r of A+B in voxels of noise")["verdict"].item() == "off"


@pytest.mark.parametrize(
    ("encoding", "significance"),
    [
        ({"penalty": "single", "scaling": "center", "search": "exact"}, {"test": "bootstrap"}),
        ({"solver": "himalaya", "search": "exact", "scaling": "zscore_unfloored"}, {}),
        ({}, {"resample": "clusters"}),
    ],
)
def test_experiments_are_analysed_with_the_settings_of_any_study(encoding, significance):
    settings = settings_of(encoding)
    settings["significance"] |= significance
    test = settings["significance"]["test"]
    found = [run_experiment(SMALL, seed, settings, with_oracle=False) for seed in range(3)]
    for experiment in found:
        assert np.isfinite(experiment.filter(regex="^(joint|A|B)/(lower|upper)$")).all(axis=None)
        assert experiment.filter(regex="^(A|B|[+])+/p$").gt(0).all(axis=None)
        assert (experiment["recovered/joint"] > 0.05)[experiment["kind"] != "neither"].mean() > 0.9
    labels = " ".join(summarise("plain", found, 0.95, test)["statistic"])
    assert ("R² of A in voxels of noise: p" in labels) == (test == "bootstrap")
    assert ("r of A in voxels of noise: p" in labels) == (test != "bootstrap")
