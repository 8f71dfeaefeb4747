"""Encoders of the finished small study: what they predict is what the study predicted."""

from __future__ import annotations

import sys

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from conftest import Study, branch
from PIL import Image

from pipeline.__main__ import main
from pipeline.dataset.images import open_images
from pipeline.encoders.encoding_model import EncodingModel
from pipeline.encoders.responses_assembly import export_assembly
from pipeline.errors import InputError
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

REDUCED, JOINT = "alexnet_conv3", "alexnet+bert"
# precision in which the study stores features of a space's layer
STORED = {"alexnet": np.float16, "alexnet_conv3": np.float16, "bert": np.float32}
FOLDER = "results/tiny/encoders/subj01"


@pytest.fixture(scope="module")
def encoders(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    own = branch(study, tmp_path_factory.mktemp("encoders") / "study", study.configuration.name)
    settings = {"models": [REDUCED, "alexnet_vs_bert"]}
    own.edit(lambda values: values.update(encoders=settings))
    assert own.planned("encoders") == {"write_encoder": 4, "write_encoder_card": 2, "encoders": 1}
    kept = [f"results/tiny/predictions/subj01/all/{name}.h5" for name in (REDUCED, JOINT)]
    own.snakemake(f"{FOLDER}/README.md", *kept)
    return own


def opened(study: Study, name: str) -> EncodingModel:
    return EncodingModel.load(study.directory / f"{FOLDER}/{name}.safetensors", device="cpu")


def kept(study: Study, name: str, model: EncodingModel) -> tuple[np.ndarray, np.ndarray]:
    """Test images, and the study's predictions (image, voxel) for them."""
    found = read_result(study.results / f"predictions/subj01/all/{name}.h5")
    fitted = found.ordered("voxel", model.arrays["voxel"], "the encoder")
    others = np.isin(found["voxel"], model.arrays["voxel"], invert=True)
    assert np.isnan(found["predictions"][:, others]).all()
    return found["image"], fitted["predictions"]


def test_test_images_are_predicted_as_the_study_predicted_them(encoders):
    """Read the study's stored features; for reduced spaces, those before the reduction."""
    model = opened(encoders, JOINT)
    nsd_id, expected = kept(encoders, JOINT, model)
    spaces = {
        name: read_result(encoders.results / f"features/subj01/{name}.h5").ordered(
            "image", nsd_id, "the test"
        )["features"]
        for name in JOINT.split("+")
    }
    np.testing.assert_allclose(model.predict_features(spaces), expected, atol=1e-5)
    weights, intercept = model.linear()
    features = np.hstack([*spaces.values()])
    np.testing.assert_allclose(features @ weights + intercept, expected, atol=1e-5)


@pytest.mark.parametrize("name", [REDUCED, JOINT])
def test_pictures_and_captions_are_predicted_but_for_the_rounding_of_stored_features(
    encoders, name
):
    model = opened(encoders, name)
    nsd_id, expected = kept(encoders, name, model)
    nsd_id, expected = nsd_id[:10], expected[:10]
    images = open_images(encoders.nsd)
    (pictures,) = images.pictures(nsd_id, len(nsd_id))
    captions = images.texts(nsd_id, "captions") if "bert" in name else None
    (features,) = model.stimuli.batches(list(pictures), captions)
    apart = model.predict_features(features) - expected
    assert np.sqrt(np.mean(apart**2)) < 1e-3 * expected.std()
    assert (model.distance(features) < model.metadata["far"]).sum() > 7
    # features as the study stored them
    stored = {space: values.astype(STORED[space]) for space, values in features.items()}
    assert np.quantile(np.abs(model.predict_features(stored) - expected), 0.9) < 1e-5


def test_arrays_are_those_of_the_fit_and_the_regions_those_of_the_subject(encoders):
    model = opened(encoders, JOINT)
    fit = read_result(encoders.results / f"encoding/subj01/all/{JOINT}.h5")
    fit = fit.ordered("voxel", model.arrays["voxel"], "the encoder")
    for name in ("r", "r2", "alpha", "band_weights", "noise_ceiling"):
        np.testing.assert_array_equal(model.arrays[name], fit[name], err_msg=name)
    rois = read_table(encoders.results / "rois/subj01.tsv")
    inside = rois.loc[(rois["atlas"] == "prf-visualrois") & (rois["roi"] == "V1v"), "voxel"]
    named = model.arrays["voxel"][model.region("prf-visualrois/V1v")]
    assert set(named) == set(inside) & set(model.arrays["voxel"])
    split = read_table(encoders.results / "splits/subj01/all.tsv")
    for name, part in (("training_image", "train"), ("test_image", "test")):
        assert set(model.arrays[name]) == set(split.loc[split["set"] == part, "nsd_id"])
    # 99 % of the training images are not far
    spaces = {
        name: read_result(encoders.results / f"features/subj01/{name}.h5").ordered(
            "image", model.arrays["training_image"], "the test"
        )["features"]
        for name in JOINT.split("+")
    }
    distance = model.distance(spaces)
    assert (distance > model.metadata["far"]).mean() == pytest.approx(0.01, abs=0.005)
    assert np.mean(distance**2) == pytest.approx(1, rel=1e-4)


def test_a_card_describes_the_files_beside_it(encoders):
    text = (encoders.directory / f"{FOLDER}/README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "nsd-encoding-models"
    for words in (
        "Simulated data: no brain was measured",
        "Untrained weights: alexnet",
        "z-scores within each session",
        "conv3:mean",
        "Features: 20, reduced from 384 by pca",
        *(f"`{name}.safetensors` | 400 | 100 |" for name in (REDUCED, JOINT)),
    ):
        assert words in body
    reported = opened(encoders, JOINT).arrays
    listed = {"weight", "bias", *reported} - {name for name in reported if "/" in name}
    assert all(f"| `{name}` |" in body for name in listed)


def test_measured_responses_are_an_assembly_of_presentations_and_neuroids(
    study, tmp_path, monkeypatch
):
    monkeypatch.chdir(study.directory)
    path = tmp_path / "subj01.nc"
    assert "xarray.open_dataarray" in export_assembly(study.configuration, "subj01", path)
    measured = read_result(study.results / "responses/subj01.h5")
    with xr.open_dataarray(path, engine="h5netcdf") as found:
        assert found.dims == ("presentation", "neuroid")
        np.testing.assert_array_equal(found, measured["responses"])
        assert found["stimulus_id"][0] == f"nsd_{measured['image'][0]:05d}"
        split = read_table(study.results / "splits/subj01/all.tsv").set_index("nsd_id")["set"]
        assert (split.loc[found["nsd_id"].values] == found["set"].values).all()
        last = found[:, -1]
        fit = read_result(study.results / "encoding/subj01/all/bert.h5")
        ceiling = fit["noise_ceiling"][fit["voxel"] == int(last["voxel"])]
        np.testing.assert_array_equal(last["nc_testset"], 100 * ceiling[0])
        index = np.unravel_index(int(last["voxel"]), tuple(measured["grid_shape"]))
        place = measured["affine"] @ [*index, 1]
        assert [float(last[f"voxel_{axis}"]) for axis in "xyz"] == pytest.approx(place[:3])
        rois = read_table(study.results / "rois/subj01.tsv").query("atlas == 'prf-visualrois'")
        v1 = found["voxel"].values[found["roi_prf-visualrois"] == "V1v"]
        assert set(v1) == set(rois.loc[rois["roi"] == "V1v", "voxel"])
    with pytest.raises(InputError, match="subj02: not in"):
        export_assembly(study.configuration, "subj02", path)


def test_a_folder_is_predicted_from_the_command_line(encoders, tmp_path, monkeypatch, capsys):
    encoder = encoders.directory / FOLDER / f"{JOINT}.safetensors"
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    row, column = np.mgrid[:300, :400]
    # unlike the training images
    board = np.stack(3 * [255 * ((row // 20 + column // 20) % 2)], axis=-1).astype(np.uint8)
    for name, picture in (("a.png", board), ("b.png", noise)):
        Image.fromarray(picture).save(tmp_path / name)
    out = tmp_path / "predictions.h5"
    command = ["pipeline", "predict", *map(str, (encoder, tmp_path, "--out", out))]
    monkeypatch.setattr(sys, "argv", [*command, "--best", "V1v", "--each"])
    with pytest.raises(InputError, match=r"captions\.tsv: not found\. The model reads captions"):
        main()
    assert not out.exists()
    rows = ["image\tcaption", "a.png\tA dog.", "a.png\tA brown dog.", "b.png\tNoise."]
    (tmp_path / "captions.tsv").write_text("\n".join(rows))
    main()
    printed = capsys.readouterr()
    model = EncodingModel.load(encoder)
    captions = [["A dog.", "A brown dog."], "Noise."]
    with pytest.warns(UserWarning, match=r": stimulus 0 \(7\.\d\d\)$"):
        expected = model.predict([tmp_path / "a.png", tmp_path / "b.png"], captions)
    assert "warning: 1 of 2 are farther" in printed.err
    assert "Simulated data" in printed.out
    with xr.open_dataset(out, engine="h5netcdf") as found:
        np.testing.assert_allclose(found["predictions"], expected, atol=1e-5)
        assert found["image"].values.tolist() == ["a.png", "b.png"]
    with h5py.File(out) as file:
        assert file.attrs["model"] == JOINT.encode()
    table = pd.read_csv(tmp_path / "predictions.tsv", sep="\t").set_index(["stimulus", "roi"])
    v1 = expected[:, model.region("V1v")].mean(axis=1)
    assert table.loc[("a.png", "V1v"), "mean_response"] == pytest.approx(v1[0], abs=1e-4)
    assert table.loc["a.png", "far"].all()
    assert not table.loc["b.png", "far"].any()
    best = printed.out.strip().splitlines()[-2:]
    order = np.argsort(-v1)
    assert [line.split()[1] for line in best] == [("a.png", "b.png")[row] for row in order]
    volume = nibabel.Nifti1Image.from_filename(tmp_path / "predictions_b-png.nii.gz")
    assert volume.shape == tuple(model.arrays["grid_shape"])
    values = volume.get_fdata().ravel()
    np.testing.assert_allclose(values[model.arrays["voxel"]], expected[1], atol=1e-5)
    assert np.isfinite(values).sum() == expected.shape[1]
    assert (tmp_path / "predictions_mean.nii.gz").exists()
