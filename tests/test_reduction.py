"""Reductions are scikit-learn's, fitted on training images alone, and can be applied again."""

from __future__ import annotations

import resource
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import ENVIRON, ROOT
from runs import frozen
from scipy.sparse import csr_array
from sklearn.decomposition import PCA

from features import reduction as reduction_module
from features.reduction import Reduction, fit_principal_components, fit_random_projection
from pipeline.errors import InputError
from pipeline.jobs.frozen_run import RUN
from pipeline.results.feature_store import add_layer, layer_array
from pipeline.results.storage import create_result, read_result
from pipeline.results.tables import write_table
from pipeline.stages import reduce_features

RANDOM = np.random.default_rng(0)
# twelve directions of falling variance in forty features
FEATURES = (
    RANDOM.standard_normal((300, 12)) * np.linspace(5, 1, 12) @ RANDOM.standard_normal((12, 40)) + 3
).astype(np.float16)
# as they are stored
FEATURES = FEATURES.astype(np.float32)


def same_up_to_sign(found, expected, tolerance=1e-3):
    signs = np.sign((found * expected).sum(0))
    return np.allclose(found * signs, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("whiten", [False, True])
def test_principal_components_are_scikit_learns(whiten):
    found = fit_principal_components(FEATURES[:200], 5, whiten).transform(FEATURES)
    model = PCA(5, whiten=whiten).fit(FEATURES[:200].astype(np.float64))
    assert found.dtype == np.float32
    assert same_up_to_sign(found, model.transform(FEATURES.astype(np.float64)))


def test_whitened_components_have_unit_variance_over_the_training_images():
    fitted = fit_principal_components(FEATURES[:200], 5, whiten=True)
    scores = fitted.transform(FEATURES[:200])
    assert np.allclose(np.cov(scores.T), np.eye(5), atol=1e-3)


def test_a_share_of_the_variance_takes_as_many_components_as_it_needs():
    shares = PCA().fit(FEATURES).explained_variance_ratio_.cumsum()
    for share in (0.3, 0.8, 0.99):
        fitted = fit_principal_components(FEATURES, share)
        assert fitted.explained_variance.sum() >= share - 1e-5
        assert fitted.components.shape[1] == np.searchsorted(shares, share) + 1


def test_a_matrix_taken_batch_by_batch_gives_the_same_components(monkeypatch):
    whole = fit_principal_components(FEATURES, 4)
    monkeypatch.setattr(reduction_module, "WHOLE_MATRIX_BYTES", 1000)
    monkeypatch.setattr(reduction_module, "ROWS_PER_BLOCK", 50)
    parts = fit_principal_components(FEATURES, 4)
    assert same_up_to_sign(parts.transform(FEATURES), whole.transform(FEATURES))
    shared = fit_principal_components(FEATURES, 0.8)
    assert shared.explained_variance.sum() >= 0.8 - 1e-5


@pytest.mark.parametrize(
    ("features", "components", "message"),
    [
        (FEATURES[:3], 5, "5 principal components of 3 training images"),
        (FEATURES, 41, "41 principal components of 300 training images with 40 features"),
        (np.ones((20, 4), np.float32), 2, "do not vary"),
    ],
)
def test_components_that_cannot_be_are_an_error(features, components, message):
    with pytest.raises(ValueError, match=message):
        fit_principal_components(features, components)


def test_random_projections_keep_distances_and_follow_their_seed():
    wide = np.random.default_rng(1).standard_normal((20, 4000)).astype(np.float32)
    fitted = fit_random_projection(4000, 1000, seed=3)
    short = fitted.transform(wide)
    before = ((wide[:10] - wide[10:]) ** 2).sum(1)
    assert np.allclose(((short[:10] - short[10:]) ** 2).sum(1) / before, 1, atol=0.15)
    assert np.array_equal(short, fit_random_projection(4000, 1000, seed=3).transform(wide))
    assert not np.array_equal(short, fit_random_projection(4000, 1000, seed=4).transform(wide))


# what a network tells of itself
LOADED = {
    "architecture": "alexnet",
    "weights": "untrained",
    "weights_label": "untrained (seed 2)",
    "weights_sha256": "a" * 64,
    "preprocessing": "resized",
}


# ---- the stage: shards joined, training images decide, what was fitted is kept


@pytest.fixture
def shards(tmp_path):
    """Three shards of a network with two layers, images 10, 12, 14, …"""
    paths = []
    nsd_id = 10 + 2 * np.arange(len(FEATURES))
    for number, rows in enumerate(np.array_split(np.arange(len(FEATURES)), 3), start=1):
        path = tmp_path / f"{number}of3.h5"
        provenance = {
            "configuration": {"layers": ["fc:mean", "block_0", "block_1"], **LOADED},
            "simulated": True,
            "untrained": ["alexnet"],
            "weights": {},
        }
        arrays = {
            "block_0": FEATURES[rows, :30],
            "block_1": FEATURES[rows, 30:],
            "fc:mean": -FEATURES[rows],
        }
        write_layers(path, nsd_id[rows], arrays, provenance)
        paths.append(path)
    return nsd_id, paths


def write_layers(path, nsd_id, layers, provenance):
    with create_result(path, provenance) as file:
        file.add("image", "image", nsd_id)
        for layer, features in layers.items():
            add_layer(file, layer, len(features), features)[...] = features


def reduce(monkeypatch, shards, settings, split=None):
    out = shards[0].parent / "space.h5"
    arguments = ["--space", "mine", "--settings", "mine", "--out", str(out)]
    arguments += ["--shards", *map(str, shards)]
    if split is None:
        nsd_id = np.concatenate([read_result(path, ["image"])["image"] for path in shards])
        images = out.with_name("images.tsv")
        nothing = {"simulated": True, "untrained": [], "weights": {}}
        write_table(images, pd.DataFrame({"nsd_id": nsd_id}), {"nsd_id": "image"}, nothing)
    arguments += ["--split", str(split)] if split else ["--images", str(images)]
    monkeypatch.setattr("sys.argv", ["reduce_features", *arguments])
    monkeypatch.setenv(RUN, frozen(out.parent, mine=settings)[RUN])
    reduce_features.main()
    return read_result(out)


def write_split(path, nsd_id, is_test):
    sets = pd.DataFrame({"nsd_id": nsd_id, "set": np.where(is_test, "test", "train")})
    provenance = {"simulated": True, "untrained": [], "weights": {}}
    write_table(path, sets, {"nsd_id": "image", "set": "train or test"}, provenance)
    return path


def test_a_space_is_its_layer_in_the_order_of_the_images(monkeypatch, shards):
    nsd_id, paths = shards
    space = reduce(monkeypatch, paths, {"layer": "fc", "pooling": "mean"})
    assert np.array_equal(space["image"], nsd_id)
    assert np.array_equal(space["features"], -FEATURES)
    assert space.provenance["untrained"] == ["alexnet"]
    assert space.provenance["weights"] == {
        "mine": {"state": "untrained", "label": "untrained (seed 2)"}
    }
    assert set(space.provenance["inputs"]) == {"1of3", "2of3", "3of3", "images"}


@pytest.mark.parametrize("key", ["weights_sha256", "preprocessing"])
def test_shards_of_networks_that_differ_are_not_joined(monkeypatch, shards, key):
    path = shards[1][1]
    file = read_result(path)
    provenance = {**file.provenance, "configuration": {**file.provenance["configuration"]}}
    provenance["configuration"][key] = "another"
    layers = {name: file[layer_array(name)] for name in ("block_0", "block_1", "fc:mean")}
    write_layers(path, file["image"], layers, provenance)
    with pytest.raises(InputError, match=rf"2of3.h5: its network's {key} is another.*replaced"):
        reduce(monkeypatch, shards[1], {"layer": "fc", "pooling": "mean"})


def test_a_pattern_sets_layers_side_by_side(monkeypatch, shards):
    space = reduce(monkeypatch, shards[1], {"layer": "block_*"})
    assert np.array_equal(space["features"], FEATURES)
    assert space.provenance["configuration"]["layers"] == ["block_0", "block_1"]


def test_a_layer_that_was_not_kept_is_reported_with_those_that_were(monkeypatch, shards):
    with pytest.raises(InputError, match=r"feature_spaces.mine.layer: .*lacks fc7; it has fc:mean"):
        reduce(monkeypatch, shards[1], {"layer": "fc7"})


def test_test_images_do_not_move_the_principal_components(monkeypatch, shards, tmp_path):
    """Images of the subject in any order; those that it has not seen play no part."""
    nsd_id, paths = shards
    settings = {
        "layer": "block_*",
        "reduction": {"method": "pca", "components": 4.0, "whiten": False, "seed": 0},
    }
    order = np.random.default_rng(2).permutation(len(nsd_id))[:220]
    is_test = np.arange(220) < 60
    split = write_split(tmp_path / "split.tsv", nsd_id[order], is_test)
    space = reduce(monkeypatch, paths, settings, split)
    assert np.array_equal(space["image"], nsd_id[order])
    expected = PCA(4).fit(FEATURES[order[~is_test]]).transform(FEATURES[order])
    assert same_up_to_sign(space["features"], expected)
    # and new images can go the same way
    stored = Reduction(
        *(space[f"reduction_{name}"] for name in ("mean", "components", "explained_variance"))
    )
    assert np.allclose(stored.transform(FEATURES[order]), space["features"], atol=1e-4)


def test_a_random_projection_is_kept_whole(monkeypatch, shards):
    settings = {
        "layer": "fc",
        "pooling": "mean",
        "reduction": {"method": "random_projection", "components": 7, "seed": 1},
    }
    space = reduce(monkeypatch, shards[1], settings)
    assert space["features"].shape == (300, 7)
    parts = [space[f"reduction_components_{name}"] for name in ("data", "indices", "indptr")]
    stored = csr_array(tuple(parts), shape=space["reduction_components_shape"])
    assert np.allclose(-FEATURES @ stored, space["features"], atol=1e-4)


def test_too_many_components_name_the_space(monkeypatch, shards, tmp_path):
    nsd_id, paths = shards
    split = write_split(tmp_path / "split.tsv", nsd_id[:30], np.arange(30) < 10)
    reduction = {"method": "pca", "components": 25.0, "whiten": False, "seed": 0}
    with pytest.raises(InputError, match=r"feature_spaces.mine.reduction: 25 principal components"):
        reduce(monkeypatch, paths, {"layer": "block_*", "reduction": reduction}, split)


def test_a_subject_with_an_image_that_no_shard_has_names_both(monkeypatch, shards, tmp_path):
    nsd_id, paths = shards
    split = write_split(tmp_path / "split.tsv", [*nsd_id[:30], 11], np.arange(31) < 10)
    reduction = {"method": "pca", "components": 2.0, "whiten": False, "seed": 0}
    with pytest.raises(InputError, match=r"lacks 1 of the .*split.tsv"):
        reduce(monkeypatch, paths, {"layer": "block_*", "reduction": reduction}, split)
    with h5py.File(paths[0], "r") as file:
        assert "features_block_0" in file


def test_features_that_never_vary_are_counted_and_a_space_of_them_refused(
    monkeypatch, capsys, tmp_path
):
    provenance = {
        "configuration": {"layers": ["some", "none"], **LOADED},
        "simulated": False,
        "untrained": [],
        "weights": {},
    }
    some = np.column_stack([np.arange(5), np.ones((5, 3))]).astype(np.float32)
    layers = {"some": some, "none": some[:, 1:]}
    write_layers(tmp_path / "1of1.h5", np.arange(5), layers, provenance)
    reduce(monkeypatch, [tmp_path / "1of1.h5"], {"layer": "some"})
    assert "3 of them the same for every image" in capsys.readouterr().out
    (tmp_path / "space.h5").unlink()
    with pytest.raises(InputError, match=r"feature_spaces.mine: no feature varies"):
        reduce(monkeypatch, [tmp_path / "1of1.h5"], {"layer": "none"})
    assert not (tmp_path / "space.h5").exists()


def test_a_full_disk_is_reported_and_leaves_no_file(shards, tmp_path):
    """The system refuses to let the file grow, as a full disk would."""
    nsd_id, paths = shards
    limit = 100_000
    out = tmp_path / "space.h5"
    command = [sys.executable, "-m", "pipeline.stages.reduce_features", "--space", "mine"]
    command += ["--settings", "mine", "--out", str(out)]
    is_test = np.arange(len(nsd_id)) < 10
    command += ["--split", str(write_split(tmp_path / "split.tsv", nsd_id, is_test)), "--shards"]
    reduction = {"method": "random_projection", "components": 300, "seed": 0}
    done = subprocess.run(
        [*command, *map(str, paths)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=ENVIRON | frozen(tmp_path, mine={"layer": "block_*", "reduction": reduction}),
    )
    assert done.returncode == 1
    # h5py itself remarks that it could not close the file
    assert done.stderr.splitlines()[-1].startswith("error: the disk is full")
    assert "reduce_features.py" not in done.stderr
    assert list(tmp_path.glob("*space*")) == []
