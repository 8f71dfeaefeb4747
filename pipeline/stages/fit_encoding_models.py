"""Fit the encoding models of every subset of some feature spaces, and score them on test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
from tqdm import tqdm

from encoding.noise_ceiling import noise_ceiling, reliability
from encoding.product_measure import OFFSET, split_r2
from encoding.ridge import himalaya_solver, solver
from encoding.ridge.candidates import draw_band_weights, equal_weights
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import BandedRidgeFit
from encoding.ridge.stacking import STACK, StackedFit, stream_stacks
from encoding.scores import correlation_score, r2_score
from encoding.variance_partitioning import model_name, subsets
from pipeline import stage_arguments as given
from pipeline.chunk_shapes import chunks_of_voxels
from pipeline.configuration.fits import AlphaGrid
from pipeline.errors import run_stage
from pipeline.fit_inputs import (
    ResponseRows,
    read_scaled,
    solver_options,
    verify_features,
)
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
from pipeline.voxel_chunks import voxels_of

EDGE_SHARE = 0.05
# read at a time for their ceilings
CEILING_VOXELS = 1024
SOLVERS = {"own": solver.stream_fits, "himalaya": himalaya_solver.stream_fits}
SCORES = ("r", "r2", "cv_score", "alpha")


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    spaces: Annotated[list[str], given.Setting("fits.{variant}.{fit}")]
    features: given.InputFiles
    specifications: Annotated[dict[str, Any], given.Setting()]  # {space: what its features must be}
    responses: given.InputFile
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("encoding_of.{variant}")]
    out: given.NamedOutput
    predictions: given.NamedOutput  # of the test images
    memory_mb: given.SolverMemory
    chunk: given.Parameter = "1of1"  # which part of the voxels


def main() -> None:
    arguments = Arguments.read()
    settings = arguments.configuration
    options = solver_options(settings, arguments.memory_mb)
    split = read_table(arguments.split)
    test = (split["set"] == "test").to_numpy()
    nsd_id, fold = split["nsd_id"].to_numpy(), split["fold"].to_numpy()[~test]
    spaces = dict(zip(arguments.spaces, arguments.features, strict=True))
    asker = str(arguments.split)
    for name, specification in arguments.specifications.items():
        verify_features(spaces[name], specification)
    bands = {
        name: read_scaled(path, nsd_id, ~test, asker, settings["scaling"]).features
        for name, path in spaces.items()
    }
    with open_result(arguments.responses) as file:
        names = ["nsd_id", "voxel", "grid_shape", "ncsnr", "n_valid_repeats", "noise_variance"]
        measured = read_result(arguments.responses, names)
        rows = positions(measured["nsd_id"], nsd_id, arguments.responses, asker)
        here = voxels_of(arguments.chunk, len(measured["voxel"]))
        repeats = measured["n_valid_repeats"][rows][test][:, here]
        arrays: dict[str, object] = {
            "voxel": measured["voxel"][here],
            "grid_shape": measured["grid_shape"],
            "test_nsd_id": nsd_id[test],
            "reliability": reliability(measured["ncsnr"][here], repeats).astype(np.float32),
            "models": [model_name(subset) for subset in subsets(arguments.spaces)],
        }
        training = ResponseRows(file["responses"], rows[~test], here)
        held_out = ResponseRows(file["responses"], rows[test], here)
        arrays |= _ceilings(held_out, repeats, measured["noise_variance"][here])
        provenance = _provenance(arguments, spaces, measured, test)
        with create_result(arguments.predictions, provenance) as predictions:
            predictions["nsd_id"], predictions["voxel"] = nsd_id[test], arrays["voxel"]
            arrays |= _fit(bands, test, training, held_out, fold, settings, options, predictions)
    write_result(arguments.out, arrays, provenance)


def _ceilings(
    held_out: ResponseRows, repeats: np.ndarray, noise_variance: np.ndarray
) -> dict[str, np.ndarray]:
    """Ceiling of the test images and its standard error, (voxel,) float32."""
    n_voxels = held_out.shape[1]
    arrays = {
        name: np.full(n_voxels, np.nan, np.float32)
        for name in ("noise_ceiling", "noise_ceiling_error")
    }
    for start in range(0, n_voxels, CEILING_VOXELS):
        part = slice(start, min(start + CEILING_VOXELS, n_voxels))
        found = noise_ceiling(held_out[:, part], repeats[:, part], noise_variance[part])
        arrays["noise_ceiling"][part] = found.ceiling
        arrays["noise_ceiling_error"][part] = found.standard_error
    return arrays


def _fit(
    bands: dict[str, np.ndarray],
    test: np.ndarray,
    training: ResponseRows,
    held_out: ResponseRows,
    fold: np.ndarray,
    settings: dict[str, Any],
    options: Options,
    predictions: h5py.File,
) -> dict[str, np.ndarray]:
    """Every subset's scores and picks, (…, voxel) float32; of weights, predictions remain."""
    alphas = AlphaGrid.model_validate(settings["alphas"]).values()
    models = {model_name(subset): subset for subset in subsets(list(bands))}
    candidates = {name: model_candidates(len(spaces), settings) for name, spaces in models.items()}
    arrays = {
        name: np.full((*shape, training.shape[1]), np.nan, np.float32)
        for name, shape in _quantities(models).items()
    }
    arrays["searched_exactly"] = np.zeros(training.shape[1], bool)
    fitted = {name: band[~test] for name, band in bands.items()}
    kept = {name: _prediction_store(predictions, name, held_out.shape) for name in models}
    problem = Problem(
        fitted, training, fold, alphas, models, candidates, options, inherits(settings)
    )
    parts = solver_of(settings)(problem)
    with tqdm(total=training.shape[1], desc=model_name(bands), unit="voxel") as bar:
        for voxels, fits in parts:
            measured = held_out.of(voxels)
            for name, fit in fits.items():
                arrays["searched_exactly"][voxels] = fit.exact
                shown = {space: bands[space][test] for space in models[name]}
                predicted = fit.predict(shown)
                for key, values in _scores(fit, measured, predicted, shown).items():
                    arrays[f"{name}/{key}"][..., voxels] = values
                _store(kept[name], voxels, predicted)
            bar.update(len(voxels))
    exact = np.count_nonzero(arrays["searched_exactly"])
    tqdm.write(f"{model_name(bands)}: {exact} of {training.shape[1]} voxels were searched exactly")
    for name in models:
        _tell_edges(name, arrays[f"{name}/alpha"], alphas)
    if settings["stacking"] and len(bands) > 1:
        shown = {name: band[test] for name, band in bands.items()}
        stacks = stream_stacks(fitted, training, fold, alphas, options)
        arrays |= _stack(stacks, shown, held_out)
    return arrays


def _stack(
    stacks: Iterator[tuple[np.ndarray, StackedFit]],
    shown: dict[str, np.ndarray],
    held_out: ResponseRows,
) -> dict[str, np.ndarray]:
    """Scores of the spaces' own models, weighed, (…, voxel) float32."""
    shapes = {"r": (), "r2": (), "weights": (len(shown),)}
    n_voxels = held_out.shape[1]
    arrays = {
        f"{STACK}/{key}": np.full((*shape, n_voxels), np.nan, np.float32)
        for key, shape in shapes.items()
    }
    with tqdm(total=n_voxels, desc=f"{STACK} {model_name(shown)}", unit="voxel") as bar:
        for voxels, fit in stacks:
            measured, predicted = held_out.of(voxels), fit.predict(shown)
            arrays[f"{STACK}/r"][voxels] = correlation_score(measured, predicted)
            arrays[f"{STACK}/r2"][voxels] = r2_score(measured, predicted)
            arrays[f"{STACK}/weights"][:, voxels] = fit.weights
            bar.update(len(voxels))
    return arrays


def _quantities(models: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """{array of the result: its shape before voxels}."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, spaces in models.items():
        shapes |= {f"{name}/{key}": () for key in SCORES}
        shapes[f"{name}/band_weights"] = (len(spaces),)
        if len(spaces) > 1:
            shapes |= {f"{name}/product/{part}": () for part in (*spaces, OFFSET)}
    return shapes


def _scores(
    fit: BandedRidgeFit,
    measured: np.ndarray,
    predicted: np.ndarray,
    shown: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """What is kept of a model and some voxels; of a joint model, its R² split by bands too."""
    scores = {
        "r": correlation_score(measured, predicted),
        "r2": r2_score(measured, predicted),
        "cv_score": fit.cv_score,
        "alpha": fit.alpha,
        "band_weights": fit.band_weights,
    }
    if len(shown) > 1:
        split = split_r2(measured, fit.predict_by_band(shown), fit.intercept)
        scores |= {f"product/{part}": values for part, values in split.items()}
    return scores


def model_candidates(n_bands: int, settings: Mapping[str, Any]) -> np.ndarray:
    """Band weights (candidate, band) that a model chooses from, as configured under `encoding`."""
    if settings["penalty"] == "single":
        return equal_weights(n_bands)
    return draw_band_weights(n_bands, settings["band_weight_samples"], settings["seed"])


def solver_of(settings: Mapping[str, Any]) -> solver.Solver:
    """What searches and fits, as configured under `encoding`."""
    return SOLVERS[settings["solver"]]


def inherits(settings: Mapping[str, Any]) -> bool:
    """Whether larger models take candidates of smaller ones over, as configured likewise."""
    return (settings["penalty"], settings["solver"]) == ("banded", "own")


def _prediction_store(file: h5py.File, model: str, shape: tuple[int, int]) -> h5py.Dataset:
    """(test image, voxel), NaN where a voxel is not fitted; read and written by voxels."""
    name, chunks = f"predictions/{model}", chunks_of_voxels(shape)
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


def _provenance(
    arguments: Arguments, spaces: dict[str, Path], measured: Result, test: np.ndarray
) -> dict[str, object]:
    subject = measured.provenance["configuration"]["subject"]
    return make_provenance(
        "fit_encoding_models",
        {
            "subject": subject,
            "variant": read_provenance(arguments.split)["configuration"]["variant"],
            "spaces": list(spaces),
            "n_train": int(np.count_nonzero(~test)),
            "n_test": int(np.count_nonzero(test)),
            **arguments.configuration,
        },
        {"responses": arguments.responses, "split": arguments.split, **spaces},
        seed=arguments.configuration["seed"],
    )


if __name__ == "__main__":
    run_stage(main)
