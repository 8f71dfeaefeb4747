"""The same inputs are the same results, however many threads there are."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from conftest import ENVIRON, assert_same_arrays, branch
from PIL import Image

from features.layers import Layer
from features.networks import load_network
from pipeline.results.integrity import file_hash
from pipeline.results.storage import read_result

pytestmark = pytest.mark.robustness

# what has most to add up: a network's activations and principal components; a fit and its tests
SAME_BYTES = (
    "tiny/features/layers/alexnet/subj01_1of1.h5",
    "tiny/features/subj01/all/alexnet_conv3.h5",
)
SAME_UP_TO_ROUNDING = (
    "tiny/encoding/subj01/all/alexnet_conv3.h5",
    "tiny/significance/subj01/all/alexnet_conv3.h5",
)


@pytest.fixture
def one_thread(monkeypatch):
    for library in ("OPENBLAS", "OMP", "MKL"):
        monkeypatch.setitem(ENVIRON, f"{library}_NUM_THREADS", "1")


def test_one_thread_makes_the_results_that_two_made(study, tmp_path, one_thread):
    branched = branch(study, tmp_path / "study", study.configuration.name)
    folder = branched.results.parent
    hashes = {folder / name: file_hash(folder / name) for name in SAME_BYTES}
    results = {folder / name: read_result(folder / name) for name in SAME_UP_TO_ROUNDING}
    for path in [*hashes, *results]:
        path.unlink()
    # or nothing would be extracted again
    shutil.rmtree(folder / "features")
    shutil.rmtree(branched.results / "features/layers")
    requested = [f"results/{name}" for name in (*SAME_BYTES, *SAME_UP_TO_ROUNDING)]
    branched.snakemake("--cores", "1", *requested)
    assert {path: file_hash(path) for path in hashes} == hashes
    for path, expected in results.items():
        assert_same_arrays(read_result(path), expected)


# documented: how far activations of other batches may be apart, of their largest
TOLERANCE = 1e-5


def test_batches_of_another_size_change_activations_by_no_more_than_is_documented():
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (12, 425, 425, 3), np.uint8)
    images = [Image.fromarray(image) for image in pixels]
    settings = {"name": "alexnet", "library": "torchvision", "architecture": "alexnet"}
    settings |= {"stimulus": "image", "weights": "untrained", "seed": 2}
    network = load_network(settings, "cpu", None)
    layers = [Layer.parse("conv3:mean"), Layer.parse("fc7")]
    whole = network.run(network.preprocess(images), layers)
    parts = [
        network.run(network.preprocess(images[start : start + 5]), layers) for start in (0, 5, 10)
    ]
    for layer in layers:
        found = np.concatenate([part[layer] for part in parts])
        apart = np.abs(found - whole[layer]).max() / np.abs(whole[layer]).max()
        assert apart <= TOLERANCE
