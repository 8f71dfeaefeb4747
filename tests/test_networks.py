"""What is loaded is what is named: weights, tags, preprocessing, and settings that nobody uses."""

from __future__ import annotations

import re
import time
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import WeightsEnum, get_model, get_model_weights

from features.extraction import image_features
from features.layers import Layer
from features.networks import load_network
from features.networks.torchvision_networks import USUAL_TAG, architectures

IMAGE = np.random.default_rng(0).integers(0, 255, (1, 425, 425, 3), dtype=np.uint8)
# whose features are compared; of larger ones the names and shapes of the weights are
MOST_PARAMETERS = 150e6
# the smallest network of each of torchvision's constructors
FAMILIES = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11",
    "vit_b_32",
)
# names of densenets' layers are older than the rule that a name holds no dot
OLD_KEY = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])")


def network(library, architecture, **more):
    common = {"library": library, "architecture": architecture, "stimulus": "image"}
    return {**common, "weights": "pretrained", **more}


def features_of(settings, *layers):
    layers = [Layer.parse(layer) for layer in layers]
    (found,) = image_features(load_network(settings, "cpu"), [IMAGE], layers)
    return {str(layer): features for layer, features in found.items()}


# ---- torchvision's networks are built, and shown images, as torchvision does with those weights


def published(architecture, tag=None):
    known = get_model_weights(architecture)
    return known[tag] if tag else known.__members__.get(USUAL_TAG, known.DEFAULT)


def _answer(state):
    def read(weights, *arguments, **options):
        return dict(state)

    return read


def on_the_hub(architecture, weights):
    """Weights of a seeded network, in the form of torchvision's download.

    What a constructor builds for these weights is known when it asks for them.
    """
    built = []

    def keep(module, state, *arguments, **options):
        built.append(module)

    torch.manual_seed(7)
    with (
        mock.patch.object(WeightsEnum, "get_state_dict", _answer({})),
        mock.patch.object(torch.nn.Module, "load_state_dict", keep),
    ):
        module = get_model(architecture, weights=weights)
    state = module.state_dict()
    if architecture == "googlenet":
        # its constructor has dropped them
        whole = get_model(architecture, weights=None, init_weights=False).state_dict()
        state = {name: state.get(name, value) for name, value in whole.items()}
    if architecture.startswith("densenet"):
        # older than the counter of batches, too
        state = {
            OLD_KEY.sub(r"\1.\2", name): value
            for name, value in state.items()
            if not name.endswith("num_batches_tracked")
        }
    return {name: value.clone() for name, value in state.items()}


def check_against_torchvision(architecture, tag=None):
    """Load a network with fabricated weights; its logits and torchvision's own."""
    weights = published(architecture, tag)
    state = on_the_hub(architecture, weights)
    settings = network("torchvision", architecture, **({"pretrained_tag": tag} if tag else {}))
    with mock.patch.object(WeightsEnum, "get_state_dict", _answer(state)):
        loaded = load_network(settings, "cpu")
        own = get_model(architecture, weights=weights).eval()
    assert loaded.identity()["checkpoint"] == {
        "source": weights.url,
        "tag": weights.name,
        "sha256": None,
    }
    (found,) = image_features(loaded, [IMAGE], [Layer("logits")])
    image = weights.transforms()(Image.fromarray(IMAGE[0]))[None]
    with torch.inference_mode():
        return found[Layer("logits")], own(image).numpy()


def relative_error(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_network_of_each_constructor_of_torchvision_is_torchvisions_own(architecture):
    assert relative_error(*check_against_torchvision(architecture)) < 1e-4


@pytest.mark.parametrize("tag", ["IMAGENET1K_V1", "IMAGENET1K_V2"])
def test_a_tag_loads_its_own_weights_with_their_own_transforms(tag):
    found, expected = check_against_torchvision("resnet50", tag)
    assert relative_error(found, expected) < 1e-4


@pytest.mark.whole_list
def test_every_network_of_torchvision_is_torchvisions_own(capsys):
    """Features are compared up to 150 million parameters, above them names and shapes."""
    rows = []
    for architecture in architectures():
        began, weights = time.monotonic(), published(architecture)
        n_parameters = weights.meta["num_params"]
        if n_parameters <= MOST_PARAMETERS:
            error = relative_error(*check_against_torchvision(architecture))
            told, equal = f"features, relative error {error:.0e}", error < 1e-4
        else:
            equal = _same_names_and_shapes(architecture, weights)
            told = "names, shapes and transforms of weights"
        seconds = time.monotonic() - began
        rows.append((architecture, f"{n_parameters / 1e6:.1f} M", told, equal, f"{seconds:.1f} s"))
    with capsys.disabled():
        print()
        for row in rows:
            print("{:22} {:>8}  {:42} {!s:5} {:>7}".format(*row))
        print(f"{sum(row[3] for row in rows)} of {len(rows)} equal torchvision's own")
    assert all(row[3] for row in rows)


def _same_names_and_shapes(architecture, weights):
    """Built without memory for its weights."""
    with torch.device("meta"):
        state = on_the_hub(architecture, weights)
        with mock.patch.object(WeightsEnum, "get_state_dict", _answer(state)):
            loaded = load_network(network("torchvision", architecture), "meta")
            own = get_model(architecture, weights=weights)
    shapes = [
        {name: value.shape for name, value in m.state_dict().items()} for m in (loaded.module, own)
    ]
    return shapes[0] == shapes[1] and loaded.preprocessing == str(weights.transforms())
