"""Confounds of every comparison are tabulated from stated facts."""

from __future__ import annotations

import pytest
import yaml
from conftest import TINY, bare

from pipeline.analyses.confounds.analysis import ANALYSIS
from pipeline.analyses.confounds.tables import confound_rows, summarise
from pipeline.configuration.catalogue import read_catalogue
from pipeline.configuration.reading import parse_configuration
from pipeline.errors import InputError

COMPARISONS = read_catalogue()["comparisons"]
# what study.md's A10 and its controls are about, and no more
MEANT = {
    "clip_rn50_vs_resnet50": {"objective", "training data", "training images", "language"},
    "slip_vs_simclr": {"objective", "language"},
    "laion2b_vs_laion400m": {"training data", "training images"},
    "clip_vitb32_vs_laion400m": {"training data"},
    "clip_vitb32_vs_clip_rn50": {"architecture"},
    "vitb32_vs_resnet50": {"architecture"},
    "clip_text_vs_all_objects": {"stimulus"},
    "resnet50_vs_untrained": {"objective", "training data", "training images", "weights"},
}


def study(comparisons, **sections):
    values = bare(yaml.safe_load(TINY.read_text()))
    values |= {
        "models": ["alexnet"],
        "comparisons": comparisons,
        "feature_spaces": {},
        "networks": {},
    }
    return parse_configuration({**values, **sections})


def stated_of(study):
    return ANALYSIS.job_settings(study)["confounds"]


def rows_of(comparison):
    """With what the features tell of the weights, by the networks' names."""
    stated = stated_of(study({comparison: None}))[comparison]
    return list(
        confound_rows(comparison, {s: {**f, "weights": _weights(s)} for s, f in stated.items()})
    )


def _weights(space):
    if space.startswith("untrained"):
        return "untrained"
    return "nothing to train" if space.startswith(("categories", "super")) else "pretrained"


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_every_comparison_of_the_catalogue_can_be_named_alone_and_its_facts_are_stated(comparison):
    found = study({comparison: None})
    assert found.comparisons[comparison] == COMPARISONS[comparison]
    status = {row["attribute"]: row["status"] for row in rows_of(comparison)}
    # the features themselves tell how many dimensions they have
    assert [name for name, reported in status.items() if reported == "not stated"] == ["dimensions"]
    assert "differs" in status.values() or comparison == "categories_vs_supercategories"


@pytest.mark.parametrize("comparison", MEANT)
def test_a_control_differs_in_what_it_is_meant_to_and_in_nothing_else(comparison):
    differs = {row["attribute"] for row in rows_of(comparison) if row["status"] == "differs"}
    assert {name.replace("supervision by ", "") for name in differs} == MEANT[comparison]


def test_dimensions_are_matched_with_one_word():
    found = study({"clip_rn50_vs_resnet50_matched": None, "own": ["bert_layer3_pca64", "random"]})
    space = found.feature_spaces["resnet50_pca512"]
    assert (space.network, space.layer) == ("resnet50", "avgpool")
    assert (space.reduction.components, space.is_fitted) == (512, True)
    assert found.feature_spaces["bert_layer3_pca64"].layer == "hidden_states.3"


def test_what_is_not_stated_is_reported_and_a_comparison_is_said_in_a_sentence():
    spaces = {"a": {"family": "X", "language": True, "dimensions": 2048}, "b": {"dimensions": 512}}
    rows = {row["attribute"]: row for row in confound_rows("a_vs_b", spaces)}
    assert rows["architecture"]["status"] == "not stated"
    assert rows["architecture"]["values"] == "a: X; b: not stated"
    assert rows["dimensions"]["values"] == "a: 2,048; b: 512"
    assert rows["supervision by language"]["values"] == "a: yes; b: not stated"
    sentence = summarise(list(rows.values()))
    assert sentence.startswith("a_vs_b: differs: dimensions; not stated: architecture")


def test_a_users_network_states_its_own_facts():
    facts = {"family": "ViT-B/16", "objective": "self-distillation", "training_data": "ImageNet"}
    facts |= {"training_images": 1_281_167, "language": False, "source": "Caron et al. 2021"}
    network = {"library": "timm", "architecture": "vit_base_patch16_224", "stimulus": "image"}
    sections = {
        "networks": {"dino": {**network, "facts": facts}},
        "feature_spaces": {"dino": {"network": "dino", "layer": "embedding"}},
    }
    found = study({"dino_vs_resnet50": ["dino", "resnet50"]}, **sections)
    rows = list(confound_rows("dino_vs_resnet50", stated_of(found)["dino_vs_resnet50"]))
    same = {row["attribute"] for row in rows if row["status"] == "the same"}
    assert {"training data", "training images", "supervision by language"} <= same
    # what is said of a network is no reason to run it again
    assert "facts" not in found.network_specification("dino")


def test_a_comparison_that_nobody_declared_is_reported():
    with pytest.raises(
        InputError, match=r"comparisons: unknown name 'clip_rn50_vs_resnet'.*resnet50"
    ):
        study({"clip_rn50_vs_resnet": None})
