"""Regions of a subject predicted by the encoders of other subjects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline.analyses.cross_subject.average_regions import MEASURED
from pipeline.analyses.cross_subject.compare_brains import compare
from pipeline.analyses.cross_subject.tables import rows
from pipeline.fits.region_means import region_means
from pipeline.results.storage import Result
from pipeline.tables.regions import region_labels

SETTINGS = {"draws": 400, "level": 0.95, "seed": 0}
V1, PPA = ("visual", "V1"), ("places", "PPA")


def means(nsd_id, regions, **predictors) -> Result:
    arrays = {
        **region_labels(regions),
        "image": ("image", np.array(nsd_id)),
        "predictor": ("predictor", [name.replace("_", " ") for name in predictors]),
        "mean": (("predictor", "image", "region"), np.stack([*predictors.values()])),
        "n_voxels": ("region", np.arange(10, 10 + len(regions))),
    }
    return Result(Path("means.h5"), xr.Dataset(arrays), {"configuration": {"subject": "subj01"}})


@pytest.fixture
def two() -> tuple[Result, Result, dict[str, np.ndarray]]:
    """Two subjects with a region in common, in another column, and most of their images."""
    generator = np.random.default_rng(0)
    signal = generator.standard_normal(300)
    noisy = {name: signal + generator.normal(0, 1, 300) for name in ("own", "other", "model")}
    nothing = generator.standard_normal((300, 1))
    own = means(
        range(300),
        [V1, PPA],
        measured_responses=np.column_stack([noisy["own"], nothing]),
        clip=np.column_stack([noisy["model"], nothing]),
    )
    # the other saw the images in another order, and not the first ten
    order = generator.permutation(np.arange(10, 300))
    other = means(
        order,
        [PPA, V1],
        measured_responses=np.column_stack([generator.standard_normal(300), noisy["other"]])[order],
        clip=np.column_stack([generator.standard_normal(300), signal])[order],
    )
    return own, other, {**noisy, "signal": signal}


def test_regions_are_correlated_by_name_over_the_images_of_both(two):
    own, other, of = two
    nsd_id = np.arange(10, 300)
    found = compare(own, other, nsd_id, None, SETTINGS)
    assert own["predictor"].tolist() == [MEASURED, "clip"]
    both = slice(10, 300)
    expected = {
        "r": [
            np.corrcoef(of["own"][both], of["other"][both])[0, 1],
            np.corrcoef(of["own"][both], of["signal"][both])[0, 1],
        ],
        "own_r": [np.nan, np.corrcoef(of["own"][both], of["model"][both])[0, 1]],
    }
    for score, values in expected.items():
        np.testing.assert_allclose(found[score][:, 0], values, atol=1e-5)
    difference = expected["own_r"][1] - expected["r"][1]
    assert found["difference"][1, 0] == pytest.approx(difference, abs=1e-5)
    # the signal itself predicts better than a noisy model: the interval of the difference says so
    assert found["difference_upper"][1, 0] < 0
    assert found["r_lower"][1, 0] < found["r"][1, 0] < found["r_upper"][1, 0]
    # by Fisher's z
    z = np.arctanh(found["r"][0, 0]) + np.array([-1.96, 1.96]) / np.sqrt(287)
    interval = found["r_lower"][0, 0], found["r_upper"][0, 0]
    np.testing.assert_allclose(interval, np.tanh(z), atol=0.03)


def test_what_cannot_be_compared_has_no_row(two):
    own, other, _ = two
    alone = means(other["image"], [PPA], measured_responses=np.ones((290, 1)))
    assert np.isnan(compare(own, alone, np.arange(10, 20), None, SETTINGS)["r"]).all()
    found = compare(own, other, np.arange(10, 300), None, SETTINGS)
    labels = {name: own.data[name] for name in ("atlas", "roi", "n_voxels", "predictor")}
    found["r"][:, 1] = np.nan
    arrays = {name: (("other", "predictor", "region"), one[None]) for name, one in found.items()}
    arrays |= {"other": ("other", ["subj02"]), "n_images": ("other", [290])}
    arrays["n_voxels_of_other"] = ("other", "region"), [[11, 10]]
    provenance = {
        "configuration": {"subject": "subj01"},
        "simulated": True,
        "weights": {"clip": {"state": "untrained", "label": "untrained (seed 0)"}},
    }
    listed = [*rows(Result(Path("x.h5"), xr.Dataset({**labels, **arrays}), provenance), None, {})]
    assert [(row["roi"], row["predictor"]) for row in listed] == [("V1", MEASURED), ("V1", "clip")]
    assert listed[1]["weights"] == "untrained: clip"
    assert np.isnan(listed[0]["weights"])
    assert np.isnan(listed[0]["own_r"])


def test_means_are_of_voxels_with_all_responses(capsys):
    generator = np.random.default_rng(1)
    responses = generator.standard_normal((20, 12))
    responses[3, 2] = np.nan
    # the second region has two voxels, the third none
    inside = np.stack([np.arange(12) < 6, np.arange(12) >= 10, np.zeros(12, bool)])
    blocks = [(slice(n, n + 5), {"measured": responses[:, n : n + 5]}) for n in (0, 5, 10)]
    found, n_voxels = region_means(blocks, inside, 3)
    assert n_voxels.tolist() == [5, 2, 0]
    expected = responses[:, [0, 1, 3, 4, 5]].mean(axis=1)
    np.testing.assert_allclose(found["measured"][:, 0], expected)
    assert np.isnan(found["measured"][:, 1:]).all()
    found, n_voxels = region_means(blocks, inside[:0], 3)
    assert found["measured"].shape == (20, 0)
    assert "no region has 3 reliable voxels" in capsys.readouterr().out


def test_subjects_without_a_region_in_common_have_no_scores(two):
    own, other, _ = two
    nowhere = means(
        other["image"], [], measured_responses=np.ones((290, 0)), clip=np.ones((290, 0))
    )
    assert np.isnan(compare(own, nowhere, np.arange(10, 300), None, SETTINGS)["r"]).all()
    found = compare(nowhere, own, np.arange(10, 300), None, SETTINGS)
    assert found["r"].shape == (2, 0)
    # one block of images is drawn as a whole
    together = np.zeros(290)
    assert np.isnan(compare(own, other, np.arange(10, 300), together, SETTINGS)["r"]).all()
