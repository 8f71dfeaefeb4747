"""A model takes voxels over from smaller ones, as a search of all their candidates would."""

from __future__ import annotations

import numpy as np
import pytest

from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.nested import take_over
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import BandedRidgeFit, fit_models
from encoding.variance_partitioning import model_name, subsets

SPACES = ("A", "B", "C")
ALPHAS = np.logspace(-2, 4, 7)
N_IMAGES, N_VOXELS, WIDTHS = 90, 60, (5, 12, 20)


@pytest.fixture(scope="module")
def simulated() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Bands, responses of voxels that each one, two or all of them drive, and folds."""
    random = np.random.default_rng(3)
    bands = {
        name: random.standard_normal((N_IMAGES, width)).astype(np.float32)
        for name, width in zip(SPACES, WIDTHS, strict=True)
    }
    sets, y = subsets(SPACES), random.standard_normal((N_IMAGES, N_VOXELS))
    for voxel in range(N_VOXELS):
        for name in sets[voxel % len(sets)]:
            y[:, voxel] += bands[name] @ random.standard_normal(bands[name].shape[1]) / 2
    return bands, y.astype(np.float32), random.permutation(N_IMAGES) % 3


def quantities(fit: BandedRidgeFit, own: tuple[str, ...], bands: dict) -> dict[str, np.ndarray]:
    """What is kept of a fit, weights of all bands."""
    weights = np.zeros((len(SPACES), N_VOXELS), np.float32)
    weights[[SPACES.index(name) for name in own]] = fit.band_weights
    shown = {name: bands[name] for name in own}
    return {
        "cv_score": fit.cv_score,
        "alpha": fit.alpha,
        "band_weights": weights,
        "predictions": fit.predict(shown),
    }


@pytest.mark.parametrize("search", ["exact", "windowed"])
def test_each_voxel_has_the_pick_of_a_search_of_all_candidates(simulated, search):
    bands, y, folds = simulated
    options = Options(search=search)
    models = {model_name(s): s for s in subsets(SPACES)}
    candidates = {name: draw_band_weights(len(s), 6, 0) for name, s in models.items()}
    together = fit_models(Problem(bands, y, folds, ALPHAS, models, candidates, options))
    taken: dict[str, dict[str, np.ndarray]] = {}
    for name, own in models.items():
        own_bands = {space: bands[space] for space in own}
        alone = Problem.of_one_model(own_bands, y, folds, ALPHAS, candidates[name], options)
        smaller = [taken[model_name(s)] for s in subsets(own) if len(s) == len(own) - 1]
        taken[name] = take_over(quantities(fit_models(alone)["model"], own, bands), smaller)
        expected = quantities(together[name], own, bands)
        for key in ("cv_score", "predictions"):
            np.testing.assert_allclose(taken[name][key], expected[key], rtol=1e-5, atol=5e-6)
        np.testing.assert_array_equal(taken[name]["alpha"], expected["alpha"])
        # draws near a corner are as good as the corner
        picks = (fit[name]["band_weights"] for fit in (taken, {name: expected}))
        np.testing.assert_allclose(*picks, atol=1e-9)
    # all kinds of voxels are there: of one, two and three bands
    used = taken["A+B+C"]["band_weights"] > 1e-3
    assert {1, 2, 3} == set(np.count_nonzero(used, axis=0))


def test_of_equal_scores_the_own_one_counts_then_the_first():
    def model(*scores: float, value: float) -> dict[str, np.ndarray]:
        return {"cv_score": np.array(scores), "r": np.full((2, len(scores)), value)}

    own = model(0.2, 0.1, 0.1, np.nan, np.nan, value=0)
    smaller = [
        model(0.2, 0.3, 0.3, 0.1, np.nan, value=1),
        model(0.2, 0.3, 0.4, 0.0, np.nan, value=2),
    ]
    found = take_over(own, smaller)
    np.testing.assert_array_equal(found["cv_score"], [0.2, 0.3, 0.4, 0.1, np.nan])
    np.testing.assert_array_equal(found["r"], [[0, 1, 2, 1, 0]] * 2)
    # what was given stays
    assert own["cv_score"][1] == 0.1
