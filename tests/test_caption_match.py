"""The match of images with their captions, and the accuracy of predicted patterns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import weights_of
from runs import frozen
from scipy.stats import spearmanr

from pipeline.analyses.caption_match import match_captions
from pipeline.analyses.caption_match.figures import figure
from pipeline.analyses.caption_match.tables import ACCURACY_COLUMNS, TABLES
from pipeline.configuration.reading import parse_configuration
from pipeline.errors import InputError
from pipeline.jobs.frozen_run import RUN
from pipeline.results.storage import read_result, write_result
from pipeline.tables.regions import region_labels

N_IMAGES, WIDTH = 60, 16
NSD_ID = np.arange(100, 100 + N_IMAGES)
SPACES = {"image": "clip", "captions": "clip_text"}


@pytest.fixture
def files(tmp_path):
    """Images whose captions match the less, the later they come; patterns follow in one region."""
    generator = np.random.default_rng(0)
    meaning = generator.standard_normal((N_IMAGES, WIDTH))
    noise = np.linspace(0, 2, N_IMAGES)[:, None] * generator.standard_normal(meaning.shape)
    provenance = {
        "simulated": True,
        "untrained": ["clip"],
        "weights": weights_of("clip_text", untrained=["clip"]),
        "configuration": {"subject": "subj01", "models": ["clip"]},
    }
    written = {}
    for space, values in (("image", meaning), ("captions", 3 * meaning + 3 * noise)):
        # in another order, with images that do not test
        order = generator.permutation(N_IMAGES + 5)
        rows = np.vstack([values, np.ones((5, WIDTH))])[order]
        ids = np.append(NSD_ID, np.arange(5))[order]
        arrays = {"image": ("image", ids), "features": (("image", "feature"), rows)}
        written[space] = tmp_path / f"{space}.h5"
        write_result(written[space], arrays, provenance)
    accuracy = np.stack([-np.arange(N_IMAGES), generator.permutation(N_IMAGES)]) / N_IMAGES
    judged = "region", "subject", "predictor", "image"
    arrays = {
        **region_labels([("floc-words", "VWFA-1"), ("places", "PPA")]),
        "image": ("image", NSD_ID),
        "subject": ("subject", ["subj01"]),
        "predictor": ("predictor", ["clip", "brain"]),
        "r": (judged, np.stack([accuracy, np.full_like(accuracy, np.nan)], axis=1)[:, None]),
        "identified": (judged, np.zeros((2, 1, 2, N_IMAGES), bool)),
        "simulated": ((*judged[:3], "draw", "image"), np.zeros((2, 1, 2, 3, N_IMAGES), bool)),
        "compared": (("region", "subject"), np.ones((2, 1), bool)),
        "seen": (("subject", "image"), np.ones((1, N_IMAGES), bool)),
        "noise_known": ("region", np.zeros(2, bool)),
        "n_voxels": ("region", [30, 20]),
    }
    written["identification"] = tmp_path / "identification.h5"
    write_result(written["identification"], arrays, provenance)
    return written, meaning, 3 * meaning + 3 * noise, accuracy


def run(monkeypatch, tmp_path, files):
    monkeypatch.setenv(RUN, frozen(tmp_path, caption_match=SPACES)[RUN])
    out = tmp_path / "match.h5"
    words = [f"--{name}={path}" for name, path in {**files, "out": out}.items()]
    monkeypatch.setattr("sys.argv", ["stage", *words, "--configuration=caption_match"])
    match_captions.main()
    return read_result(out)


def test_images_are_compared_with_their_own_captions(files, monkeypatch, tmp_path):
    written, images, captions, accuracy = files
    found = run(monkeypatch, tmp_path, written)
    cosine = np.array(
        [
            [a @ b / np.sqrt((a @ a) * (b @ b)) for b in captions.astype(np.float64)]
            for a in images.astype(np.float64)
        ]
    )
    np.testing.assert_allclose(found["match"], cosine.diagonal(), atol=1e-6)
    mean_of_others = (cosine.sum(axis=1) - cosine.diagonal()) / (N_IMAGES - 1)
    np.testing.assert_allclose(found["match_of_others"], mean_of_others, atol=1e-6)
    # captions without noise are nearest to their image
    assert found["is_nearest"][:10].all()
    for region in range(2):
        expected = spearmanr(cosine.diagonal(), accuracy[region])
        assert found["rho"][0, region] == pytest.approx(expected.statistic)
        assert found["p"][0, region] == pytest.approx(expected.pvalue)
    rows = [*TABLES["caption_match_accuracy"][0](found, None, {})]
    assert [row["roi"] for row in rows] == ["VWFA-1", "PPA"]
    assert rows[0]["match_rank_r"] > 0.8 > rows[1]["match_rank_r"]
    assert rows[0]["q_match"] < 0.001 < rows[1]["q_match"]
    assert rows[0]["weights"] == "untrained: clip"
    (row,) = TABLES["caption_match"][0](found, None, {})
    assert row["mean_match"] > row["mean_match_of_others"] + 0.5
    assert row["weights"] == "untrained: clip"
    drawn = figure(pd.DataFrame(rows, columns=ACCURACY_COLUMNS), ["clip"])
    assert drawn.axes[0].get_ylabel() == "ρ of match and image-wise r"


def test_embeddings_of_other_widths_are_refused(files, monkeypatch, tmp_path):
    written, *_ = files
    narrow = {
        "image": ("image", NSD_ID),
        "features": (("image", "feature"), np.ones((N_IMAGES, 3))),
    }
    write_result(tmp_path / "narrow.h5", narrow, read_result(written["image"]).provenance)
    with pytest.raises(InputError, match=r"has 16 features, .*has 3; name the layer `embedding`"):
        run(monkeypatch, tmp_path, {**written, "captions": tmp_path / "narrow.h5"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image": "bert", "captions": "bert"}, "image: bert is of captions, not of image"),
        ({"image": "alexnet", "captions": "bert"}, "alexnet is of the layer fc7, whose"),
        ({"image": "visual", "captions": "other"}, "not of the same network .*seed"),
        ({"image": "alexnt", "captions": "bert"}, "did you mean alexnet"),
    ],
)
def test_only_spaces_of_one_network_are_compared(tiny_values, settings, message):
    towers = {"library": "open_clip", "architecture": "RN50-quickgelu", "weights": "untrained"}
    values = {
        **tiny_values,
        "networks": {
            **tiny_values["networks"],
            "visual": {**towers, "stimulus": "image", "seed": 0},
            "other": {**towers, "stimulus": "captions", "seed": 1},
        },
        "feature_spaces": {
            **tiny_values["feature_spaces"],
            "visual": {"network": "visual", "layer": "embedding"},
            "other": {"network": "other", "layer": "embedding"},
        },
        "caption_match": settings,
    }
    with pytest.raises(InputError, match=message):
        parse_configuration(values)
    values["networks"]["other"]["seed"] = 0
    values["caption_match"] = {"image": "visual", "captions": "other"}
    parse_configuration(values)


def test_it_needs_the_accuracy_of_patterns(tiny_values):
    values = {**tiny_values, "error_consistency": None, "caption_match": SPACES}
    with pytest.raises(InputError, match="uses the correlations of patterns of `error_consi"):
        parse_configuration(values)
