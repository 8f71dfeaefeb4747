"""What is loaded is what is named: weights, tags, preprocessing, and settings that nobody uses."""

from __future__ import annotations

import time
from unittest import mock

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from torchvision.models import WeightsEnum

from features.checkpoints import checkpoint_hash
from features.extraction import image_features
from features.layers import Layer, pool
from features.networks import check_specification, load_network
from features.networks.torchvision_networks import USUAL_TAG, architectures

IMAGE = np.random.default_rng(0).integers(0, 255, (1, 425, 425, 3), dtype=np.uint8)
# whose features are compared; larger ones are compared by the names and shapes of their weights
MOST_PARAMETERS = 150e6
# one of each of torchvision's constructors, the smallest of its kind
FAMILIES = {
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
}


def network(library, architecture, **more):
    common = {"library": library, "architecture": architecture, "stimulus": "image"}
    return {**common, "weights": "pretrained", **more}


def features_of(settings, *layers, images=IMAGE, **options):
    loaded = load_network(settings, "cpu", **options)
    (found,) = image_features(loaded, [images], [Layer.parse(layer) for layer in layers])
    return {str(layer): features for layer, features in found.items()}


# ---- torchvision: built, and shown images, as torchvision does with those weights


def published(architecture, tag=None):
    known = torchvision.models.get_model_weights(architecture)
    return known[tag] if tag else known.__members__.get(USUAL_TAG, known.DEFAULT)


def as_on_the_hub(weights):
    """Weights of a seeded network in the form in which torchvision's download has them."""

    class Asked(Exception):
        """What a constructor asks for is known by the network that it has built until then."""

    built = {}

    def stop(module, state, *arguments, **options):
        built["module"] = module
        raise Asked

    torch.manual_seed(7)
    with (
        mock.patch.object(WeightsEnum, "get_state_dict", lambda *a, **o: {}),
        mock.patch.object(torch.nn.Module, "load_state_dict", stop),
        pytest.raises(Asked),
    ):
        torchvision.models.get_model(weights.meta_name, weights=weights.own)
    state = built["module"].state_dict()
    if weights.meta_name.startswith("densenet"):
        # densenets are older than the rule that names hold no dots
        renamed = [(name.replace(f"{kind}{n}", f"{kind}.{n}"), name)
                   for kind in ("norm", "conv") for n in (1, 2)
                   for name in state if f".{kind}{n}." in name and "denselayer" in name]
        state |= {new: state[old] for new, old in renamed}
        for _, old in renamed:
            del state[old]
    return state
