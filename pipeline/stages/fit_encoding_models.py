"""Fit the encoding model of a set of feature spaces, and score it on test images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar

import h5py
import numpy as np
from tqdm import tqdm

from encoding.noise_ceiling import noise_ceiling, reliability
from encoding.product_measure import OFFSET, split_r2
from encoding.ridge import himalaya_solver, solver
from encoding.ridge.candidates import draw_band_weights, equal_weights
from encoding.ridge.image_weights import WeighedImages
from encoding.ridge.nested import take_over
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import BandedRidgeFit
from encoding.ridge.stacking import STACK, StackedFit, stream_stacks
from encoding.scores import correlation_score, r2_score
from encoding.variance_partitioning import model_name
from pipeline.configuration.fits import AlphaGrid
from pipeline.errors import run_stage
from pipeline.fits.fit_inputs import (
    ResponseRows,
    read_scaled,
    solver_options,
    verify_features,
)
from pipeline.fits.voxel_chunks import voxels_of
from pipeline.jobs import stage_arguments as given
from pipeline.results.chunk_shapes import chunks_of_voxels
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.result_file import Arrays, ResultFile
from pipeline.results.storage import (
    Result,
    create_result,
    open_result,
    positions,
    read_result,
    write_result,
)
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table

EDGE_SHARE = 0.05
# read at a time for their ceilings
CEILING_VOXELS = 1024
SOLVERS = {"native": solver.stream_fits, "himalaya": himalaya_solver.stream_fits}
SCORES = ("r", "r2", "cv_score", "alpha")
BY_SPACE = ("band_weights", "product_measure")
# dimensions of arrays that have more than voxels
BEFORE_VOXELS = {
    "band_weights": ["space"],
    "product_measure": ["part"],
    f"{STACK}_weights": ["space"],
}
PREDICTIONS = "predictions"
AnyFit = TypeVar("AnyFit", BandedRidgeFit, StackedFit)
# of voxels and their fit, the fit with its intercept
Intercept = Callable[[np.ndarray, AnyFit], AnyFit]


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    spaces: Annotated[list[str], given.Setting("fits.{variant}.{model}")]
    features: given.InputFiles
    # of the same subject, models of a space less
    smaller_encoding: given.InputFiles
    smaller_predictions: given.InputFiles
    specifications: Annotated[dict[str, Any], given.Setting()]  # {space: what its features must be}
    responses: given.InputFile
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("encoding_of.{variant}")]
    # whether the spaces' own models are stacked too
    stacked: Annotated[bool, given.Setting("stacked.{variant}.{model}")]
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
    requested_by = str(arguments.split)
    for name, specification in arguments.specifications.items():
        verify_features(spaces[name], specification)
    bands = {
        name: read_scaled(path, nsd_id, ~test, requested_by, settings["scaling"]).features
        for name, path in spaces.items()
    }
    with open_result(arguments.responses) as file:
        names = ["grid_shape", "ncsnr", "n_valid_repeats", "noise_variance"]
        measured = read_result(arguments.responses, names)
        rows = positions(measured["image"], nsd_id, arguments.responses, requested_by)
        here = voxels_of(arguments.chunk, len(measured["voxel"]))
        repeats = measured["n_valid_repeats"][rows][test][:, here]
        voxel, reliable = measured["voxel"][here], reliability(measured["ncsnr"][here], repeats)
        training = ResponseRows(file["responses"], rows[~test], here)
        held_out = ResponseRows(file["responses"], rows[test], here)
        arrays = {"reliability": reliable.astype(np.float32)}
        arrays |= _ceilings(held_out, repeats, measured["noise_variance"][here])
        provenance = _provenance(arguments, spaces, measured, test)
        n_repeats = measured["n_valid_repeats"].max(axis=1)[rows[~test]]
        data = Data(bands, test, training, held_out, fold, n_repeats, settings, options)
        with ExitStack() as opened:
            files = zip(arguments.smaller_encoding, arguments.smaller_predictions, strict=True)
            smaller = [
                opened.enter_context(
                    SmallerModel.open(*paths, arguments.spaces, voxel, nsd_id[test])
                )
                for paths in files
            ]
            predictions = opened.enter_context(create_result(arguments.predictions, provenance))
            predictions.add("image", "image", nsd_id[test])
            predictions.add("voxel", "voxel", voxel)
            arrays |= _fit(data, smaller, predictions)
            arrays |= _stack(data) if arguments.stacked else {}
    labels = {
        "voxel": voxel,
        "image": nsd_id[test],
        "space": arguments.spaces,
        "part": [*arguments.spaces, OFFSET],
    }
    result: Arrays = {
        **{name: (name, values) for name, values in labels.items()},
        "grid_shape": ("axis", measured["grid_shape"]),
        **{name: ([*BEFORE_VOXELS.get(name, []), "voxel"], v) for name, v in arrays.items()},
    }
    write_result(arguments.out, result, provenance)


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


@dataclass(frozen=True)
class Data:
    """What a model is fitted to and scored on, and how.

    Attributes
    ----------
    bands : {feature space: (image, feature)} of all images, scaled
    test : (image,) bool, which images are not trained on
    training, held_out : responses (image, voxel) of both sides
    fold : (training image,)
    n_repeats : (training image,) trials that responses are averaged of
    """

    bands: dict[str, np.ndarray]
    test: np.ndarray
    training: ResponseRows
    held_out: ResponseRows
    fold: np.ndarray
    n_repeats: np.ndarray
    settings: dict[str, Any]
    options: Options

    @cached_property
    def trained(self) -> dict[str, np.ndarray]:
        return {name: band[~self.test] for name, band in self.bands.items()}

    @cached_property
    def shown(self) -> dict[str, np.ndarray]:
        return {name: band[self.test] for name, band in self.bands.items()}

    @property
    def alphas(self) -> np.ndarray:
        return AlphaGrid.model_validate(self.settings["alphas"]).values()

    def weighed(self, problem: Problem) -> tuple[Problem, Intercept]:
        """The problem with the images' weights, and what gives a fit of voxels its intercept."""
        if self.settings["image_weights"] == "equal":
            return problem, lambda _, fit: fit
        images = WeighedImages(problem, self.n_repeats)
        return images.problem, lambda voxels, fit: replace(
            fit, intercept=images.intercept(voxels, fit.coefficients)
        )


@dataclass(frozen=True)
class SmallerModel:
    """A fitted model of some of the spaces.

    Attributes
    ----------
    voxel : (voxel,) ids
    arrays : {quantity: (…, voxel)} as the larger model has them
    predictions : of the test images
    """

    voxel: np.ndarray
    arrays: dict[str, np.ndarray]
    predictions: StoredMatrix

    @classmethod
    @contextmanager
    def open(
        cls,
        encoding: Path,
        predictions: Path,
        spaces: Sequence[str],
        voxel: np.ndarray,
        nsd_id: np.ndarray,
    ) -> Iterator[SmallerModel]:
        """The model in two files, of the voxels and test images that the larger one has.

        Raises
        ------
        InputError
            It lacks some of them.
        """
        requested_by = f"the model {model_name(spaces)}"
        result = read_result(encoding).ordered("voxel", voxel, requested_by)
        parts = {"space": [*spaces], "part": [*spaces, OFFSET]}
        # of spaces that the model lacks
        data = result.data[[*SCORES, *BY_SPACE]].reindex(parts, fill_value=np.float32(0))
        arrays = {name: data[name].values for name in (*SCORES, *BY_SPACE)}
        with open_result(predictions) as file:
            yield cls(voxel, arrays, StoredMatrix(file, PREDICTIONS, nsd_id, requested_by))

    def of(self, voxels: np.ndarray) -> dict[str, np.ndarray]:
        """{quantity: (…, voxel)} of some voxels, and their predictions."""
        arrays = {name: values[..., voxels] for name, values in self.arrays.items()}
        return {**arrays, PREDICTIONS: self.predictions.of(self.voxel[voxels])}


def _fit(
    data: Data, smaller: Sequence[SmallerModel], predictions: ResultFile
) -> dict[str, np.ndarray]:
    """Scores and picks, (…, voxel) float32; of weights, predictions remain."""
    name, n_voxels = model_name(data.bands), data.training.shape[1]
    arrays = {
        key: np.full((*shape, n_voxels), np.nan, np.float32)
        for key, shape in _quantities(len(data.bands)).items()
    }
    arrays["searched_exactly"] = np.zeros(n_voxels, bool)
    kept = _prediction_store(predictions, data.held_out.shape)
    candidates = model_candidates(len(data.bands), data.settings)
    problem, intercept = data.weighed(
        Problem.of_one_model(
            data.trained, data.training, data.fold, data.alphas, candidates, data.options
        )
    )
    with tqdm(total=n_voxels, desc=name, unit="voxel") as bar:
        for voxels, fits in solver_of(data.settings)(problem):
            fit = intercept(voxels, fits["model"])
            arrays["searched_exactly"][voxels] = fit.exact
            own = _scores(fit, data.held_out.of(voxels), data.shown)
            found = take_over(own, [model.of(voxels) for model in smaller])
            _store(kept, voxels, found.pop(PREDICTIONS))
            for key, values in found.items():
                arrays[key][..., voxels] = values
            bar.update(len(voxels))
    exact = np.count_nonzero(arrays["searched_exactly"])
    tqdm.write(f"{name}: {exact} of {n_voxels} voxels were searched exactly")
    _tell_edges(name, arrays["alpha"], data.alphas)
    return arrays


def _stack(data: Data) -> dict[str, np.ndarray]:
    """Scores of the spaces' own models, weighed, (…, voxel) float32."""
    shapes = {"r": (), "r2": (), "weights": (len(data.bands),)}
    n_voxels = data.held_out.shape[1]
    arrays = {
        f"{STACK}_{key}": np.full((*shape, n_voxels), np.nan, np.float32)
        for key, shape in shapes.items()
    }
    # of a problem's images and responses alone
    candidates = equal_weights(len(data.bands))
    problem, intercept = data.weighed(
        Problem.of_one_model(
            data.trained, data.training, data.fold, data.alphas, candidates, data.options
        )
    )
    stacks = stream_stacks(
        problem.bands, problem.responses, data.fold, data.alphas, problem.options
    )
    with tqdm(total=n_voxels, desc=f"{STACK} {model_name(data.bands)}", unit="voxel") as bar:
        for voxels, fit in stacks:
            predicted = intercept(voxels, fit).predict(data.shown)
            measured = data.held_out.of(voxels)
            arrays[f"{STACK}_r"][voxels] = correlation_score(measured, predicted)
            arrays[f"{STACK}_r2"][voxels] = r2_score(measured, predicted)
            arrays[f"{STACK}_weights"][:, voxels] = fit.weights
            bar.update(len(voxels))
    return arrays


def _quantities(n_spaces: int) -> dict[str, tuple[int, ...]]:
    """{array of the result: its shape before voxels}."""
    weights, product = BY_SPACE
    return {**dict.fromkeys(SCORES, ()), weights: (n_spaces,), product: (n_spaces + 1,)}


def _scores(
    fit: BandedRidgeFit, measured: np.ndarray, shown: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What is kept of a model and some voxels: its R² split by bands too, and its predictions."""
    predicted = fit.predict(shown)
    split = split_r2(measured, fit.predict_by_band(shown), fit.intercept)
    return {
        "r": correlation_score(measured, predicted),
        "r2": r2_score(measured, predicted),
        "cv_score": fit.cv_score,
        "alpha": fit.alpha,
        "band_weights": fit.band_weights,
        "product_measure": np.stack([*split.values()]),
        PREDICTIONS: predicted,
    }


def model_candidates(n_bands: int, settings: Mapping[str, Any]) -> np.ndarray:
    """Band weights (candidate, band) that a model chooses from, as configured under `encoding`."""
    if settings["penalty"] == "single":
        return equal_weights(n_bands)
    return draw_band_weights(n_bands, settings["band_weight_samples"], settings["seed"])


def solver_of(settings: Mapping[str, Any]) -> solver.Solver:
    """What searches and fits, as configured under `encoding`."""
    return SOLVERS[settings["solver"]]


def _prediction_store(file: ResultFile, shape: tuple[int, int]) -> h5py.Dataset:
    """(test image, voxel), NaN where a voxel is not fitted; read and written by voxels."""
    chunks = chunks_of_voxels(shape)
    names = "image", "voxel"
    return file.add(
        PREDICTIONS, names, shape=shape, dtype=np.float32, chunks=chunks, fillvalue=np.nan
    )


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
    subject = measured.configuration["subject"]
    return make_provenance(
        "fit_encoding_models",
        {
            "subject": subject,
            "variant": read_provenance(arguments.split)["configuration"]["variant"],
            "model": model_name(spaces),
            "spaces": list(spaces),
            "n_train": int(np.count_nonzero(~test)),
            "n_test": int(np.count_nonzero(test)),
            **arguments.configuration,
        },
        {
            "responses": arguments.responses,
            "split": arguments.split,
            **spaces,
            **{f"encoding/{path.stem}": path for path in arguments.smaller_encoding},
            **{f"predictions/{path.stem}": path for path in arguments.smaller_predictions},
        },
        seed=arguments.configuration["seed"],
    )


if __name__ == "__main__":
    run_stage(main)
