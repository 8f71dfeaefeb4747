"""What is loaded is what is named: weights, tags, preprocessing, and settings that nobody uses."""

from __future__ import annotations

import copy
import re
import time
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import WeightsEnum, get_model, get_model_weights
from torchvision.models.regnet import BlockParams

from features.checkpoints import checkpoint_hash
from features.extraction import image_features
from features.layers import Layer
from features.networks import check_specification, load_network
from features.networks.torchvision_networks import USUAL_TAG, architectures
from features.pooling import pool

pytestmark = pytest.mark.networks

IMAGE = np.random.default_rng(0).integers(0, 255, (1, 425, 425, 3), dtype=np.uint8)
# whose features are compared; of larger ones the names and shapes of the weights are
MOST_PARAMETERS = 70e6
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
        # with the versions of its modules, which a plain dict would lose
        return copy.copy(state)

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
    for value in state.values():
        # heads of transformers begin as zeros, whatever comes before them
        if value.is_floating_point() and value.ndim > 1 and not value.is_meta and not value.any():
            torch.nn.init.normal_(value, std=0.02)
    if architecture == "googlenet":
        # its constructor has dropped them
        whole = get_model(architecture, weights=None, init_weights=False).state_dict()
        state = whole | state
    if architecture.startswith("densenet"):
        # older than the counter of batches, too
        state = {
            OLD_KEY.sub(r"\1.\2", name): value
            for name, value in state.items()
            if not name.endswith("num_batches_tracked")
        }
    return state


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


@pytest.mark.robustness
@pytest.mark.whole_list
def test_every_network_of_torchvision_is_torchvisions_own(capsys):
    """Features are compared up to 70 million parameters, above them names and shapes."""
    equal = {}
    for architecture in architectures():
        began, weights = time.monotonic(), published(architecture)
        n_parameters = weights.meta["num_params"]
        if n_parameters <= MOST_PARAMETERS:
            error = relative_error(*check_against_torchvision(architecture))
            printed, equal[architecture] = f"features, relative error {error:.0e}", error < 1e-4
        else:
            printed = "names and shapes of weights, transforms"
            equal[architecture] = _same_names_and_shapes(architecture, weights)
        with capsys.disabled():
            millions, seconds = n_parameters / 1e6, time.monotonic() - began
            said = "equal" if equal[architecture] else "DIFFER"
            print(
                f"{architecture:20} {millions:6.1f} M  {printed:40} {said} {seconds:6.1f} s",
                flush=True,
            )
    with capsys.disabled():
        print(f"{sum(equal.values())} of {len(equal)} architectures equal torchvision's own")
    assert all(equal.values())


def _same_names_and_shapes(architecture, weights):
    """Built without memory for its weights; widths of a RegNet are numbers all the same."""
    counted = BlockParams.from_init_params

    def with_memory(*arguments, **options):
        with torch.device("cpu"):
            return counted(*arguments, **options)

    with (
        torch.device("meta"),
        mock.patch.object(BlockParams, "from_init_params", with_memory),
    ):
        state = on_the_hub(architecture, weights)
        with mock.patch.object(WeightsEnum, "get_state_dict", _answer(state)):
            loaded = load_network(network("torchvision", architecture), "meta")
            own = get_model(architecture, weights=weights)
    shapes = [
        {name: value.shape for name, value in m.state_dict().items()} for m in (loaded.module, own)
    ]
    return shapes[0] == shapes[1] and loaded.preprocessing == str(weights.transforms())


@pytest.mark.parametrize("architecture", ["googlenet", "densenet121"])
def test_a_checkpoint_saved_from_a_network_is_loaded_as_one_from_the_hub(tmp_path, architecture):
    """GoogLeNet has lost its auxiliary heads by then, DenseNet has new names."""
    weights = published(architecture)
    with mock.patch.object(
        WeightsEnum, "get_state_dict", _answer(on_the_hub(architecture, weights))
    ):
        own = get_model(architecture, weights=weights).eval()
    path = tmp_path / "mine.pt"
    torch.save(own.state_dict(), path)
    settings = network("torchvision", architecture, weights=str(path))
    image = weights.transforms()(Image.fromarray(IMAGE[0]))[None]
    with torch.inference_mode():
        expected = own(image).numpy()
    assert relative_error(features_of(settings, "logits")["logits"], expected) < 1e-4
    provenance = load_network(settings, "cpu").identity()
    assert (
        provenance["weights_label"]
        == f"pretrained ({path}, sha256 {provenance['weights_sha256'][:12]})"
    )
    assert provenance["checkpoint"]["sha256"] == checkpoint_hash(path)


# ---- every setting is used by its library, or refused


NONE = {"weights": "none"}
UNTRAINED = {"weights": "untrained", "seed": 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            network("torchvision", "resnet50", pretrained_tag="no_such_tag"),
            "unknown pretrained_tag.*IMAGENET1K_V1, IMAGENET1K_V2",
        ),
        (network("torchvision", "resnet50", **NONE), "`weights: untrained` with a `seed`"),
        (network("open_clip", "ViT-B-32", **NONE), "or the path of a checkpoint"),
        (network("timm", "resnet18", **NONE), "must come from somewhere"),
        (network("transformers", "bert", stimulus="captions", **NONE), "must come from somewhere"),
        (network("slip", "ViT-B-16", **NONE), "must come from somewhere"),
        (network("low_level", "gabor_energy"), "give `weights: none`"),
        (network("low_level", "gabor_energy", weights=__file__), "give `weights: none`"),
        (network("low_level", "gabor_energy", **UNTRAINED), "give `weights: none`"),
        (network("vectors", "given", weights=__file__), "give `weights: none`"),
        (network("vectors", "given", stimulus="categories"), "give `weights: none`"),
        (network("vectors", "given", **NONE), "takes `stimulus: categories or supercategories`"),
        (network("vectors", "random", **UNTRAINED), "takes `stimulus: identity`"),
        (
            network("vectors", "given", stimulus="categories", precision="float16", **NONE),
            "nothing is computed in `precision: float16`",
        ),
        (
            network("transformers", "bert", stimulus="captions", pretrained_tag="x"),
            "does not use `pretrained_tag: x`",
        ),
        (
            network("slip", "ViT-B-16", weights=__file__, pretrained_tag="x"),
            "does not use `pretrained_tag: x`",
        ),
        (
            network("low_level", "gabor_energy", pretrained_tag="x", **NONE),
            "does not use `pretrained_tag: x`",
        ),
        *(
            (
                network(library, architecture, pretrained_tag=tag, **UNTRAINED),
                f"`weights: untrained` does not use `pretrained_tag: {tag}`",
            )
            for library, architecture, tag in (
                ("torchvision", "resnet50", "IMAGENET1K_V2"),
                ("open_clip", "ViT-B-32", "openai"),
                ("timm", "resnet18", "a1_in1k"),
            )
        ),
        (network("timm", "resnet18", weights="untrained"), "`seed` is needed"),
        (network("timm", "resnet18", seed=0), "`seed` is needed .* only there"),
        (network("timm", "test_vit4"), "no pretrained weights of it"),
        (network("open_clip", "ViT-B-32", stimulus="categories"), "are numbers"),
        (network("transformers", "bert", stimulus="identity"), "are numbers"),
    ],
)
def test_a_setting_that_its_library_would_not_use_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        check_specification(settings)
    with pytest.raises(ValueError, match=message):
        load_network(settings, "cpu")


@pytest.mark.parametrize(
    ("settings", "state", "label"),
    [
        (network("torchvision", "alexnet", **UNTRAINED), "untrained", r"untrained \(seed 0\)"),
        (network("low_level", "gabor_energy", **NONE), "nothing to train", "nothing to train"),
        (
            network("vectors", "given", stimulus="categories", **NONE),
            "nothing to train",
            "nothing to train",
        ),
        (
            network("vectors", "random", stimulus="identity", **UNTRAINED),
            "nothing to train",
            "nothing to train",
        ),
    ],
)
def test_a_network_states_what_its_weights_are(settings, state, label):
    provenance = load_network(settings, "cpu").identity()
    assert provenance["weights"] == state
    assert re.fullmatch(label, provenance["weights_label"])


@pytest.mark.parametrize("architecture", ["ViT-B-32", "ViT-B-32-quickgelu"])
def test_a_network_states_its_activation_functions(architecture):
    """What weights of OpenAI's networks are worth depends on it."""
    reported = load_network(network("open_clip", architecture, **UNTRAINED), "cpu").identity()
    assert reported["activations"] == ["QuickGELU" if "quick" in architecture else "GELU"]


def test_weights_that_nothing_decided_are_no_network():
    loaded = load_network(network("torchvision", "alexnet", **UNTRAINED), "cpu")
    loaded.seed = None
    with pytest.raises(ValueError, match="neither loaded nor drawn with a seed"):
        loaded.identity()


def test_a_checkpoint_that_was_replaced_is_not_loaded(tmp_path):
    path = tmp_path / "mine.pt"
    drawn = load_network(network("torchvision", "squeezenet1_1", **UNTRAINED), "cpu").module
    torch.save(drawn.state_dict(), path)
    settings = network("torchvision", "squeezenet1_1", weights=str(path))
    planned = {**settings, "checkpoint_sha256": checkpoint_hash(path)}
    assert load_network(planned, "cpu").identity()["weights"] == "pretrained"
    drawn.classifier[1].bias.data += 1
    torch.save(drawn.state_dict(), path)
    with pytest.raises(ValueError, match=r"mine.pt was replaced since this run began"):
        load_network(planned, "cpu")


def test_a_folder_is_another_checkpoint_if_any_of_its_files_is(tmp_path):
    for name in ("config.json", "model.safetensors", ".cache"):
        (tmp_path / name).write_text(name)
    before = checkpoint_hash(tmp_path)
    (tmp_path / ".cache").write_text("another")
    assert checkpoint_hash(tmp_path) == before
    (tmp_path / "config.json").write_text("{}")
    assert checkpoint_hash(tmp_path) != before


# ---- channels are on the axis where a layer has them


@pytest.mark.parametrize(
    ("settings", "layer", "width"),
    [
        (network("torchvision", "swin_t", **UNTRAINED), "features.7:mean", 768),
        (network("torchvision", "swin_t", **UNTRAINED), "features.7:adaptive-5000", 768 * 4),
        (network("torchvision", "convnext_tiny", **UNTRAINED), "features.1.0.block.3:mean", 384),
        (network("torchvision", "convnext_tiny", **UNTRAINED), "features.1.0.block.0:mean", 96),
        (network("timm", "swin_tiny_patch4_window7_224", **UNTRAINED), "layers.3:mean", 768),
        (
            network("timm", "swin_tiny_patch4_window7_224", **UNTRAINED),
            "layers.3:adaptive-5000",
            768 * 4,
        ),
    ],
)
def test_channels_on_the_last_axis_are_not_averaged(settings, layer, width):
    loaded = load_network(settings, "cpu")
    asked = Layer.parse(layer)
    (found,) = image_features(loaded, [IMAGE], [asked, Layer(asked.name)])
    assert found[asked].shape == (1, width)
    if asked.pooling == "mean":
        whole = found[Layer(asked.name)]
        n_places = whole.size // width
        places = whole.reshape(n_places, width) if asked.name != "features.1.0.block.0" else None
        if places is not None:
            np.testing.assert_allclose(found[asked][0], places.mean(0), rtol=1e-4, atol=1e-5)


def test_the_axis_of_the_channels_is_asked_for_where_the_shape_does_not_state_it():
    random = torch.randn(2, 4, 4, 4)
    for shape in ((2, 4, 4, 4), (2, 3, 4, 5)):
        with pytest.raises(ValueError, match=r"Say 'mean-channels-first' or 'mean-channels-last'"):
            pool(torch.zeros(shape), "mean")
    assert torch.equal(pool(random, "mean-channels-first"), random.mean((2, 3)))
    assert torch.allclose(pool(random, "mean-channels-last"), random.mean((1, 2)))
    last = pool(random, "adaptive-16-channels-last")
    assert torch.equal(last, pool(random.movedim(3, 1), "adaptive-16-channels-first"))


@pytest.mark.parametrize("pooling", ["mean", "cls", "adaptive-10", "no_such"])
def test_a_vector_per_stimulus_is_not_pooled(pooling):
    with pytest.raises(ValueError, match=f"pooling '{pooling}' does not fit"):
        pool(torch.zeros(2, 5), pooling)


def test_windows_are_no_stimuli():
    """Swin's attention goes over windows, of which an image has many."""
    settings = network("timm", "swin_tiny_patch4_window7_224", **UNTRAINED)
    with pytest.raises(ValueError, match=r"gives \(64, 49, 96\) for 1 stimuli: not a row each"):
        features_of(settings, "layers.0.blocks.0.attn:mean")
