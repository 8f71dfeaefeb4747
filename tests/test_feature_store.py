"""Features are kept by what they are: studies share them, and none disturbs another."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import ENVIRON, Study, branch

from pipeline.errors import InputError
from pipeline.feature_store import FeatureStore
from pipeline.nsd.layout import NSDLayout
from pipeline.stimulus_readers import stimuli_hash
from pipeline.storage import create_result, read_provenance, read_result, write_result

NETWORK = {"architecture": "ViT/B 32", "weights_sha256": "a" * 64, "preprocessing": "crop"}
LAYERS = ["fc7", "conv3:mean"]
NOTHING = {"simulated": False, "untrained": [], "weights": {}, "inputs": {}}


def features_of(nsd_id, layer):
    """Of an image and layer, whoever extracts them."""
    width = 3 + LAYERS.index(layer)
    return np.add.outer(10 * nsd_id, np.arange(width)).astype(np.float32)


def add(store, study, nsd_id, layers=LAYERS):
    with store.add(study, nsd_id, layers, NOTHING) as file:
        for layer in layers:
            file[f"features/{layer}"] = features_of(nsd_id, layer)


def refer(store, path, nsd_id, layers=LAYERS):
    with create_result(path, NOTHING) as file:
        file["nsd_id"] = nsd_id
        store.refer(file, path, nsd_id, layers)
    return read_result(path)


@pytest.fixture
def results(tmp_path):
    """Where stored features and two studies lie."""
    return tmp_path / "results"


@pytest.fixture
def store(results):
    return FeatureStore(results / "features/nsd", NETWORK)


def test_only_images_and_layers_that_no_part_has_are_missing(store):
    images = np.array([3, 5, 8, 9])
    ((missing, layers),) = store.missing(images, LAYERS)
    assert np.array_equal(missing, images)
    assert layers == LAYERS
    add(store, "one", np.array([5, 9, 11]))
    ((missing, layers),) = store.missing(images, LAYERS)
    assert np.array_equal(missing, [3, 8])
    assert layers == LAYERS
    add(store, "one", np.array([3, 8]), LAYERS[:1])
    ((missing, layers),) = store.missing(images, LAYERS)
    assert np.array_equal(missing, [3, 8])
    assert layers == LAYERS[1:]
    add(store, "two", np.array([3, 8]), LAYERS[1:])
    assert store.missing(images, LAYERS) == []


def test_a_study_reads_its_images_wherever_they_lie(store, results):
    add(store, "one", np.array([5, 9, 11]))
    add(store, "two", np.array([1, 2, 3, 9]))
    images = np.array([9, 1, 3, 11, 2])
    found = refer(store, results / "mine/features/layers/net/shared_1of1.h5", images)
    for layer in LAYERS:
        assert np.array_equal(found[f"features/{layer}"], features_of(images, layer))


def test_parts_are_never_changed_by_what_is_added(store, results):
    add(store, "one", np.array([1, 2]))
    path = results / "mine/features.h5"
    before = refer(store, path, np.array([1, 2]))
    content = {part.path: part.path.read_bytes() for part in store.parts}
    add(store, "two", np.array([2, 3]))
    add(store, "one", np.array([3, 4]))
    assert {name: name.read_bytes() for name in content} == content
    after = read_result(path)
    assert all(np.array_equal(after[name], before[name]) for name in before.arrays)


def test_the_same_rows_are_the_same_bytes_at_any_time(store, results):
    """HDF5 would write in which second a dataset was made."""
    add(store, "one", np.array([1, 2]))
    path, contents = results / "mine/features.h5", set()
    for _ in range(2):
        refer(store, path, np.array([1, 2]))
        contents.add(path.read_bytes())
        time.sleep(1.1)
    assert len(contents) == 1


@pytest.mark.parametrize("key", NETWORK)
def test_what_decides_features_is_not_mixed(store, results, key):
    add(store, "one", np.array([1, 2]))
    other = FeatureStore(results / "features/nsd", {**NETWORK, key: "other"})
    assert other.folder != store.folder
    assert other.missing(np.array([1, 2]), LAYERS)


def test_a_part_that_is_gone_or_altered_is_told_by_its_name_and_with_what_is_made_of_it(
    store, results
):
    add(store, "one", np.array([1, 2]))
    path = results / "mine/features.h5"
    refer(store, path, np.array([1, 2]))
    (part,) = store.parts
    content = part.path.read_bytes()
    part.path.write_bytes(content.replace(features_of(np.array([2]), "fc7").tobytes(), b"x" * 12))
    for damage in (lambda: None, part.path.unlink):
        damage()
        with pytest.raises(InputError) as told:
            read_result(path)
        assert str(part.path) in str(told.value)
        assert f"{path} consists of rows of it: delete it as well" in str(told.value)


def test_a_part_that_cannot_be_opened_is_told(store):
    add(store, "one", np.array([1, 2]))
    (part,) = store.parts
    part.path.write_bytes(b"")
    again = FeatureStore(store.folder.parent, NETWORK)
    with pytest.raises(InputError, match=r"one-.*damaged"):
        again.missing(np.array([1]), LAYERS)


def test_stimuli_of_other_trees_are_others(study, surface_tree):
    """A simulation with another number of images, of the same objects."""
    trees = NSDLayout(study.nsd), NSDLayout(surface_tree)
    for kind in ("image", "captions", "all_objects"):
        assert stimuli_hash(trees[0], kind) == stimuli_hash(trees[0], kind)
        assert stimuli_hash(trees[0], kind) != stimuli_hash(trees[1], kind)
    # an image's number is the same in all
    assert stimuli_hash(trees[0], "identity") == stimuli_hash(trees[1], "identity")


# ---- studies


def of_other(study: Study, **changes: object) -> Study:
    """Another study in the same folder, of the same images."""
    other = replace(study, configuration=study.directory / f"{changes['study']}.yaml")
    other.configuration.write_text(study.configuration.read_text())
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
    wanted = space_of(other, "fewer", "subj01")
    other.snakemake(wanted)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.h5")} == parts
    assert finished.planned() == {}
    theirs = read_result(finished.directory / space_of(finished, "tiny", "subj01"))
    mine = read_result(finished.directory / wanted)
    assert np.array_equal(mine["nsd_id"], theirs["nsd_id"])
    assert np.array_equal(mine["features"], theirs["features"])


def test_another_subject_adds_images_and_refits_no_other(finished):
    one = of_other(finished, study="one", subjects=["subj03"])
    fit = "results/one/encoding/{}/all/bert.h5"
    one.snakemake(fit.format("subj03"))
    one.edit(lambda values: values.update(subjects=["subj01", "subj03"]))
    planned = one.planned(fit.format("subj03"), fit.format("subj01"))
    assert planned["fit_encoding_models"] == 1
    assert planned["reduce_features"] == 1
    # in two shards of the subject's own images; those that are shared are there
    assert planned["extract_features"] == 2
    assert planned["average_responses"] == 1


def test_another_name_of_a_network_shares_its_features_and_keeps_its_own_name(finished):
    def rename(values):
        values["networks"]["reader"] = values["networks"].pop("alexnet")
        values["feature_spaces"]["alexnet"]["network"] = "reader"
        values["feature_spaces"]["alexnet_conv3"]["network"] = "reader"

    other = of_other(finished, study="renamed")
    other.edit(rename)
    wanted = "results/renamed/features/subj01/alexnet.h5"
    before = sorted((finished.results.parent / "features/tiny").rglob("*.h5"))
    other.snakemake(wanted)
    assert sorted((finished.results.parent / "features/tiny").rglob("*.h5")) == before
    provenance = read_provenance(finished.directory / wanted)
    assert provenance["untrained"] == ["reader"]


def test_two_studies_at_the_same_time_extract_the_same_images(finished):
    """Of networks that nobody has run yet."""
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
        _, told = process.communicate()
        assert process.returncode == 0, told
    found = [read_result(finished.directory / space_of(finished, n, "subj03")) for n in names]
    assert np.allclose(found[0]["features"], found[1]["features"], atol=1e-6)
    for study in studies:
        assert study.planned(space_of(study, study.configuration.stem, "subj03")) == {}
    # and the first study can tell that what it was made of is gone
    with pytest.raises(InputError, match=r"features/tiny/.* not found.*delete it as well"):
        read_result(finished.directory / space_of(finished, "tiny", "subj01"))


def test_results_refer_to_features_by_relative_paths(store, results, tmp_path):
    """Or a copy of all results would read the original's."""
    add(store, "one", np.array([1, 2]))
    refer(store, results / "mine/features/subj01/fc7.h5", np.array([2, 1]))
    write_result(results / "mine/other.h5", {"x": [1.0]}, NOTHING)
    shutil.copytree(results, tmp_path / "copy/results")
    shutil.rmtree(results)
    copied = read_result(tmp_path / "copy/results/mine/features/subj01/fc7.h5")
    assert np.array_equal(copied["features/fc7"], features_of(np.array([2, 1]), "fc7"))
