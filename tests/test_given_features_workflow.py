"""A study on files of features alone scores as the study whose networks computed them."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Study, bare, read_tiny, rewrite

from features.checkpoints import checkpoint_hash
from pipeline.dataset.images import open_images
from pipeline.maps.files import INDEX
from pipeline.results.metadata import metadata_path, read_metadata
from pipeline.results.provenance import read_provenance
from pipeline.results.storage import open_result, read_result
from pipeline.results.tables import read_table

SUBJECTS = ("subj01", "subj03")
# {file: {array: layer of the small study}}
FILES = {
    "seen.npz": ("alexnet", {"fc7": "fc7", "conv3": "conv3:mean"}),
    "read.csv": ("bert", {"features": "last_hidden_state:mean"}),
}


def extracted(study: Study, network: str, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and features of a layer as the small study extracted them."""
    images, features = [], []
    for path in sorted((study.results / f"features/layers/{network}").glob("*.h5")):
        with open_result(path) as file:
            images.append(file["image"][()])
            features.append(file[f"features_{layer}"][()].astype(np.float32))
    return np.concatenate(images), np.concatenate(features)


def write_files(study: Study) -> None:
    """Arrays with 73KIDs in random order, and a table with COCO's ids."""
    random = np.random.default_rng(0)
    for name, (network, layers) in FILES.items():
        arrays = {}
        for array, layer in layers.items():
            nsd_id, arrays[array] = extracted(study, network, layer)
        order = random.permutation(len(nsd_id))
        arrays = {array: values[order] for array, values in arrays.items()}
        path = study.directory / name
        if path.suffix == ".npz":
            np.savez(path, **{"73KID": nsd_id[order] + 1}, **arrays)
        else:
            frame = pd.DataFrame(arrays["features"])
            coco_id = open_images(study.nsd).ids("coco_id")[nsd_id[order]]
            frame.assign(coco_id=coco_id).to_csv(path, index=False)


def given_values(tiny: dict) -> dict:
    """The small study's three spaces, of files."""
    values = {**bare(deepcopy(tiny)), "study": "given"}
    values["networks"] = {
        "seen": {"library": "file", "path": "seen.npz", "ids": "73KID"},
        "read": {"library": "file", "path": "read.csv", "ids": "coco_id"},
    }
    spaces = values["feature_spaces"]
    spaces["alexnet"] = {"network": "seen", "layer": "fc7"}
    spaces["alexnet_conv3"] |= {"network": "seen", "layer": "conv3"}
    del spaces["alexnet_conv3"]["pooling"]
    spaces["bert"] = {"network": "read", "layer": "features"}
    values["extraction"] = {"shards": 2}
    return {**values, "maps": {"spaces": ["MNI152"], "quantities": ["r2"]}}


@pytest.fixture(scope="module")
def given(study) -> Study:
    write_files(study)
    made = Study(study.directory, study.directory / "given.yaml")
    made.configuration.write_text(yaml.safe_dump(given_values(read_tiny()), sort_keys=False))
    planned = made.planned()
    assert "simulate_nsd" not in planned
    assert planned["extract_features"] == 12
    made.snakemake()
    return made


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("model", ["alexnet", "alexnet_conv3", "bert", "alexnet+bert"])
def test_scores_are_those_of_the_networks_that_computed_the_features(study, given, subject, model):
    file = f"encoding/{subject}/all/{model}.h5"
    found = read_result(given.results.parent / "given" / file)
    expected = read_result(study.results / file)
    for name in ("voxel", "image", "alpha"):
        np.testing.assert_array_equal(found[name], expected[name])
    for name in ("r", "r2"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    assert np.isfinite(found["r"]).any()


def test_everything_that_states_of_weights_states_the_file_and_its_hash(study, given):
    results = given.results.parent / "given"
    digests = {name: checkpoint_hash(study.directory / name) for name in FILES}
    labels = {name: f"given ({name}, sha256 {digest[:12]})" for name, digest in digests.items()}
    table = read_table(results / "tables/correlations.tsv").drop_duplicates("model")
    weights = table.set_index("model")["weights"]
    assert weights["bert"] == f"{labels['read.csv']}: bert"
    both = f"{labels['seen.npz']}: alexnet; {labels['read.csv']}: bert"
    assert weights["alexnet+bert"] == both
    confounds = read_table(results / "tables/confounds.tsv").set_index("attribute")
    assert labels["seen.npz"] in confounds.loc["weights", "values"]
    assert confounds.loc["stimulus", "status"] == "not stated"
    features = read_provenance(results / "features/subj01/bert.h5")
    extraction = features["configuration"]["extraction"]
    assert (extraction["weights"], extraction["weights_sha256"]) == ("given", digests["read.csv"])
    assert features["untrained"] == []
    for folder in ("subj01/all", "group"):
        index = read_metadata(results / f"maps/{folder}/{INDEX}")["maps"]
        name = next(file for file, provenance in index.items() if provenance["name"] == "bert")
        sidecar = json.loads(metadata_path(results / f"maps/{folder}/{name}").read_text())
        assert sidecar["Weights"]["bert"] == labels["read.csv"]
        assert sidecar["UntrainedSpaces"] == []
    methods = (results / "report/methods.html").read_text()
    assert all(label in methods for label in labels.values())
    pages = [path.read_text() for path in (results / "report").glob("*.html")]
    assert not any("Untrained weights:" in page for page in pages)
    assert "an image's captions were averaged" not in methods


def test_another_content_reruns_the_extraction_of_that_file_and_what_reads_it(given):
    assert given.planned() == {}
    path = given.directory / "read.csv"
    content = path.read_bytes()
    try:
        # a new date alone reruns nothing
        rewrite(path, content)
        assert given.planned() == {}
        pd.read_csv(path).drop(columns="3").to_csv(path, index=False)
        planned = given.planned()
    finally:
        rewrite(path, content)
    # six parts, and the fits of bert and of the joint model of both subjects
    expected = {"extract_features": 6, "reduce_features": 2, "fit_encoding_models": 4}
    assert {rule: planned.get(rule) for rule in expected} == expected
    assert not {"simulate_nsd", "average_responses", "split_images", "fit_reduction"} & set(planned)
    assert planned["check_inputs"] == planned["check_networks"] == 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"ids": "nsd_id", "image_ids": "73KID"}, "With `ids: 73KID` it has every image"),
        ({"path": "unseen.npz"}, "networks.seen: unseen.npz: not found. Correct the path"),
    ],
)
def test_a_bad_file_ends_the_run_before_long_work(given, edit, message):
    text = given.configuration.read_text()
    try:
        given.edit(lambda values: values["networks"]["seen"].update(edit))
        done = given.snakemake(check=False)
    finally:
        given.configuration.write_text(text)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert message in printed
    assert "Traceback" not in printed
    assert "extract_features" not in printed.split("Job stats:")[-1].split("\n\n", 1)[-1]
