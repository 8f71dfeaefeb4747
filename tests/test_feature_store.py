"""Features are kept by what they are: studies share them, and none disturbs another."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from conftest import ENVIRON, Study, branch, damaged_copy, rewrite

from pipeline.configuration.features import NetworkSettings
from pipeline.dataset.images import open_images
from pipeline.dataset.stimulus_readers import stimulus_hashes
from pipeline.errors import InputError
from pipeline.nsd.layout import NSDLayout
from pipeline.results.feature_store import (
    FeatureStore,
    Images,
    add_layer,
    stored_dtype,
    write_features,
)
from pipeline.results.provenance import read_provenance
from pipeline.results.storage import create_result, read_result
from pipeline.stages import extract_features

NETWORK = {"architecture": "ViT/B 32", "weights_sha256": "a" * 64, "preprocessing": "crop"}
LAYERS = ["fc7", "conv3:mean"]
NOTHING = {"simulated": False, "untrained": [], "weights": {}, "inputs": {}}


def features_of(images, layer):
    """Features that an image has in a layer, whoever extracts them."""
    width = 3 + LAYERS.index(layer)
    return np.add.outer(10 * images.nsd_id, np.arange(width)).astype(np.float32)


def some(*nsd_id, shown=7):
    return Images(np.array(nsd_id), np.full(len(nsd_id), shown, np.uint64))


def add(store, study, images, layers=LAYERS):
    with store.add(study, images, layers, NOTHING) as file:
        for layer in layers:
            write(file, layer, features_of(images, layer))


def write(file, layer, features):
    write_features(add_layer(file, layer, len(features), features), 0, features)


def refer(store, path, images, layers=LAYERS):
    with create_result(path, NOTHING) as file:
        file.add("image", "image", images.nsd_id)
        store.refer(file, path, images, layers)
    return read_result(path)


@pytest.fixture
def results(tmp_path):
    """Where stored features and two studies lie."""
    return tmp_path / "results"


@pytest.fixture
def store(results):
    return FeatureStore(results / "features/nsd", NETWORK)


def missing(store, images):
    return [(found.nsd_id.tolist(), layers) for found, layers in store.missing(images, LAYERS)]


def test_only_images_and_layers_that_no_part_has_are_missing(store):
    images = some(3, 5, 8, 9)
    assert missing(store, images) == [([3, 5, 8, 9], LAYERS)]
    add(store, "one", some(5, 9, 11))
    assert missing(store, images) == [([3, 8], LAYERS)]
    add(store, "one", some(3, 8), LAYERS[:1])
    assert missing(store, images) == [([3, 8], LAYERS[1:])]
    add(store, "two", some(3, 8), LAYERS[1:])
    assert missing(store, images) == []


def test_an_image_that_was_replaced_is_another(store, results):
    """The same number, another picture: its old features stay for those who read them."""
    add(store, "one", some(1, 2))
    now = Images(np.array([1, 2]), np.array([7, 8], np.uint64))
    assert missing(store, now) == [([2], LAYERS)]
    with store.add("two", some(2, shown=8), LAYERS, NOTHING) as file:
        for layer in LAYERS:
            write(file, layer, -features_of(some(2), layer))
    found = refer(store, results / "mine/features.h5", now)
    assert np.array_equal(found["features_fc7"][0], features_of(some(1), "fc7")[0])
    assert np.array_equal(found["features_fc7"][1], -features_of(some(2), "fc7")[0])
    assert refer(store, results / "mine/old.h5", some(1, 2))["features_fc7"][1, 0] == 20


def test_a_study_reads_its_images_wherever_they_lie(store, results):
    add(store, "one", some(5, 9, 11))
    add(store, "two", some(1, 2, 3, 9))
    images = some(9, 1, 3, 11, 2)
    found = refer(store, results / "mine/features/layers/net/shared_1of1.h5", images)
    for layer in LAYERS:
        assert np.array_equal(found[f"features_{layer}"], features_of(images, layer))


def test_parts_are_never_changed_by_what_is_added(store, results):
    add(store, "one", some(1, 2))
    path = results / "mine/features.h5"
    before = refer(store, path, some(1, 2))
    content = {part.path: part.path.read_bytes() for part in store.parts}
    add(store, "two", some(2, 3))
    add(store, "one", some(3, 4))
    # the same once more, by a job that began at the same time
    with store.add("one", some(1, 2), LAYERS, {**NOTHING, "device": "another"}) as file:
        for layer in LAYERS:
            write(file, layer, 1 + features_of(some(1, 2), layer))
    assert {name: name.read_bytes() for name in content} == content
    assert not list(store.folder.glob(".*"))
    after = read_result(path)
    assert all(np.array_equal(after[name], before[name]) for name in before.data.variables)


def test_the_same_rows_are_the_same_bytes_at_any_time(store, results):
    """HDF5 would write in which second a dataset was made."""
    add(store, "one", some(1, 2))
    path, contents = results / "mine/features.h5", set()
    for _ in range(2):
        refer(store, path, some(1, 2))
        contents.add(path.read_bytes())
        time.sleep(1.1)
    assert len(contents) == 1


@pytest.mark.parametrize("key", NETWORK)
def test_what_decides_features_is_not_mixed(store, results, key):
    add(store, "one", some(1, 2))
    other = FeatureStore(results / "features/nsd", {**NETWORK, key: "other"})
    assert other.folder != store.folder
    assert other.missing(some(1, 2), LAYERS)


def test_a_part_that_is_gone_or_altered_is_reported_by_its_name_and_with_what_is_made_of_it(
    store, results
):
    add(store, "one", some(1, 2))
    path = results / "mine/features.h5"
    refer(store, path, some(1, 2))
    (part,) = store.parts
    content, state = part.path.read_bytes(), part.path.stat()
    stored = features_of(some(2), "fc7").astype(np.float16).tobytes()
    part.path.write_bytes(content.replace(stored, b"x" * len(stored)))
    for damage in (lambda: None, part.path.unlink):
        damage()
        with pytest.raises(InputError) as message:
            read_result(path)
        assert str(part.path) in str(message.value)
        assert f"{path} consists of rows of {part.path.name}: delete it as well" in str(
            message.value
        )
    # by its date nobody wrote to it: HDF5 tells
    stored = features_of(some(2), "fc7").astype(np.float16).tobytes()
    part.path.write_bytes(content.replace(stored, b"x" * len(stored)))
    os.utime(part.path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(InputError, match=f"{part.path}: its content is not what"):
        read_result(path)


@pytest.mark.parametrize("length", [0, 100, 1000, -1])
def test_a_part_that_cannot_be_opened_is_reported(store, length):
    add(store, "one", some(1, 2))
    (part,) = store.parts
    part.path.write_bytes(part.path.read_bytes()[:length])
    again = FeatureStore(store.folder.parent, NETWORK)
    with pytest.raises(InputError, match=r"one-.*damaged"):
        again.missing(some(1), LAYERS)


@pytest.mark.parametrize("linked", ["mine", "mine/features", "features"])
def test_folders_may_be_links_to_other_disks(store, results, tmp_path, linked):
    elsewhere = tmp_path / "scratch/disk" / linked
    elsewhere.mkdir(parents=True)
    (results / linked).parent.mkdir(parents=True, exist_ok=True)
    (results / linked).symlink_to(elsewhere)
    images = some(2, 1)
    add(store, "one", some(1, 2))
    path = results / "mine/features/subj01/fc7.h5"
    assert np.array_equal(refer(store, path, images)["features_fc7"], features_of(images, "fc7"))
    (part,) = store.parts
    part.path.unlink()
    with pytest.raises(InputError, match="missing"):
        read_result(path)


def test_an_image_is_known_by_what_is_shown_of_it(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    before, after = open_images(study.nsd), open_images(tree)
    images = np.array([0, 3, 7])
    hashes = {kind: stimulus_hashes(before, images, kind) for kind in ("image", "captions")}
    assert len(set(hashes["image"].tolist())) == 3
    stimuli = NSDLayout(tree).stimuli
    rewrite(stimuli, stimuli.read_bytes())
    with h5py.File(stimuli, "r+") as file:
        file["imgBrick"][3, 0, 0, 0] ^= 1
    changed = stimulus_hashes(after, images, "image") != hashes["image"]
    assert changed.tolist() == [False, True, False]
    assert np.array_equal(stimulus_hashes(after, images, "captions"), hashes["captions"])


# what of a network's settings decides nothing of its features, or is told by what was loaded
HARMLESS = {"name", "batch_size", "layers", "weights", "facts", "texts"}


@pytest.mark.parametrize("key", sorted(set(NetworkSettings.model_fields) - HARMLESS))
def test_every_setting_of_a_network_decides_where_its_features_are(study, key):
    settings = {field: "as it was" for field in NetworkSettings.model_fields} | {"name": "x"}
    identity = {"architecture": "x", "weights_label": "pretrained", "checkpoint": None}
    dataset = open_images(study.nsd)
    one, other = (
        extract_features._store_identity({**settings, key: value}, identity, dataset)
        for value in ("as it was", "another")
    )
    assert one != other
    names = {**settings, "name": "y", "batch_size": 3, "weights": "elsewhere/weights.pt"}
    assert extract_features._store_identity(names, identity, dataset) == one


# ---- studies


def of_other(first: Study, **changes: object) -> Study:
    """Another study in the same folder, of the same images."""
    other = replace(first, configuration=first.directory / f"{changes['study']}.yaml")
    rewrite(other.configuration, first.configuration.read_text())
    other.edit(lambda values: values.update(changes))
    return other


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    """The small study, beside which others are made."""
    return branch(study, tmp_path_factory.mktemp("shared") / "study", study.configuration.name)


def space_of(study: Study, name: str, subject: str) -> str:
    return f"results/{name}/features/{subject}/bert.h5"


def test_another_study_of_fewer_subjects_extracts_nothing_and_disturbs_nothing(finished):
    store = finished.results.parent / "features/tiny"
    parts = {path: path.stat().st_mtime_ns for path in store.rglob("*.h5")}
    assert parts
    other = of_other(finished, study="fewer", subjects=["subj01"])
    requested = space_of(other, "fewer", "subj01")
    other.snakemake(requested)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.h5")} == parts
    assert finished.planned() == {}
    theirs = read_result(finished.directory / space_of(finished, "tiny", "subj01"))
    mine = read_result(finished.directory / requested)
    assert np.array_equal(mine["image"], theirs["image"])
    assert np.array_equal(mine["features"], theirs["features"])


def test_another_subject_adds_images_and_refits_no_other(finished):
    one = of_other(finished, study="one", subjects=["subj03"])
    fit = "results/one/encoding/{}/all/bert.h5"
    one.snakemake(fit.format("subj03"))
    one.edit(lambda values: values.update(subjects=["subj01", "subj03"]))
    planned = one.planned(fit.format("subj03"), fit.format("subj01"))
    assert planned["fit_encoding_models"] == 1
    assert planned["reduce_features"] == 1
    # the subject's own images; those that are shared are there
    assert planned["extract_features"] == 1
    assert planned["average_responses"] == 1


def test_another_name_of_a_network_shares_its_features_and_keeps_its_own_name(finished):
    def rename(values):
        values["networks"]["reader"] = values["networks"].pop("alexnet")
        values["feature_spaces"]["alexnet"]["network"] = "reader"
        values["feature_spaces"]["alexnet_conv3"]["network"] = "reader"

    other = of_other(finished, study="renamed")
    other.edit(rename)
    requested = "results/renamed/features/subj01/alexnet.h5"
    before = sorted((finished.results.parent / "features/tiny").rglob("*.h5"))
    other.snakemake(requested)
    assert sorted((finished.results.parent / "features/tiny").rglob("*.h5")) == before
    provenance = read_provenance(finished.directory / requested)
    assert provenance["untrained"] == ["reader"]


def test_two_studies_at_the_same_time_extract_the_same_images(finished):
    """Both begin without any stored feature."""
    shutil.rmtree(finished.results.parent / "features/tiny")
    names = ("left", "right")
    studies = [of_other(finished, study=name, subjects=["subj03"]) for name in names]
    running = [
        subprocess.Popen(
            study.command(space_of(study, name, "subj03"), "--cores", "1"),
            env={**ENVIRON, "PYTHONPATH": str(study.checkout)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for study, name in zip(studies, names, strict=True)
    ]
    for process in running:
        _, reported = process.communicate()
        assert process.returncode == 0, reported
    found = [read_result(finished.directory / space_of(finished, n, "subj03")) for n in names]
    assert np.allclose(found[0]["features"], found[1]["features"], atol=1e-6)
    for study in studies:
        assert study.planned(space_of(study, study.configuration.stem, "subj03")) == {}
    # and the first study can tell that what it was made of is gone
    with pytest.raises(InputError, match=r"features/tiny/.* missing.*delete it as well"):
        read_result(finished.directory / space_of(finished, "tiny", "subj01"))


def test_results_refer_to_features_by_relative_paths(store, results, tmp_path):
    """Or a copy of all results would read the original's."""
    add(store, "one", some(1, 2))
    refer(store, results / "mine/features/subj01/fc7.h5", some(2, 1))
    shutil.copytree(results, tmp_path / "copy/results")
    shutil.rmtree(results)
    copied = read_result(tmp_path / "copy/results/mine/features/subj01/fc7.h5")
    assert np.array_equal(copied["features_fc7"], features_of(some(2, 1), "fc7"))


@pytest.mark.parametrize(
    ("mean", "scale", "stored"),
    [
        (0, 1, np.float16),
        (3, 1, np.float16),  # activations that are far from 0 are rounded more
        (1000, 1, np.float32),
        (0, 1e-7, np.float32),  # smaller than the smallest number
        (0, 2000, np.float32),  # later images may have larger ones
    ],
)
def test_features_are_stored_in_half_precision_if_it_suffices(mean, scale, stored):
    features = (mean + scale * np.random.default_rng(0).standard_normal((8, 500))).astype("f4")
    assert stored_dtype(features) == stored


def test_rounding_adds_little_to_the_variance_of_what_is_stored_in_half_precision():
    random = np.random.default_rng(0)
    for mean in (0, 1, 10, 15):
        features = (mean + random.standard_normal((200, 300))).astype(np.float32)
        assert stored_dtype(features[:8]) == np.float16
        error = features - features.astype(np.float16)
        assert error.var() < 1e-4 * features.var(axis=0).mean()


@pytest.mark.parametrize("features", [np.eye(8, 80), np.full((8, 3), 0.1)])
def test_indicators_are_stored_in_half_precision_and_a_constant_is_not(features):
    exact = len(np.unique(features)) > 1
    assert stored_dtype(features.astype(np.float32)) == (np.float16 if exact else np.float32)


def test_a_feature_that_exceeds_half_precision_is_reported(tmp_path):
    with create_result(tmp_path / "part.h5", NOTHING) as file:
        first = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
        file.add("image", "image", np.arange(9))
        dataset = add_layer(file, "fc7", 9, first)
        write_features(dataset, 0, first)
        with pytest.raises(ValueError, match=r"fc7: a feature is 7e\+04, more than 64 times"):
            write_features(dataset, 8, np.full((1, 3), 7e4, np.float32))


def test_references_to_parts_of_both_precisions_read_as_single_precision(store, tmp_path):
    features = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    parts = some(1, 2), some(3, 4)
    for images, values, dtype in zip(parts, (features[:2], 1e3 * features[2:]), "24", strict=True):
        with store.add("one", images, ["fc7"], NOTHING) as file:
            dataset = add_layer(file, "fc7", 2, values)
            assert dataset.dtype == f"f{dtype}"
            write_features(dataset, 0, values)
    found = refer(store, tmp_path / "study.h5", some(1, 2, 3, 4), ["fc7"])["features_fc7"]
    assert found.dtype == np.float32
    expected = np.concatenate([features[:2].astype(np.float16), 1e3 * features[2:]])
    np.testing.assert_array_equal(found, expected)
