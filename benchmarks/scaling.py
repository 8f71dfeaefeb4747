"""Costs and gains of z-scoring features with and without a floor under quiet ones.

    python -m benchmarks.scaling [--features FILE.h5 … --responses FILE.h5 --split FILE.tsv]

`scales`: Gaussian features whose standard deviations are log-normal (σ of their logarithm); voxels
weigh all of them alike as z-scores, or alike as they are. `rare`: rectified units, each of which is
active in a share of the images that is log-uniform from one image in `RAREST` to all; voxels weigh
them alike as they are. `files`: features of a study, its responses to the same images, and one of
its splits. Voxels have a noise ceiling of 0.5 in simulations. Ridge of one space as a study fits
it, penalties 1e-5 to 1e5 by five folds; printed are the share of features below the floor (a tenth
of the space's root mean square deviation), the largest absolute z-score of a test image without
floor, and for each scaling mean test R², that of the worst voxel in brackets.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np

from encoding.ridge.problem import Options
from encoding.ridge.solver import fit_banded_ridge
from encoding.scaling import FLOORS, FeatureScaling, Scaling
from encoding.scores import r2_score
from encoding.splits import inner_folds
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

ALPHAS = np.logspace(-5, 5, 21)
N_TEST, N_FEATURES, N_VOXELS, N_FOLDS = 1000, 400, 200, 5
RAREST = 2000


def scales(sigma: float, n_train: int, weighed: str, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features and responses of training and test images, as `fits` takes them."""
    random = np.random.default_rng(seed)
    z = random.standard_normal((n_train + N_TEST, N_FEATURES))
    features = z * np.exp(sigma * random.standard_normal(N_FEATURES))
    driving = z if weighed == "as z-scores" else features
    return _parted(features, _responses(driving, random), n_train)


def rare(n_train: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Simulate features of units that are silent in most images."""
    random = np.random.default_rng(seed)
    shape = (n_train + N_TEST, N_FEATURES)
    active = random.random(shape) < RAREST ** -random.random(N_FEATURES)
    features = active * np.abs(random.standard_normal(shape))
    return _parted(features, _responses(features, random), n_train)


def files(features: Path, responses: Path, split: Path) -> tuple[np.ndarray, ...]:
    """Read features and responses of a study, without constant or incomplete voxels."""
    images = read_table(split)
    nsd_id, test = images["nsd_id"].to_numpy(), (images["set"] == "test").to_numpy()
    read = []
    for path, name in ((features, "features"), (responses, "responses")):
        read.append(read_result(path, [name]).ordered("image", nsd_id, split)[name])
    x, y = read
    y = y[:, np.isfinite(y).all(axis=0) & (y.std(axis=0) > 0)]
    return x[~test], y[~test], x[test], y[test]


def _responses(driving: np.ndarray, random: np.random.Generator) -> np.ndarray:
    signal = driving @ random.standard_normal((N_FEATURES, N_VOXELS))
    signal /= signal.std(axis=0)
    return signal + random.standard_normal(signal.shape)


def _parted(x: np.ndarray, y: np.ndarray, n_train: int) -> tuple[np.ndarray, ...]:
    return x[:n_train], y[:n_train], x[n_train:], y[n_train:]


def r2(problem: tuple[np.ndarray, ...], scaling: Scaling) -> np.ndarray:
    """Test R² (voxel,)."""
    x, y, test_x, test_y = problem
    fitted = FeatureScaling.fit(x, scaling)
    fit = fit_banded_ridge(
        {"x": fitted.transform(x)},
        y.astype(np.float32),
        inner_folds(len(x), N_FOLDS, 0),
        ALPHAS,
        np.ones((1, 1)),
        Options(search="exact"),
    )
    return r2_score(test_y, fit.predict({"x": fitted.transform(test_x)}))


def cases(arguments: argparse.Namespace) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    for weighed in ("as z-scores", "as they are"):
        for sigma, n_train in ((0.5, 2000), (1.0, 2000), (2.0, 2000), (2.0, 500)):
            name = f"σ = {sigma:g}, weighed {weighed}, {n_train} training images"
            yield name, scales(sigma, n_train, weighed)
    for n_train in (250, 500, 1000, 4000):
        yield f"rare units, {n_train} training images", rare(n_train)
    for path in arguments.features:
        yield path.stem, files(path, arguments.responses, arguments.split)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", nargs="*", default=[], type=Path)
    parser.add_argument("--responses", type=Path)
    parser.add_argument("--split", type=Path)
    arguments = parser.parse_args()
    print("| features | below the floor | largest z |", " | ".join(get_args(Scaling)), "|")
    for name, problem in cases(arguments):
        deviation = problem[0].std(axis=0)
        varies = deviation > 0
        floor = FLOORS["zscore"] * np.sqrt(np.mean(deviation[varies] ** 2))
        z = (problem[2] - problem[0].mean(axis=0))[:, varies] / deviation[varies]
        found = [r2(problem, scaling) for scaling in get_args(Scaling)]
        shown = " | ".join(f"{values.mean():.3f} ({values.min():.3f})" for values in found)
        quiet = np.mean(deviation[varies] < floor)
        print(f"| {name} | {quiet:.0%} | {np.abs(z).max():.0f} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
