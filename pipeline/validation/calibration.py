"""Calibration of fits, intervals and tests by many small experiments with known truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from encoding.inference.significance import false_discovery_rate
from encoding.noise_ceiling import signal_to_noise
from encoding.ridge.problem import Problem
from encoding.ridge.solver import BandedRidgeFit, fit_models
from encoding.scaling import FeatureScaling
from encoding.scores import r2_score
from encoding.splits import inner_folds
from encoding.variance_partitioning import component_names, partition_variance
from pipeline.configuration.fits import AlphaGrid, EncodingSettings
from pipeline.fits.fit_inputs import solver_options
from pipeline.fits.tested_voxels import VoxelTests
from pipeline.simulation.oracle import oracle_r2
from pipeline.stages.fit_encoding_models import model_candidates, solver_of
from pipeline.validation.experiments import SPACES, Condition, Experiment

MODELS = {"A": ("A",), "B": ("B",), "A+B": SPACES}
LEVEL = 0.05
MEMORY_MB = 1000
BAND_WEIGHTS_OF_ORACLE = 8
# differences in R² that float32 predictions and weights can resolve
RESOLUTION = 1e-6

CONDITIONS: dict[str, Condition] = {
    "plain": Condition(),
    "correlated_spaces": Condition(correlation=0.7),
    "unequal_spaces": Condition(widths=(120, 15)),
    "few_images": Condition(n_train=100),
    "duplicates_drawn_singly": Condition(duplicates="within"),
    "duplicates_drawn_in_pairs": Condition(duplicates="within", pairs_drawn=True),
    "duplicates_across_the_split": Condition(
        widths=(150, 150), n_train=150, n_test=150, duplicates="across"
    ),
}


def run_experiment(
    condition: Condition,
    seed: int,
    settings: Mapping[str, Any],
    with_oracle: bool = True,
) -> pd.DataFrame:
    """Fit and test one experiment by the stages' own functions with a study's settings.

    Parameters
    ----------
    seed : seed of the experiment, which replaces that of the study
    settings : `Configuration.calibrated`
    with_oracle : whether to compute the oracle, which takes most of the time; else it is NaN

    Returns
    -------
    One row per voxel, columns named by quantity
    """
    encoding = {**settings["encoding"], "seed": seed}
    experiment = Experiment(condition, seed)
    train, test = experiment.train, ~experiment.train
    measured, pair = experiment.measured, experiment.pair
    within = condition.duplicates == "within"
    folds = inner_folds(train.sum(), settings["folds"], seed, pair[train] if within else None)
    candidates = {name: model_candidates(len(s), encoding) for name, s in MODELS.items()}
    scalings = {
        name: FeatureScaling.fit(x[train], encoding["scaling"])
        for name, x in experiment.features.items()
    }
    features = {name: scalings[name].transform(x) for name, x in experiment.features.items()}
    training = {name: values[train] for name, values in features.items()}
    problem = Problem(
        training,
        measured[train],
        folds,
        AlphaGrid.model_validate(encoding["alphas"]).values(),
        MODELS,
        candidates,
        solver_options(encoding, MEMORY_MB),
        EncodingSettings.model_validate(encoding).takes_smaller_models_over,
    )
    fits = fit_models(problem, solver_of(encoding))
    held = {name: values[test] for name, values in features.items()}
    predicted = {
        name: fits[name].predict({space: held[space] for space in spaces})
        for name, spaces in MODELS.items()
    }
    # an image without near duplicates is its own cluster
    clusters = settings["significance"]["resample"] == "clusters" and not within
    blocks = pair[test] if condition.pairs_drawn or clusters else None
    tests = {**settings["significance"], "seed": seed}
    tests["resample"] = "images" if blocks is None else "clusters"
    columns = {"kind": experiment.kind}
    unscaled = {name: _unscaled(fits[name], scalings, MODELS[name]) for name in MODELS}
    columns |= _estimates(experiment, unscaled, predicted, with_oracle)
    voxel_tests = VoxelTests.of(tests, int(test.sum()), blocks)
    columns |= _tests(measured[test], predicted, voxel_tests)
    return pd.DataFrame(columns)


def _estimates(
    experiment: Experiment,
    models: Mapping[str, tuple[np.ndarray, np.ndarray]],
    predicted: Mapping[str, np.ndarray],
    with_oracle: bool,
) -> dict[str, np.ndarray]:
    """Compute R² and components: recovered, in the population, of a perfect fit and an oracle."""
    measured, test = experiment.measured, ~experiment.train
    unknown = np.full(len(experiment.kind), np.nan)
    r2 = {
        "recovered": {name: r2_score(measured[test], rows) for name, rows in predicted.items()},
        "population": {n: experiment.population_r2(*models[n], s) for n, s in MODELS.items()},
        "perfect": {name: experiment.perfect_r2(spaces) for name, spaces in MODELS.items()},
        "oracle": _oracle(experiment) if with_oracle else dict.fromkeys(MODELS, unknown),
    }
    columns = {}
    for kind, scores in r2.items():
        columns[f"{kind}/joint"] = scores["A+B"]
        components = partition_variance(scores, SPACES)
        columns |= {f"{kind}/{name}": values for name, values in components.items()}
    scaled = experiment.trials / experiment.trials.std(axis=(0, 1))
    images = np.arange(len(test))
    columns["ncsnr"] = signal_to_noise(((images, one) for one in scaled), images, len(scaled[0, 0]))
    columns["true_ncsnr"] = experiment.signal.std(axis=0)
    return columns


def _unscaled(
    fit: BandedRidgeFit, scalings: Mapping[str, FeatureScaling], spaces: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Convert weights (feature, voxel) and intercept (voxel,) to unscaled features."""
    factor = np.concatenate([scalings[space].factor for space in spaces])
    mean = np.concatenate([scalings[space].mean for space in spaces])
    weights = fit.coefficients * factor[:, None]
    return weights, fit.intercept - mean @ weights


def _oracle(experiment: Experiment) -> dict[str, np.ndarray]:
    return oracle_r2(
        experiment.features,
        experiment.measured,
        experiment.signal,
        ~experiment.train,
        experiment.noise_variance,
        seed=0,
        n_band_weights=BAND_WEIGHTS_OF_ORACLE,
    )


def _tests(
    measured: np.ndarray, predicted: Mapping[str, np.ndarray], tests: VoxelTests
) -> dict[str, np.ndarray]:
    """Compute intervals of R² and unique variance, and p of models and components."""
    names, sides = component_names(SPACES), ("lower", "upper")
    found = tests.of_components(measured, predicted, SPACES)
    of_models = {name: tests.of_model(measured, values) for name, values in predicted.items()}
    ends = {f"joint/{side}": of_models["A+B"][f"r2_{side}"] for side in sides}
    for space in SPACES:
        row = names.index(space)
        ends |= {f"{space}/{side}": found[f"variance_{side}"][row] for side in sides}
    p = {f"component {name}/p": values for name, values in zip(names, found["p"], strict=True)}
    return ends | p | {f"{name}/p": tested["p"] for name, tested in of_models.items()}


def summarise(
    name: str, experiments: list[pd.DataFrame], level: float, test: str = "permutation"
) -> pd.DataFrame:
    """Tabulate statistics of a condition's experiments beside their expected values.

    Parameters
    ----------
    level, test : settings of the study's `significance`

    Returns
    -------
    One row per statistic: condition, statistic, value, standard_error over experiments, lowest and
    highest expected value (empty if the statistic is only displayed), verdict, n_experiments
    """
    condition = CONDITIONS[name]
    rows = []
    for statistic, values, lowest, highest in _statistics(condition, experiments, level, test):
        values = np.asarray(values, dtype=np.float64)
        values = values[np.isfinite(values)]
        value = values.mean() if len(values) else np.nan
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        rows.append(
            {
                "condition": name,
                "statistic": statistic,
                "value": value,
                "standard_error": error,
                "lowest": lowest,
                "highest": highest,
                "verdict": _verdict(value, error, lowest, highest),
                "n_experiments": len(values),
            }
        )
    return pd.DataFrame(rows)


def _verdict(value: float, error: float, lowest: float, highest: float) -> str:
    """Compare a value with its bounds, which may be exceeded by two standard errors."""
    if np.isnan(lowest) and np.isnan(highest):
        return "not judged"
    slack = 0.0 if np.isnan(error) else 2 * error
    low = np.isnan(lowest) or value >= lowest - slack
    high = np.isnan(highest) or value <= highest + slack
    return "as it should be" if low and high else "off"


def _statistics(
    condition: Condition, experiments: list[pd.DataFrame], level: float, test: str
) -> Iterator[tuple[str, Any, float, float]]:
    """Yield each statistic's name, value in each experiment, lowest and highest expected value."""
    nan = np.nan
    # these conditions demonstrate known biases, so that nothing is expected of them
    singly = condition.duplicates == "within" and not condition.pairs_drawn
    leaks = condition.duplicates == "across"
    small = condition.n_train < 2 * sum(condition.widths)
    tails = (nan, nan) if singly or leaks else (level - 0.02, level + 0.02)
    for name in ("joint", *SPACES):
        label = "R² of the joint model" if name == "joint" else f"unique variance of {name}"
        yield (f"{label}: {level:.0%} intervals cover", _of(experiments, _covered, name), *tails)
        noise = f"{label} in voxels of noise: {level:.0%} intervals cover"
        yield noise, _of(experiments, _covered, name, "neither"), nan, nan
        with_interval = _of(experiments, _fraction_with_interval, name)
        yield f"{label}: voxels with an interval", with_interval, nan, nan
    bias = (nan, nan) if small or leaks else (-0.01, 0.01)
    for space in SPACES:
        label = f"unique variance of {space} in its voxels"
        yield f"{label}: recovered", _of(experiments, _mean, f"recovered/{space}", space), nan, nan
        for truth, bounds in {"oracle": bias, "perfect": (nan, nan)}.items():
            columns = f"recovered/{space}", f"{truth}/{space}"
            values = _of(experiments, _difference, *columns, space)
            yield (f"{label}: recovered minus {truth}", values, *bounds)
    columns = "recovered/joint", "population/joint"
    bounds = (nan, nan) if leaks else (-0.01, 0.01)
    yield (
        "R² of the joint model: measured minus population",
        _of(experiments, _difference, *columns, None),
        *bounds,
    )
    yield "unique variance: rank correlation with the oracle", _of(experiments, _rank), nan, nan
    bootstrap = test == "bootstrap"
    tested = "R²" if bootstrap else "r"
    for model in MODELS:
        false = _of(experiments, _rejected, f"{model}/p", "neither")
        yield f"{tested} of {model} in voxels of noise: p ≤ 0.05", false, nan, LEVEL
    p = np.concatenate([rows.loc[rows["kind"] == "neither", "A+B/p"] for rows in experiments])
    # p of the bootstrap need not be uniform
    lowest = nan if bootstrap else 0.01
    label = f"{tested} in voxels of noise: Kolmogorov-Smirnov p of uniform p"
    yield label, [_uniform(p)], lowest, nan
    bounds = (nan, nan) if singly or leaks else (nan, LEVEL)
    yield (
        "unique variance of B in voxels of A: p ≤ 0.05",
        _of(experiments, _rejected, "component B/p", "A"),
        *((nan, nan) if condition.correlation else bounds),
    )
    yield (
        "variance shared by A and B in voxels of noise: p ≤ 0.05",
        _of(experiments, _rejected, "component A&B/p", "neither"),
        *bounds,
    )
    for name in ("joint", *SPACES):
        label = "R²" if name == "joint" else f"unique variance of {name}"
        above = _of(experiments, _above_zero, name)
        yield f"{label} in voxels of noise: interval above 0", above, nan, LEVEL
    yield (
        f"{tested}: false discoveries at q ≤ 0.05",
        _of(experiments, _false_discoveries),
        nan,
        LEVEL,
    )
    yield "ncsnr: recomputed minus true", _of(experiments, _ncsnr), -0.02, 0.02


def _of(experiments: list[pd.DataFrame], statistic: Any, *arguments: Any) -> list[float]:
    return [statistic(rows, *arguments) for rows in experiments]


def _covered(rows: pd.DataFrame, name: str, kind: str | None = None) -> float:
    rows = _inside(rows, kind)
    rows = rows[_has_interval(rows, name)]
    truth = rows[f"population/{name}"]
    return float(((rows[f"{name}/lower"] <= truth) & (truth <= rows[f"{name}/upper"])).mean())


def _has_interval(rows: pd.DataFrame, name: str) -> pd.Series:
    """Find voxels with an interval: not those in which a space has no weight in the joint model."""
    return rows[f"{name}/upper"] - rows[f"{name}/lower"] > RESOLUTION


def _fraction_with_interval(rows: pd.DataFrame, name: str) -> float:
    return float(_has_interval(rows, name).mean())


def _inside(rows: pd.DataFrame, kind: str | None) -> pd.DataFrame:
    return rows if kind is None else rows[rows["kind"] == kind]


def _mean(rows: pd.DataFrame, column: str, kind: str) -> float:
    return float(_inside(rows, kind)[column].mean())


def _difference(rows: pd.DataFrame, first: str, second: str, kind: str | None) -> float:
    inside = _inside(rows, kind)
    return float((inside[first] - inside[second]).mean())


def _rank(rows: pd.DataFrame) -> float:
    return float(scipy.stats.spearmanr(rows["recovered/A"], rows["oracle/A"]).statistic)


def _rejected(rows: pd.DataFrame, column: str, kind: str) -> float:
    return float((_inside(rows, kind)[column] <= LEVEL).mean())


def _above_zero(rows: pd.DataFrame, name: str) -> float:
    return float((_inside(rows, "neither")[f"{name}/lower"] > 0).mean())


def _false_discoveries(rows: pd.DataFrame) -> float:
    found = false_discovery_rate(rows["A+B/p"].to_numpy()) <= LEVEL
    return float((found & (rows["kind"] == "neither")).sum() / max(found.sum(), 1))


def _ncsnr(rows: pd.DataFrame) -> float:
    driven = rows[rows["kind"] != "neither"]
    return float((driven["ncsnr"] - driven["true_ncsnr"]).mean())


def _uniform(p: np.ndarray) -> float:
    """Test p for uniformity (Kolmogorov-Smirnov), with a correction for discrete p."""
    step = np.diff(np.unique(p)).min(initial=1.0)
    return float(scipy.stats.kstest(p - step / 2, "uniform").pvalue)
