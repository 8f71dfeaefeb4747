"""Weights that timm has for another activation than the architecture's are refused."""

from __future__ import annotations

import pytest
import timm
import torch

from features.networks import check_specification

pytestmark = pytest.mark.networks

NAMES = [name for name in timm.list_pretrained() if timm.get_pretrained_cfg(name).notes]
QUICK = [n for n in NAMES if any("QuickGELU" in note for note in timm.get_pretrained_cfg(n).notes)]


def settings(architecture: str, tag: str | None = None, weights: str = "pretrained") -> dict:
    tagged = {"pretrained_tag": tag} if tag else {}
    requested = {"library": "timm", "architecture": architecture, "stimulus": "image"}
    return {**requested, "weights": weights, **tagged}


@pytest.mark.parametrize("name", QUICK)
def test_weights_want_the_architecture_of_their_activation(name, tmp_path):
    (tmp_path / "weights.pt").touch()
    architecture, _, tag = name.partition(".")
    for weights in ("pretrained", str(tmp_path / "weights.pt")):
        requested = settings(architecture, tag, weights)
        if "quickgelu" in architecture:
            check_specification(requested)
            continue
        with pytest.raises(ValueError, match=f"'{tag}' were trained with QuickGELU") as raised:
            check_specification(requested)
        # the architecture that it names takes them
        other = str(raised.value).rpartition("use ")[2]
        check_specification(settings(other, tag, weights))


def test_there_are_weights_of_either_activation():
    assert len(QUICK) >= 34
    assert "vit_base_patch16_clip_224.openai" in QUICK


@pytest.mark.parametrize("architecture", sorted({name.partition(".")[0] for name in QUICK}))
def test_an_architecture_has_the_activation_that_its_name_states(architecture):
    with torch.device("meta"):
        kinds = {type(part).__name__ for part in timm.create_model(architecture).modules()}
    quick = any("QuickGELU" in kind for kind in kinds)
    assert quick == ("quickgelu" in architecture)
    assert ("GELU" in kinds) != quick


def test_the_weights_that_timm_itself_chooses_are_looked_at():
    with pytest.raises(ValueError, match=r"'dfn5b' .* use vit_huge_patch14_clip_quickgelu_378"):
        check_specification(settings("vit_huge_patch14_clip_378"))
    check_specification(settings("vit_base_patch16_clip_224"))
    check_specification(settings("vit_base_patch16_clip_224", "laion2b"))


def test_a_file_needs_a_tag_where_weights_of_both_activations_were_released(tmp_path):
    path = tmp_path / "weights.pt"
    path.touch()
    requested = settings("vit_base_patch16_clip_224", weights=str(path))
    with pytest.raises(ValueError, match=r"weights.pt does not say .*`pretrained_tag`.* openai"):
        check_specification(requested)
    check_specification(settings("resnet50", weights=str(path)))
