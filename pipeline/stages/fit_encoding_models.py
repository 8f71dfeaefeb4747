"""Fit the encoding models of every subset of some feature spaces, and score them on test images."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from encoding import banded_ridge, himalaya_solver
from encoding.banded_ridge import Options, draw_band_weights
from encoding.noise_ceiling import noise_ceiling
from encoding.partition import model_name, subsets
from encoding.preparation import FeatureScaling
from encoding.scores import correlation_score, r2_score
from pipeline.configuration import AlphaGrid
from pipeline.errors import InputError, run_stage
from pipeline.storage import (
    Result,
    create_result,
    make_provenance,
    open_result,
    positions,
    read_provenance,
    read_result,
    read_table,
    write_result,
)

EDGE_SHARE = 0.05
SOLVERS = {"own": banded_ridge.stream_fits, "himalaya": himalaya_solver.stream_fits}
VOXELS_PER_CHUNK = 128
SCORES = ("r", "r2", "cv_score", "alpha")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spaces", required=True, nargs="+")
    parser.add_argument("--features", required=True, nargs="+", type=Path)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--predictions", required=True, type=Path, help="of the test images")
    arguments = parser.parse_args()
    settings = arguments.configuration
    split = read_table(arguments.split)
    test = (split["set"] == "test").to_numpy()
    nsd_id, fold = split["nsd_id"].to_numpy(), split["fold"].to_numpy()[~test]
    spaces = dict(zip(arguments.spaces, arguments.features, strict=True))
    bands = {name: _scaled(path, nsd_id, test, arguments) for name, path in spaces.items()}
    with open_result(arguments.responses) as file:
        names = ["nsd_id", "voxel", "grid_shape", "ncsnr", "n_valid_repeats"]
        measured = read_result(arguments.responses, names)
        rows = positions(measured["nsd_id"], nsd_id, arguments.responses, str(arguments.split))
        arrays: dict[str, object] = {
            "voxel": measured["voxel"],
            "grid_shape": measured["grid_shape"],
            "test_nsd_id": nsd_id[test],
            "noise_ceiling": noise_ceiling(
                measured["ncsnr"], measured["n_valid_repeats"][rows][test]
            ).astype(np.float32),
            "models": [model_name(subset) for subset in subsets(arguments.spaces)],
        }
        training = ResponseRows(file["responses"], rows[~test])
        held_out = ResponseRows(file["responses"], rows[test])
        provenance = _provenance(arguments, spaces, measured, test)
        with create_result(arguments.predictions, provenance) as predictions:
            predictions["nsd_id"], predictions["voxel"] = nsd_id[test], measured["voxel"]
            arrays |= _fit(bands, test, training, held_out, fold, settings, predictions)
    write_result(arguments.out, arrays, provenance)


class ResponseRows:
    """Some images of stored responses (image, voxel), read a block of voxels at a time."""

    def __init__(self, dataset: h5py.Dataset, rows: np.ndarray) -> None:
        self.dataset, self.rows = dataset, rows
        self.shape = len(rows), dataset.shape[1]

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        images, voxels = key
        return self.dataset[:, voxels][self.rows[images]]

    def of(self, voxels: np.ndarray) -> np.ndarray:
        """(image, voxel) of ascending voxels."""
        first = voxels[0]
        return self[:, first : voxels[-1] + 1][:, voxels - first]


def _fit(
    bands: dict[str, np.ndarray],
    test: np.ndarray,
    training: ResponseRows,
    held_out: ResponseRows,
    fold: np.ndarray,
    settings: dict[str, Any],
    predictions: h5py.File,
) -> dict[str, np.ndarray]:
    """Every subset's scores and picks, (…, voxel) float32; of weights, predictions remain."""
    alphas = AlphaGrid.model_validate(settings["alphas"]).values()
    models = {model_name(subset): subset for subset in subsets(list(bands))}
    candidates = {
        name: draw_band_weights(len(spaces), settings["band_weight_samples"], settings["seed"])
        for name, spaces in models.items()
    }
    options = Options(
        search=settings["search"],
        backend=settings["backend"],
        memory_bytes=settings["memory_gb"] * 1e9,
        missing=settings["missing_images"],
    )
    arrays = {
        f"{name}/{key}": np.full((*shape, training.shape[1]), np.nan, np.float32)
        for name, spaces in models.items()
        for key, shape in {**dict.fromkeys(SCORES, ()), "band_weights": (len(spaces),)}.items()
    }
    fitted = {name: band[~test] for name, band in bands.items()}
    kept = {name: _prediction_store(predictions, name, held_out.shape) for name in models}
    stream = SOLVERS[settings["solver"]]
    parts = stream(fitted, training, fold, alphas, models, candidates, options)
    with tqdm(total=training.shape[1], desc=model_name(bands), unit="voxel") as bar:
        for voxels, fits in parts:
            measured = held_out.of(voxels)
            for name, fit in fits.items():
                predicted = fit.predict({space: bands[space][test] for space in models[name]})
                scores = {
                    "r": correlation_score(measured, predicted),
                    "r2": r2_score(measured, predicted),
                    "cv_score": fit.cv_score,
                    "alpha": fit.alpha,
                    "band_weights": fit.band_weights,
                }
                for key, values in scores.items():
                    arrays[f"{name}/{key}"][..., voxels] = values
                _store(kept[name], voxels, predicted)
            bar.update(len(voxels))
    for name in models:
        _tell_edges(name, arrays[f"{name}/alpha"], alphas)
    return arrays


def _prediction_store(file: h5py.File, model: str, shape: tuple[int, int]) -> h5py.Dataset:
    """(test image, voxel), NaN where a voxel is not fitted; read and written by voxels."""
    chunks = shape[0], min(VOXELS_PER_CHUNK, shape[1])
    name = f"predictions/{model}"
    return file.create_dataset(name, shape, np.float32, chunks=chunks, fillvalue=np.nan)


def _store(dataset: h5py.Dataset, voxels: np.ndarray, values: np.ndarray) -> None:
    """Write columns (ascending) of a stored array; HDF5 is slow at any but neighbouring ones."""
    here = slice(voxels[0], voxels[-1] + 1)
    if len(voxels) < here.stop - here.start:
        block = dataset[:, here]
        block[:, voxels - here.start] = values
        values = block
    dataset[:, here] = values


def _tell_edges(model: str, picked: np.ndarray, alphas: np.ndarray) -> None:
    """Penalties at the end of the grid say that the grid may be too short."""
    picked = picked[np.isfinite(picked)]
    for name, edge in (("smallest", alphas.min()), ("largest", alphas.max())):
        share = np.isclose(picked, edge, rtol=1e-3).mean() if len(picked) else 0.0
        if share > EDGE_SHARE:
            tqdm.write(f"{model}: {share:.0%} of voxels pick the {name} alpha, {edge:g}")


def _scaled(
    path: Path, nsd_id: np.ndarray, test: np.ndarray, arguments: argparse.Namespace
) -> np.ndarray:
    """Features of the split's images, scaled by what the training images tell."""
    result = read_result(path, ["features", "nsd_id"])
    rows = positions(result["nsd_id"], nsd_id, path, str(arguments.split))
    features = result["features"][rows]
    try:
        return FeatureScaling.fit(features[~test]).transform(features)
    except ValueError as error:
        raise InputError(f"{path}: {error}. Choose another layer or network.") from error


def _provenance(
    arguments: argparse.Namespace, spaces: dict[str, Path], measured: Result, test: np.ndarray
) -> dict[str, object]:
    subject = measured.provenance["configuration"]["subject"]
    return make_provenance(
        "fit_encoding_models",
        {
            "subject": subject,
            "variant": read_provenance(arguments.split)["configuration"]["variant"],
            "spaces": list(spaces),
            "untrained_spaces": [
                name for name, path in spaces.items() if read_provenance(path)["untrained"]
            ],
            "n_train": int(np.count_nonzero(~test)),
            "n_test": int(np.count_nonzero(test)),
            **arguments.configuration,
        },
        {"responses": arguments.responses, "split": arguments.split, **spaces},
        seed=arguments.configuration["seed"],
    )


if __name__ == "__main__":
    run_stage(main)
