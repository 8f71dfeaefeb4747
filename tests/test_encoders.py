"""Files of encoders, their predictions and gradients; a model made by hand, of a quick network."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import nibabel
import numpy as np
import pytest
import safetensors
import torch
import yaml
from conftest import ROOT, bare
from PIL import Image
from safetensors.numpy import load_file

from encoding.ridge.weights import RefittedVoxels
from features.extraction import image_features
from features.layers import Layer
from features.networks import load_network
from pipeline.analyses.encoders.analysis import ANALYSIS
from pipeline.analyses.encoders.write_encoder import Unscaled
from pipeline.configuration.reading import parse_configuration
from pipeline.encoders.encoder_file import create_encoder, read_encoder
from pipeline.encoders.encoding_model import EncodingModel
from pipeline.encoders.predict_folder import Predicted, write_predictions
from pipeline.encoders.stimuli import SAME, as_shown, example_picture
from pipeline.errors import InputError
from pipeline.estimates.study_size import SubjectSize
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

SIZE = (64, 64)
GABOR = {
    "name": "gabor",
    "library": "low_level",
    "architecture": "gabor_energy",
    "stimulus": "image",
    "weights": "none",
}
N_VOXELS = 6


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def features_of(pictures: np.ndarray) -> dict[str, np.ndarray]:
    network = load_network(GABOR, "cpu")
    (found,) = image_features(network, [pictures], [Layer("energy"), Layer("colour")])
    return {layer.name: values for layer, values in found.items()}


def write(path: Path, dtype: str = "float32", **changes: object) -> dict[str, np.ndarray]:
    """Write a model of two spaces, one of them reduced; return its true parts."""
    generator = np.random.default_rng(0)
    found = features_of(example_picture(SIZE)[None])
    widths = {name: values.shape[1] for name, values in found.items()}
    components = generator.normal(size=(widths["energy"], 5)).astype(np.float32) / 30
    n_features = 5 + widths["colour"]
    weight = generator.normal(size=(N_VOXELS, n_features)).astype(dtype)
    bias = generator.normal(size=N_VOXELS).astype(np.float32)
    joined = np.hstack([found["energy"] @ components, found["colour"]])[0]
    arrays = {
        "weight": weight,
        "bias": bias,
        "components/energy": components,
        "voxel": np.array([3, 4, 8, 9, 20, 21]),
        "region": np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], bool),
        "feature_mean": np.full(n_features, 0.5),
        "feature_factor": np.full(n_features, 0.1),
        "example": (weight @ joined + bias).astype(np.float32),
    }
    identity = load_network(GABOR, "cpu").identity()
    metadata = {
        "spaces": [
            {
                "name": name,
                "network": GABOR,
                "identity": {key: identity[key] for key in SAME},
                "layers": [name],
                "features": 5 if name == "energy" else widths[name],
            }
            for name in widths
        ],
        "image_size": SIZE,
        "regions": [["prf", "V1v"], ["floc", "FFA"], ["other", "FFA"]],
        "far": 0.1,
        **changes,
    }
    shapes = {name: (values.dtype.name, values.shape) for name, values in arrays.items()}
    with create_encoder(path, shapes, metadata) as opened:
        for name, values in arrays.items():
            opened[name][...] = values
    return arrays


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "model.safetensors"
    write(path)
    return path


@pytest.fixture(scope="module")
def model(encoder) -> EncodingModel:
    return EncodingModel.load(encoder, device="cpu")


# ---- files


def test_the_library_of_the_format_reads_what_is_streamed(tmp_path):
    path = tmp_path / "model.safetensors"
    arrays = write(path, "float16")
    found = load_file(path)
    assert set(found) == set(arrays)
    for name, values in arrays.items():
        assert found[name].dtype == values.dtype, name
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    with safetensors.safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["encoder"])["far"] == 0.1
        assert file.get_tensor("weight").dtype == torch.float16


def test_a_file_that_is_no_encoder_is_refused_by_name(tmp_path, encoder):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(encoder.read_bytes()[:-100])
    other = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"weight": np.ones(3)}, other)
    for path, reason in ((cut, "no readable encoder"), (other, "its format is unknown")):
        with pytest.raises(InputError, match=f"{re.escape(str(path))}: {reason}"):
            read_encoder(path)
    with pytest.raises(
        InputError, match=r"missing\.safetensors: is no encoder.*snakemake encoders"
    ):
        read_encoder(tmp_path / "missing.safetensors")


def test_a_write_that_fails_leaves_no_file(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(RuntimeError), create_encoder(path, {"bias": ("float32", (2,))}, {}):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_weights_of_unscaled_features_predict_the_same_but_for_the_rounding_that_is_reported(
    precision,
):
    """Features of large means; one does not vary, so that its factor is 0."""
    generator = np.random.default_rng(0)
    features = generator.normal(5, np.logspace(-2, 1, 30), (50, 30))
    mean, factor = features.mean(axis=0), 0.2 / features.std(axis=0)
    features[:, 3], mean[3], factor[3] = 5, 5, 0
    scaled = (features - mean) * factor
    weights = generator.normal(size=(30, N_VOXELS)).astype(np.float32)
    intercept = generator.normal(size=N_VOXELS).astype(np.float32)
    expected = scaled @ weights + intercept
    centred = np.where(factor > 0, features - mean, 0)
    unscaled = Unscaled(mean, factor, centred, features[0])
    arrays = unscaled.arrays(RefittedVoxels(np.arange(N_VOXELS), weights, intercept), precision)
    assert arrays["weight"].dtype == precision
    found = features @ arrays["weight"].T.astype(float) + arrays["bias"]
    np.testing.assert_allclose(found[0], arrays["example"], atol=1e-5)
    if precision == "float32":
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert arrays["rounding"].max() < 1e-6
        return
    change = np.sqrt(np.mean((found - expected) ** 2, axis=0))
    np.testing.assert_allclose(arrays["rounding"], change, rtol=0.01)
    assert 1e-5 < change.mean() < 1e-3
    # predictions for the mean image are exact
    centre = mean @ arrays["weight"].T.astype(float) + arrays["bias"]
    np.testing.assert_allclose(centre, intercept, atol=1e-5)
    loud = RefittedVoxels(np.arange(N_VOXELS), 1e7 * weights, intercept)
    with pytest.raises(InputError, match=r"encoders\.precision: .* too large for float16"):
        unscaled.arrays(loud, precision)


# ---- stimuli


def test_pictures_are_shown_as_the_study_showed_its_own(tmp_path):
    same = picture(0)
    assert np.array_equal(as_shown(same, SIZE), same)
    assert np.array_equal(as_shown(Image.fromarray(same), SIZE), same)
    path = tmp_path / "same.png"
    Image.fromarray(same).save(path)
    assert np.array_equal(as_shown(path, SIZE), same)
    wide = np.zeros((64, 256, 3), np.uint8)
    wide[:, 96:160] = same
    # the centred square is kept
    assert np.array_equal(as_shown(wide, SIZE), same)
    grey = Image.fromarray(same[..., 0]).resize((128, 128))
    assert as_shown(grey, SIZE).shape == (*SIZE, 3)
    for bad in (same / 255, same[..., 0]):
        with pytest.raises(InputError, match="give uint8"):
            as_shown(bad, SIZE)
    path.write_bytes(b"text")
    with pytest.raises(InputError, match=r"same\.png: no readable picture"):
        as_shown(path, SIZE)


# ---- predictions


def test_predictions_are_features_by_weights(model, encoder):
    black = np.zeros((*SIZE, 3), np.uint8)
    pictures = np.stack([*(picture(seed) for seed in range(20)), black])
    arrays, found = load_file(encoder), features_of(pictures)
    joined = np.hstack([found["energy"] @ arrays["components/energy"], found["colour"]])
    expected = joined @ arrays["weight"].T + arrays["bias"]
    with pytest.warns(UserWarning, match=r"are \(0\.10\), .*: stimulus 20 \(0\.26\)$"):
        predicted = model.predict(list(pictures))
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    weights, intercept = model.linear()
    layers = np.hstack([found["energy"], found["colour"]])
    np.testing.assert_allclose(layers @ weights + intercept, expected, atol=1e-4)
    distance = np.linalg.norm(0.1 * (joined - 0.5), axis=1) / np.sqrt(2)
    np.testing.assert_allclose(model.distance(found), distance, rtol=1e-5)


def test_the_documented_state_dict_is_of_a_layer_that_predicts(model, tmp_path, monkeypatch):
    text = (ROOT / "docs/encoders.md").read_text()
    (code,) = [c for c in re.findall("```python\n(.*?)```", text, re.S) if "torch.save" in c]
    monkeypatch.chdir(tmp_path)
    Path("code.py").write_text(code)
    runpy.run_path("code.py", {"model": model})
    state = torch.load("subj01.pt")["network"]
    weights, intercept = model.linear()
    layer = torch.nn.Sequential()
    layer.add_module("linear", torch.nn.Linear(*weights.shape))
    layer.load_state_dict(state)
    features = np.random.default_rng(0).standard_normal((5, len(weights))).astype(np.float32)
    predicted = layer(torch.from_numpy(features)).detach().numpy()
    np.testing.assert_allclose(predicted, features @ weights + intercept, atol=1e-4)


def test_no_stimuli_have_no_predictions(model):
    assert model.predict([]).shape == (0, N_VOXELS)


def test_what_the_model_does_not_take_is_refused(model):
    for given in ({"captions": ["a dog"]}, {"images": [picture(0)], "captions": ["a dog"]}, {}):
        with pytest.raises(InputError, match="takes images; give these"):
            model.predict(**given)


@pytest.mark.parametrize("key", SAME)
def test_another_network_is_refused(tmp_path, key):
    path = tmp_path / "model.safetensors"
    write(path)
    metadata, _ = read_encoder(path)
    for space in metadata["spaces"]:
        space["identity"][key] = "another"
    write(path, spaces=metadata["spaces"])
    with pytest.raises(InputError, match=f"the {key} of its network gabor is .* was another"):
        EncodingModel.load(path).predict([picture(0)])


def test_a_library_that_computes_something_else_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    write(path)
    model = EncodingModel.load(path)
    model.arrays["example"] = model.arrays["example"] * 1.05
    with pytest.raises(InputError, match=r"generated example differ .* by 4.8%"):
        model.predict([picture(0)])


def test_regions_and_voxels_are_found_by_name(model):
    assert model.region("V1v").tolist() == model.region("prf/V1v").tolist()
    assert np.flatnonzero(model.region("V1v")).tolist() == [0, 1]
    assert np.flatnonzero(model.region("other/FFA")).tolist() == [3, 4, 5]
    assert np.flatnonzero(model.region("20")).tolist() == [4]
    for name, reason in (("FFA", "several"), ("V9", "not in"), ("5", "not in")):
        with pytest.raises(InputError, match=reason):
            model.region(name)


# ---- files of predictions


def test_predictions_on_surfaces_are_gifti_of_each_hemisphere(tmp_path):
    """Voxels 3 to 9 are left vertices of twelve; 20 and 21 the ninth and tenth right ones."""
    path = tmp_path / "model.safetensors"
    provenance = {"simulated": False, "untrained": ["gabor"], "weights": {}}
    recorded = {"subject": "subj01", "model": "gabor", "unit": "z", "provenance": provenance}
    write(path, **recorded)
    model = EncodingModel.load(path, device="cpu")
    model.arrays["grid_shape"] = np.array([12, 12])
    responses = np.arange(12.0, dtype=np.float32).reshape(2, N_VOXELS)
    predicted = Predicted(["a b.png", "c.png"], responses, np.array([0.01, 0.2]))
    out = tmp_path / "out/p.h5"
    files = write_predictions(model, path, predicted, out, each=True)
    assert {file.name for file in files} == {
        *("p.h5", "p.tsv"),
        *(f"p_{n}_hemi-{side}.func.gii" for n in ("mean", "a-b-png", "c-png") for side in "LR"),
    }
    left, right = (
        nibabel.GiftiImage.from_filename(out.parent / f"p_c-png_hemi-{side}.func.gii").agg_data()
        for side in "LR"
    )
    assert left[[3, 4, 8, 9]].tolist() == [6, 7, 8, 9]
    assert right[[8, 9]].tolist() == [10, 11]
    assert np.isfinite(np.concatenate([left, right])).sum() == N_VOXELS
    found = read_result(out)
    assert found.provenance["untrained"] == ["gabor"]
    assert found.provenance["inputs"]["encoder"]["file"] == "model.safetensors"
    table = read_table(out.with_suffix(".tsv")).query("roi == 'all'")
    assert table["mean_response"].tolist() == [2.5, 8.5]
    assert table["far"].tolist() == [False, True]
    assert predicted.best(model.region("V1v"), 1) == [("c.png", 6.5)]


# ---- gradients


def test_a_module_predicts_what_predict_does_and_its_gradient_is_that_of_differences(model):
    pictures = [picture(seed) for seed in range(3)]
    module, pixels = model.module(), model.pixels(pictures).requires_grad_()
    responses = module(pixels)
    expected, _ = model.respond(pictures)
    np.testing.assert_allclose(responses.detach(), expected, atol=1e-5)
    responses[:, 2].sum().backward()
    # along random directions of single pictures: float32 needs a large step
    generator = torch.Generator().manual_seed(0)
    for row in range(3):
        direction = torch.zeros_like(pixels)
        direction[row] = torch.randn(pixels[row].shape, generator=generator)
        step = 1e-3 * direction
        with torch.no_grad():
            change = (module(pixels + step) - module(pixels - step))[:, 2].sum() / 2e-3
        assert float((pixels.grad * direction).sum()) == pytest.approx(float(change), rel=0.02)


# ---- configuration


def test_models_that_cannot_be_exported_are_refused():
    values = bare(yaml.safe_load((ROOT / "config/demo.yaml").read_text()))
    values["models"] = ["clip_rn50", "categories"]
    for models, reason in (
        (["clip_rn5"], "encoders.models"),
        (["categories"], "has features of categories"),
        (["clip_rn50", "clip_rn50"], "encoders.models"),
    ):
        with pytest.raises(InputError, match=reason):
            parse_configuration({**values, "encoders": {"models": models}})
    study = parse_configuration(
        {**values, "encoders": {"models": ["clip_rn50", "clip_rn50_vs_alexnet"]}}
    )
    names = ["clip_rn50.safetensors", "clip_rn50+alexnet.safetensors", "README.md"]
    assert ANALYSIS.results(study, "subj01") == [f"encoders/subj01/{name}" for name in names]
    size = SubjectSize(2, 500, 100, 1000, 8000, 0)
    widths = {"clip_rn50": 1024, "alexnet": 4096}
    jobs = list(ANALYSIS.jobs(study, size, widths))
    assert [job.disk_bytes for job in jobs[:2]] == [4e3 * 1024, 4e3 * 5120]
    assert all(job.temporary_bytes == 0 for job in jobs)
