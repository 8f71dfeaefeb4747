"""The study's networks by name: declared rightly, and within a user's reach in a few lines."""

from __future__ import annotations

import re
from typing import get_args

import pytest
import yaml
from conftest import ROOT, TINY, bare

from features.costs import network_cost
from features.layers import Layer
from features.networks import LIBRARIES, check_specification
from pipeline.configuration.catalogue import read_catalogue, with_catalogue
from pipeline.configuration.features import FILE, NetworkSettings
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.settings import ANNOTATIONS, Stimulus
from pipeline.dataset.stimulus_readers import NUMBERINGS, TEXTS, VECTORS
from pipeline.errors import InputError

CATALOGUE = read_catalogue()
# of these a library or a hub tells the layers only once they are there
BY_PATH = {"slip_yfcc", "simclr_yfcc", "clip_yfcc"}


def study(models, comparisons=None, **sections):
    values = bare(yaml.safe_load(TINY.read_text()))
    values |= {"models": models, "comparisons": comparisons or {}}
    for analysis in ("layerwise", "error_consistency", "learning_curves"):
        values.pop(analysis, None)
    return parse_configuration({**values, "networks": {}, "feature_spaces": {}, **sections})


def test_every_space_of_the_catalogue_can_be_used_by_its_name_alone():
    names = list(CATALOGUE["feature_spaces"])
    found = study(names)
    assert found.used_spaces == names
    assert set(found.used_networks) == set(CATALOGUE["networks"])


def test_a_range_of_layers_stands_for_each_of_them_in_their_order():
    layers = ["clip_vitb32_block{0..11}", "clip_vitb32"]
    found = study(["bert"], layerwise={"vit": layers})
    expected = [*(f"clip_vitb32_block{number}" for number in range(12)), "clip_vitb32"]
    assert found.layerwise == {"vit": expected}
    assert list(found.fits()) == ["bert", *expected]
    assert set(expected) <= set(found.used_spaces)
    assert found.feature_spaces["clip_vitb32_block7"].taken == "block_7:cls"


@pytest.mark.parametrize("name", CATALOGUE["networks"])
def test_every_network_of_the_catalogue_is_one_of_its_library(name):
    settings = study(list(CATALOGUE["feature_spaces"])).network_specification(name)
    if name in BY_PATH:
        with pytest.raises(ValueError, match=r"data/weights/.*_base_25ep.pt not found"):
            check_specification(settings)
        settings |= {"weights": "untrained", "seed": 0}
    check_specification(settings)


@pytest.mark.parametrize(
    ("network", "widths"),
    [
        ("clip_vitb32", {"embedding": 512, "block_0:cls": 768, "block_11:cls": 768}),
        (
            "clip_rn50",
            {"embedding": 1024, "stem:adaptive-5000": 4096, "layer4:adaptive-5000": 2048},
        ),
        ("clip_text", {"embedding": 512, "block_11:last": 512}),
        ("resnet50", {"avgpool": 2048, "layer1:adaptive-5000": 4096}),
        ("alexnet", {"fc6": 4096, "fc7": 4096, "conv1:adaptive-5000": 4096}),
        ("vitb32", {"encoder.ln:cls": 768, "block_11:cls": 768}),
        ("gabor_energy", {"embedding": 2096}),
    ],
)
def test_layers_of_the_catalogue_are_there_and_as_wide_as_published(network, widths):
    catalogue = study(list(CATALOGUE["feature_spaces"]))
    layers = [Layer.parse(layer) for layer in catalogue.network_layers(network)]
    cost = network_cost(catalogue.network_specification(network), layers)
    found = {str(layer): width for layer, width in cost.widths.items()}
    assert widths.items() <= found.items()
    assert max(found.values()) <= 5000
    for space in catalogue.feature_spaces.values():
        if space.network == network:
            assert space.taken in found


def test_a_range_stands_for_its_numbers():
    spaces = CATALOGUE["feature_spaces"]
    assert [name for name in spaces if name.startswith("bert_layer")] == [
        f"bert_layer{number}" for number in range(13)
    ]
    assert spaces["alexnet_conv3"]["layer"] == "conv3"
    assert not any(re.search(r"[{}]", f"{name}{s['layer']}") for name, s in spaces.items())


def test_what_a_user_declares_goes_before_the_catalogue():
    mine = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    found = with_catalogue({"models": ["alexnet"], "networks": {"alexnet": mine}})
    assert found["networks"]["alexnet"] is mine
    assert found["feature_spaces"]["alexnet"] == CATALOGUE["feature_spaces"]["alexnet"]


def test_five_lines_add_a_network():
    added = yaml.safe_load("""
networks:
  swin: {library: timm, architecture: swin_tiny_patch4_window7_224, stimulus: image}
feature_spaces:
  swin: {network: swin, layer: embedding}
models: [swin, clip_vitb32]
""")
    found = study(**added)
    assert set(found.used_networks) == {"swin", "clip_vitb32"}
    assert found.network_layers("swin") == ["embedding"]


def test_layers_of_a_network_are_those_of_its_spaces_unless_they_are_listed():
    network = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    spaces = {
        "late": {"network": "net", "layer": "fc7"},
        "early": {"network": "net", "layer": "conv1", "pooling": "mean"},
    }
    both = study(["late", "early"], networks={"net": network}, feature_spaces=spaces)
    assert both.network_layers("net") == ["conv1:mean", "fc7"]
    one = study(["late"], networks={"net": network}, feature_spaces=spaces)
    assert one.network_layers("net") == ["fc7"]
    listed = {"net": {**network, "layers": ["conv?:mean", "fc?"]}}
    found = study(["late"], networks=listed, feature_spaces=spaces)
    assert found.network_layers("net") == ["conv?:mean", "fc?"]
    # which layers are kept decides nothing about what any of them is
    assert "layers" not in found.network_specification("net")
    with pytest.raises(InputError, match=r"networks.net.layers: lacks 'conv1:mean'"):
        study(["late"], networks={"net": {**network, "layers": ["fc7"]}}, feature_spaces=spaces)


def test_kinds_of_stimuli_are_declared_where_they_are_read():
    assert set(ANNOTATIONS) == {"image", *TEXTS, *VECTORS}
    # ids of images are what features of a file are found by
    assert set(get_args(Stimulus)) == set(ANNOTATIONS) - {*NUMBERINGS}
    libraries = get_args(NetworkSettings.model_fields["library"].annotation)
    assert {*libraries, FILE} == set(LIBRARIES)


@pytest.mark.parametrize(
    ("models", "needed"),
    [
        (["alexnet"], []),
        (["bert"], ["captions"]),
        (["categories", "clip_text_all_objects"], ["instances"]),
        (["clip_text_objects_in_captions"], ["captions", "instances"]),
    ],
)
def test_annotations_are_needed_by_those_networks_that_are_made_of_them(models, needed):
    assert study(models).annotations == needed


@pytest.mark.parametrize(
    ("reduction", "message"),
    [
        ({"method": "pca", "components": 2.5}, "whole number, or a fraction below 1"),
        ({"method": "pca", "components": 0}, "greater than 0"),
        ({"method": "ica", "components": 3}, "pca"),
        ({"method": "random_projection", "components": 0.5}, "components"),
    ],
)
def test_a_reduction_that_cannot_be_is_reported(reduction, message):
    space = {"network": "alexnet", "layer": "fc7", "reduction": reduction}
    with pytest.raises(InputError, match=message):
        study(["mine"], feature_spaces={"mine": space})


def test_all_configurations_of_the_repository_are_valid():
    for path in (ROOT / "config").glob("*.yaml"):
        assert parse_configuration(yaml.safe_load(path.read_text())).models
