"""Text towers of open_clip read with any tokenizer; a checkpoint's file is used as its tag is."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from tiny_texts import CAPTIONS, COMMON, NETWORKS, SPECIAL, save_tokenizer

from features.extraction import caption_features
from features.layers import Layer
from features.networks import check_specification, load_network

pytestmark = pytest.mark.networks

# (special tokens, template, options) of tokenizers on the hub, by a part of their repository's name
ROBERTA = SPECIAL, "<s> $A </s>", {}
TOKENIZERS = {
    "roberta": ROBERTA,
    "nllb": ROBERTA,
    "xlm-v": ROBERTA,
    "mt5": (("<pad>", "</s>", "<unk>"), "$A </s>", {}),
    "bert-base-uncased": (("<pad>", "<s>", "</s>", "<unk>"), "<s> $A </s>", {}),
    # padding is the end of text
    "SigLIP": (("<unk>", "</s>"), "$A </s>", {"pad_token": "</s>"}),
}
# (kind, numbers) of networks on the hub
TOWERS = {
    "xlm-roberta": ("xlm-roberta", {}),
    "roberta": ("roberta", {}),
    "mt5": ("mt5", {**NETWORKS["t5"], "pad_token_id": 0}),
    "nllb": ("m2m_100", NETWORKS["bart"]),
}
SIZES = {"width": 32, "heads": 2, "layers": 2}
VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}


def tower(architecture: str) -> str:
    """What tells text towers apart beside their size."""
    settings = open_clip.get_model_config(architecture)
    sizes = ("width", "heads", "layers", "vocab_size", "mlp_ratio", "context_length")
    text = {name: value for name, value in settings["text_cfg"].items() if name not in sizes}
    kinds = {"coca": "multimodal_cfg" in settings, "custom": settings.get("custom_text", False)}
    return json.dumps({**text, **kinds}, sort_keys=True)


# one architecture of each kind; the others' text towers differ in size alone
REPRESENTATIVES = {tower(name): name for name in reversed(open_clip.list_models())}
COCA = [name for name in open_clip.list_models() if name.startswith("coca_ViT")]


def shrink(architecture: str) -> dict:
    """The settings of a small network with this text tower and some vision tower."""
    settings = open_clip.get_model_config(architecture)
    vision = {
        name: value
        for name, value in settings["vision_cfg"].items()
        if name in ("attentional_pool", "output_tokens")
    }
    text = {**settings["text_cfg"], **SIZES}
    if "hf_tokenizer_name" in text:
        text["vocab_size"] = 64
    small = {"embed_dim": 16, "text_cfg": text}
    small["vision_cfg"] = {**VISION, **vision, "attn_pooler_heads": 2}
    if "multimodal_cfg" in settings:
        small["multimodal_cfg"] = {**settings["multimodal_cfg"], **SIZES}
    return {**settings, **small}


def fill_cache(cache: Path, text: dict) -> None:
    """Put tiny files where Hugging Face's hub keeps those that a text tower needs."""
    repository, revision = text["hf_tokenizer_name"], "0" * 40
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs/main").write_text(revision)
    files = folder / "snapshots" / revision
    special, template, options = named(TOKENIZERS, repository)
    save_tokenizer(files, special, template, **options)
    # the tower's network, where there is one, is of the same repository
    kind, numbers = named(TOWERS, repository) or ("bert", {})
    (files / "config.json").write_text(json.dumps({**COMMON, **numbers, "model_type": kind}))


def named(table: dict, repository: str):
    return next((entry for part, entry in table.items() if part in repository), None)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A function that loads a small network with the text tower of an architecture."""

    def load(architecture: str):
        settings = shrink(architecture)
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, architecture, settings)
        if "hf_tokenizer_name" in settings["text_cfg"]:
            fill_cache(tmp_path, settings["text_cfg"])
        requested = {"library": "open_clip", "architecture": architecture, "stimulus": "captions"}
        return load_network({**requested, "weights": "untrained", "seed": 0}, "cpu", tmp_path)

    return load


def n_tokens(architecture: str, caption: str) -> int:
    """Tokens of a caption, of which each word is one."""
    repository = open_clip.get_model_config(architecture)["text_cfg"].get("hf_tokenizer_name", "")
    # CLIPA strips the end of text
    ends_alone = any(part in repository for part in ("mt5", "SigLIP", "bert-base-uncased"))
    return len(caption.split()) + (1 if ends_alone else 2)


@pytest.mark.parametrize("architecture", REPRESENTATIVES.values())
def test_a_text_tower_reads_each_caption_as_open_clip_does(tiny, architecture, caplog, tmp_path):
    network = tiny(architecture)
    layers = [Layer("embedding"), *(Layer("block_1", p) for p in ("mean", "cls", "last"))]
    batch = [[caption] for caption in CAPTIONS]
    (together,) = caption_features(network, [batch], layers)
    inputs = network.preprocess(CAPTIONS)
    tokens = open_clip.get_tokenizer(architecture, cache_dir=tmp_path)(CAPTIONS)
    with torch.inference_mode():
        expected = network.module.encode_text(tokens).numpy()
    for layer in layers:
        alone = [next(caption_features(network, [[texts]], [layer]))[layer] for texts in batch]
        alone = np.concatenate(alone)
        assert np.abs(together[layer] - alone).max() <= 1e-5 * np.abs(alone).max()
    assert np.abs(together[layers[0]] - expected).max() <= 1e-5 * np.abs(expected).max()
    expected = [n_tokens(architecture, caption) for caption in CAPTIONS]
    # the class token of CoCa comes on top
    assert inputs["attention_mask"].sum(1).tolist() == [
        n + (architecture in COCA or architecture == "coca_base") for n in expected
    ]
    # texts of a causal tower end with the longest of them
    shortened = inputs["text"].shape[1] < network.context_length
    assert shortened == (type(network.module) is open_clip.CLIP and "CLIPA" not in architecture)
    if shortened:
        assert inputs["text"].shape[1] == max(expected)
    with caplog.at_level(logging.WARNING):
        list(caption_features(network, [[["dog " * (network.context_length - 2)]]], layers))
        assert "truncated" not in caplog.text
        list(caption_features(network, [[["dog " * network.context_length]]], layers))
    assert f"1 captions exceed {network.context_length} tokens" in caplog.text


def test_what_coca_projects_is_the_last_token_of_its_last_block(tiny):
    network = tiny("coca_ViT-B-32")
    layer = Layer("block_1", "last")
    (found,) = caption_features(network, [[[caption] for caption in CAPTIONS]], [layer])
    text = network.module.text
    with torch.inference_mode():
        pooled = text.ln_final(torch.from_numpy(found[layer])) @ text.text_projection
        expected = torch.nn.functional.normalize(pooled, dim=-1)
        own = network.module.encode_text(network.preprocess(CAPTIONS)["text"])
    assert torch.allclose(expected, own, atol=1e-6)


def test_an_untrained_text_tower_of_the_hub_is_drawn_from_the_seed(tiny, tmp_path):
    """open_clip would load weights of the text tower's own, if no other are asked for."""
    network = tiny("roberta-ViT-B-32")
    again = tiny("roberta-ViT-B-32")
    assert network.weights_hash() == again.weights_hash()


# ---- weights from a file

PHOTOGRAPH = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8))


def preprocessing(architecture: str, tag: str) -> str:
    released = open_clip.get_pretrained_cfg(architecture, tag)
    return json.dumps([released[k] for k in ("mean", "std", "interpolation", "resize_mode")])


def fits(architecture: str, tag: str) -> bool:
    """Whether the tag's activation is the architecture's."""
    released = open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False)
    return released == open_clip.get_model_config(architecture).get("quick_gelu", False)


# one release for each preprocessing that there is
RELEASES = {preprocessing(*release): release for release in open_clip.list_pretrained()}


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A function that saves a small network's weights, and gives the settings that load them."""

    def save(architecture: str, **settings: str) -> dict[str, str]:
        small = shrink(architecture)
        small["text_cfg"] = {"context_length": 8, "vocab_size": 64, **SIZES}
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, architecture, small)
        torch.manual_seed(0)
        path = tmp_path / "weights.pt"
        torch.save(open_clip.create_model(architecture, pretrained_text=False).state_dict(), path)
        requested = {"library": "open_clip", "architecture": architecture, "stimulus": "image"}
        return {**requested, "weights": str(path), **settings}

    return save


@pytest.mark.parametrize("release", RELEASES.values(), ids="-".join)
def test_a_file_is_preprocessed_for_as_its_tag_is(saved, monkeypatch, release):
    assert fits(*release)
    settings = saved(release[0], pretrained_tag=release[1])
    of_file = load_network(settings, "cpu")
    monkeypatch.setattr(
        open_clip.factory, "download_pretrained", lambda *a, **k: settings["weights"]
    )
    of_tag = load_network({**settings, "weights": "pretrained"}, "cpu")
    found, expected = (n.preprocess([PHOTOGRAPH])["image"] for n in (of_file, of_tag))
    assert torch.equal(found, expected)
    assert of_file.weights_hash() == of_tag.weights_hash()


def test_the_releases_that_are_tried_have_all_preprocessings():
    default = preprocessing("ViT-B-32", "openai")
    others = [r for r in open_clip.list_pretrained() if preprocessing(*r) != default]
    assert len(RELEASES) >= 5
    assert len(others) >= 58


@pytest.mark.parametrize(
    ("architecture", "tag", "message"),
    [
        ("ViT-B-32", "openai", "trained with QuickGELU, .* has GELU; use ViT-B-32-quickgelu"),
        ("ViT-B-32-quickgelu", "laion2b", "unknown pretrained_tag 'laion2b'"),
        ("ViT-B-32", None, r"weights.pt does not say .*`pretrained_tag`.*one of openai, laion"),
        # nothing was released of it
        ("ViT-S-16", None, r"weights.pt does not say .*keep its open_clip_config.json beside it"),
    ],
)
def test_a_file_needs_a_tag_of_its_activation(saved, architecture, tag, message):
    settings = saved(architecture, **({"pretrained_tag": tag} if tag else {}))
    with pytest.raises(ValueError, match=message):
        check_specification(settings)
    with pytest.raises(ValueError, match=message):
        load_network(settings)


def test_what_open_clip_saved_beside_a_file_stands_for_a_tag(saved, tmp_path):
    settings = saved("ViT-B-32")
    reported = {
        "model_cfg": open_clip.get_model_config("ViT-B-32"),
        "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.5] * 3, "resize_mode": "squash"},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(reported))
    found = load_network(settings, "cpu").preprocess([PHOTOGRAPH])["image"]
    requested = open_clip.transform.PreprocessCfg(size=32, **reported["preprocess_cfg"])
    assert torch.equal(
        found[0], open_clip.transform.image_transform_v2(requested, False)(PHOTOGRAPH)
    )
    reported["model_cfg"]["quick_gelu"] = True
    (tmp_path / "open_clip_config.json").write_text(json.dumps(reported))
    with pytest.raises(ValueError, match="trained with QuickGELU"):
        check_specification(settings)
