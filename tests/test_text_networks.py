"""A caption has the features that its library gives it alone; none is cut without a word."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tiny_texts import CAPTIONS, COMMON, NETWORKS, save_network, save_tokenizer

from features.extraction import caption_features
from features.layers import Layer
from features.networks import Network, load_network
from features.pooling import pool

pytestmark = pytest.mark.networks

POOLINGS = ("mean", "cls", "last")
LAYERS = [Layer(name, p) for name in ("last_hidden_state", "hidden_states.1") for p in POOLINGS]
IGNORE_MASKS = ("fnet", "convbert")


def reader(folder: Path, **settings: object) -> Network:
    """The network that was saved in a folder."""
    return load_network(
        {
            "library": "transformers",
            "architecture": "tiny",
            "stimulus": "captions",
            "weights": str(folder),
            **settings,
        }
    )


def features(network: Network, captions, layers) -> dict[Layer, np.ndarray]:
    """One row per caption."""
    (found,) = caption_features(network, [[[caption] for caption in captions]], layers)
    return found


def own(model, tokenizer, caption: str) -> list[torch.Tensor]:
    """The last and the first state of one caption by transformers alone."""
    model = getattr(model, "text_model", model)
    if model.config.is_encoder_decoder:
        model = model.encoder
    masks = "attention_mask" in tokenizer.model_input_names
    padding = {} if masks else {"padding": "max_length", "max_length": 16}
    inputs = tokenizer(caption, return_tensors="pt", **padding)
    inputs = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
    if model.config.model_type == "fnet":
        del inputs["attention_mask"]
    with torch.inference_mode():
        output = model(**inputs, output_hidden_states=True)
    n = len(tokenizer(caption)["input_ids"])
    return [state[0, :n] for state in (output.last_hidden_state, output.hidden_states[1])]


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_caption_has_the_librarys_own_features_alone_and_among_others(tmp_path, kind, side):
    model = save_network(tmp_path, kind)
    # SigLIP's tokenizer gives no mask
    masks = {"model_input_names": ["input_ids"]} if kind == "siglip" else {}
    tokenizer = save_tokenizer(tmp_path, padding_side=side, **masks)
    tokenizer.padding_side = "right"
    network = reader(tmp_path)
    together = features(network, CAPTIONS, LAYERS)
    states = [own(model, tokenizer, caption) for caption in CAPTIONS]
    for number, layer in enumerate(LAYERS):
        taken = [state[number // len(POOLINGS)] for state in states]
        take = {"mean": lambda s: s.mean(0), "cls": lambda s: s[0], "last": lambda s: s[-1]}
        expected = torch.stack([take[layer.pooling](state) for state in taken]).numpy()
        close(together[layer], expected)
        alone = [features(network, [caption], [layer])[layer] for caption in CAPTIONS]
        close(np.concatenate(alone), expected)
        if kind not in IGNORE_MASKS:
            # of different lengths in one pass
            close(network.run(network.preprocess(CAPTIONS), [layer])[layer], expected)


def test_captions_of_one_pass_have_one_length(tmp_path):
    save_network(tmp_path, "bert")
    save_tokenizer(tmp_path)
    network, shapes = reader(tmp_path), []
    preprocess = network.preprocess
    network.preprocess = lambda captions: (
        shapes.append([len(caption.split()) for caption in captions]) or preprocess(captions)
    )
    captions = ["a dog", "two cats", "the brown dog", "a chair", "the window"]
    batch = [[captions[:2], captions[2:]]]
    list(caption_features(network, batch, LAYERS[:1], captions_per_pass=3))
    assert shapes == [[2, 2, 2], [2], [3]]


@pytest.mark.parametrize("special", [(), ("</s>",), ("<unk>",)])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_tokenizer_without_a_token_for_padding_is_enough(tmp_path, kind, special):
    save_network(tmp_path, kind, pad_token_id=None)
    save_tokenizer(tmp_path, special, None)
    network = reader(tmp_path)
    layer = Layer("last_hidden_state", "last")
    together = network.run(network.preprocess(CAPTIONS), [layer])[layer]
    alone = [features(network, [caption], [layer])[layer] for caption in CAPTIONS]
    close(together, np.concatenate(alone))


@pytest.mark.parametrize(
    ("kind", "settings", "limit"),
    [
        ("bert", {"max_position_embeddings": 20}, 20),
        # the first position is behind that of padding, which is 1
        ("roberta", {"max_position_embeddings": 20}, 18),
        ("mpnet", {"max_position_embeddings": 20}, 18),
        ("gpt2", {"n_positions": 20}, 20),
        ("opt", {"max_position_embeddings": 20}, 20),
        ("bart", {"max_position_embeddings": 20}, 20),
        ("siglip", {}, 16),
    ],
)
def test_a_text_as_long_as_the_network_takes_is_read_and_a_longer_one_reported(
    tmp_path, caplog, kind, settings, limit
):
    save_network(tmp_path, kind, **settings)
    save_tokenizer(tmp_path)
    network = reader(tmp_path)
    assert network.context_length == limit
    longest = "dog " * (limit - 2)
    with caplog.at_level(logging.WARNING):
        found = features(network, [longest, "a dog"], LAYERS[:1])[LAYERS[0]]
    assert np.isfinite(found).all()
    assert "truncated" not in caplog.text
    assert network.preprocess([longest])["attention_mask"].sum() == limit
    with caplog.at_level(logging.WARNING):
        cut = features(network, [longest + "window", "a dog"], LAYERS[:1])[LAYERS[0]]
    assert f"1 captions exceed {limit} tokens and were truncated" in caplog.text
    close(cut, found)


@pytest.mark.parametrize("kind", ["t5", "bloom", "mamba", "xlnet"])
def test_a_network_without_a_longest_text_reads_texts_of_any_length(tmp_path, caplog, kind):
    save_network(tmp_path, kind)
    save_tokenizer(tmp_path)
    network = reader(tmp_path)
    assert network.context_length is None
    with caplog.at_level(logging.WARNING):
        features(network, ["dog " * 300], LAYERS[:1])
    assert "truncated" not in caplog.text


def test_the_encoder_of_t5_is_loaded_and_run_alone(tmp_path):
    model = save_network(tmp_path, "t5")
    save_tokenizer(tmp_path)
    network = reader(tmp_path)
    assert len(network.module.state_dict()) == len(model.encoder.state_dict())
    taken = Layer("block.0", "mean")
    found = features(network, CAPTIONS, [taken, Layer("hidden_states.1", "mean")])
    close(*found.values())


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5", "clip"])
def test_weights_that_a_checkpoint_lacks_are_not_drawn_in_silence(tmp_path, kind):
    model = save_network(tmp_path, kind)
    save_tokenizer(tmp_path)
    parts = {"t5": "encoder.block.1", "clip": "text_model.encoder.layers.1"}
    state = model.state_dict()
    lost = next(n for n in state if n.startswith(parts.get(kind, "")) and ".1." in n)
    model.save_pretrained(tmp_path, state_dict={n: v for n, v in state.items() if n != lost})
    with pytest.raises(ValueError, match="lacks 1 weights of the network") as raised:
        reader(tmp_path)
    assert lost in str(raised.value)
    # of a decoder or another tower they do not matter
    others = {"t5": "decoder.", "clip": "vision_model."}
    if kind in others:
        kept = {n: v for n, v in state.items() if not n.startswith(others[kind])}
        model.save_pretrained(tmp_path, state_dict=kept)
        features(reader(tmp_path), CAPTIONS[:1], LAYERS)


def test_a_checkpoint_of_a_language_model_has_no_features_of_a_pooler(tmp_path):
    settings = transformers.AutoConfig.for_model("bert", **COMMON)
    transformers.BertForMaskedLM(settings).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    features(reader(tmp_path), CAPTIONS, LAYERS)
    with pytest.raises(ValueError, match="layer pooler: the features hold NaN"):
        features(reader(tmp_path), CAPTIONS, [Layer("pooler")])


def test_tokens_of_texts_are_not_laid_side_by_side(tmp_path):
    save_network(tmp_path, "bert")
    save_tokenizer(tmp_path)
    with pytest.raises(ValueError, match=r"pooling 'none' does not fit.*choose mean, cls, last"):
        features(reader(tmp_path), CAPTIONS[:1], [Layer("last_hidden_state")])


def test_a_caption_without_tokens_is_an_error(tmp_path):
    save_network(tmp_path, "gpt2")
    save_tokenizer(tmp_path, ("</s>",), None)
    with pytest.raises(ValueError, match="a caption without a token"):
        features(reader(tmp_path), ["a dog", " "], LAYERS[:1])


@pytest.mark.parametrize("side", ["right", "left"])
def test_pooling_leaves_padding_out_on_either_side(side):
    activation = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]] if side == "right" else [[0, 1, 1], [1, 1, 1]])
    first = [[0, 1], [2, 3]] if side == "right" else [[2, 3], [4, 5]]
    assert pool(activation, "cls", mask).tolist() == [first[0], [6, 7]]
    assert pool(activation, "last", mask).tolist() == [first[1], [10, 11]]
    assert pool(activation, "mean", mask).tolist() == [np.mean(first, axis=0).tolist(), [8, 9]]


def test_a_layer_without_a_row_for_each_token_is_an_error():
    with pytest.raises(ValueError, match=r"no row for each token of the 2 texts of 3 tokens"):
        pool(torch.zeros(2, 5, 4), "mean", torch.ones(2, 3))
