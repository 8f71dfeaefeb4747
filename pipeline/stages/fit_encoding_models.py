"""Fit the encoding model of a set of feature spaces, and score it on test images."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np
from tqdm import tqdm

from encoding.noise_ceiling import noise_ceiling, reliability
from encoding.product_measure import OFFSET, split_r2
from encoding.ridge import solver
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
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.result_file import Arrays
from pipeline.results.storage import (
    Result,
    open_result,
    positions,
    read_result,
    write_result,
)
from pipeline.results.tables import read_table

# share of voxels at an end of the grid of penalties above which it is reported
EDGE_SHARE = 0.05
# voxels whose ceilings are computed at a time
CEILING_VOXELS = 1024
# arrays (voxel,) and (space or part, voxel) that a smaller model can replace
SCORES = ("r", "r2", "cv_score", "alpha")
BY_SPACE = ("band_weights", "product_measure")
# dimensions before `voxel` of arrays that have more than one
BEFORE_VOXELS = {
    "band_weights": ["space"],
    "product_measure": ["part"],
    f"{STACK}_weights": ["space"],
}
AnyFit = TypeVar("AnyFit", BandedRidgeFit, StackedFit)


class Intercept(Protocol):
    """Function that adds the intercept to the fit of some voxels."""

    def __call__(self, voxels: np.ndarray, fit: AnyFit) -> AnyFit:
        """Return the fit with its intercept."""


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    spaces: Annotated[list[str], given.Setting("fits.{variant}.{model}")]
    features: given.InputFiles
    # of the same subject, models with one space less
    smaller_encoding: given.InputFiles
    specifications: Annotated[dict[str, Any], given.Setting()]  # {space: what its features must be}
    responses: given.InputFile
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("encoding_of.{variant}")]
    # whether the spaces' own models are stacked too
    stacked: Annotated[bool, given.Setting("stacked.{variant}.{model}")]
    out: given.OutputFile
    memory_mb: given.SolverMemory
    chunk: given.Parameter = "1of1"  # which part of the voxels


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    # progress of the search
    logging.basicConfig(format="%(message)s")
    logging.getLogger("encoding").setLevel(logging.INFO)
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
        provenance = _provenance(arguments, spaces, measured, test, options.backend)
        n_repeats = measured["n_valid_repeats"].max(axis=1)[rows[~test]]
        data = Data(bands, test, training, held_out, fold, n_repeats, settings, options)
        smaller = [
            smaller_model(path, arguments.spaces, voxel) for path in arguments.smaller_encoding
        ]
        arrays |= _fit(data, smaller)
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
    """Compute the ceiling of the test images and its standard error, (voxel,) float32."""
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
    """Features, responses and settings of a fit.

    Attributes
    ----------
    bands : {feature space: features (image, feature) of all images, scaled}
    test : (image,) bool, whether an image is a test image
    training, held_out : responses (image, voxel) to training and test images
    fold : (training image,)
    n_repeats : (training image,) numbers of trials averaged
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
    def training_bands(self) -> dict[str, np.ndarray]:
        """Features of the training images."""
        return {name: band[~self.test] for name, band in self.bands.items()}

    @cached_property
    def test_bands(self) -> dict[str, np.ndarray]:
        """Features of the test images."""
        return {name: band[self.test] for name, band in self.bands.items()}

    @property
    def alphas(self) -> np.ndarray:
        """Grid of penalties."""
        return AlphaGrid.model_validate(self.settings["alphas"]).values()

    def weighted(self, problem: Problem) -> tuple[Problem, Intercept]:
        """Weight the images of a problem; return it and a function that adds intercepts."""
        if self.settings["image_weights"] == "equal":
            return problem, _unchanged
        images = WeighedImages(problem, self.n_repeats)

        def with_intercept(voxels: np.ndarray, fit: AnyFit) -> AnyFit:
            return replace(fit, intercept=images.intercept(voxels, fit.coefficients))

        return images.problem, with_intercept


def _unchanged(voxels: np.ndarray, fit: AnyFit) -> AnyFit:
    return fit


def smaller_model(
    encoding: Path, spaces: Sequence[str], voxel: np.ndarray
) -> dict[str, np.ndarray]:
    """Read {quantity: (…, voxel)} of a model of some of the spaces, in the shapes of all.

    Raises
    ------
    InputError
        The model lacks some of the voxels.
    """
    result = read_result(encoding).ordered("voxel", voxel, f"the model {model_name(spaces)}")
    parts = {"space": [*spaces], "part": [*spaces, OFFSET]}
    # 0 for spaces that the model lacks
    data = result.data[[*SCORES, *BY_SPACE]].reindex(parts, fill_value=np.float32(0))
    return {name: data[name].values for name in (*SCORES, *BY_SPACE)}


def _fit(data: Data, smaller: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Fit, and return scores and selected penalties (…, voxel) float32."""
    name, n_voxels = model_name(data.bands), data.training.shape[1]
    arrays = {
        key: np.full((*shape, n_voxels), np.nan, np.float32)
        for key, shape in _quantities(len(data.bands)).items()
    }
    arrays["searched_exactly"] = np.zeros(n_voxels, bool)
    candidates = model_candidates(len(data.bands), data.settings)
    problem, intercept = data.weighted(
        Problem.of_one_model(
            data.training_bands, data.training, data.fold, data.alphas, candidates, data.options
        )
    )
    with tqdm(total=n_voxels, desc=name, unit="voxel") as bar:
        for voxels, fits in solver_of(data.settings)(problem):
            fit = intercept(voxels, fits["model"])
            arrays["searched_exactly"][voxels] = fit.exact
            own = _scores(fit, data.held_out.of(voxels), data.test_bands)
            others = [{name: a[..., voxels] for name, a in model.items()} for model in smaller]
            for key, values in take_over(own, others).items():
                arrays[key][..., voxels] = values
            bar.update(len(voxels))
    exact = np.count_nonzero(arrays["searched_exactly"])
    tqdm.write(f"{name}: {exact} of {n_voxels} voxels were searched exactly")
    _report_edges(name, arrays["alpha"], data.alphas)
    return arrays


def _stack(data: Data) -> dict[str, np.ndarray]:
    """Stack the spaces' own models, and return scores and weights (…, voxel) float32."""
    shapes = {"r": (), "r2": (), "weights": (len(data.bands),)}
    n_voxels = data.held_out.shape[1]
    arrays = {
        f"{STACK}_{key}": np.full((*shape, n_voxels), np.nan, np.float32)
        for key, shape in shapes.items()
    }
    # only the images and responses of this problem are used
    candidates = equal_weights(len(data.bands))
    problem, intercept = data.weighted(
        Problem.of_one_model(
            data.training_bands, data.training, data.fold, data.alphas, candidates, data.options
        )
    )
    stacks = stream_stacks(
        problem.bands, problem.responses, data.fold, data.alphas, problem.options
    )
    with tqdm(total=n_voxels, desc=f"{STACK} {model_name(data.bands)}", unit="voxel") as bar:
        for voxels, fit in stacks:
            predicted = intercept(voxels, fit).predict(data.test_bands)
            measured = data.held_out.of(voxels)
            arrays[f"{STACK}_r"][voxels] = correlation_score(measured, predicted)
            arrays[f"{STACK}_r2"][voxels] = r2_score(measured, predicted)
            arrays[f"{STACK}_weights"][:, voxels] = fit.weights
            bar.update(len(voxels))
    return arrays


def _quantities(n_spaces: int) -> dict[str, tuple[int, ...]]:
    """Return {array: its shape before voxels}."""
    weights, product = BY_SPACE
    return {**dict.fromkeys(SCORES, ()), weights: (n_spaces,), product: (n_spaces + 1,)}


def _scores(
    fit: BandedRidgeFit, measured: np.ndarray, bands: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return scores, penalties, and R² split by bands, of some voxels."""
    predicted = fit.predict(bands)
    split = split_r2(measured, fit.predict_by_band(bands), fit.intercept)
    return {
        "r": correlation_score(measured, predicted),
        "r2": r2_score(measured, predicted),
        "cv_score": fit.cv_score,
        "alpha": fit.alpha,
        "band_weights": fit.band_weights,
        "product_measure": np.stack([*split.values()]),
    }


def model_candidates(n_bands: int, settings: Mapping[str, Any]) -> np.ndarray:
    """Return candidate band weights (candidate, band), as configured under `encoding`."""
    if settings["penalty"] == "single":
        return equal_weights(n_bands)
    return draw_band_weights(n_bands, settings["band_weight_samples"], settings["seed"])


def solver_of(settings: Mapping[str, Any]) -> solver.Solver:
    """Return the solver configured under `encoding`."""
    if settings["solver"] == "native":
        return solver.stream_fits
    # here, as importing himalaya takes more than a second
    from encoding.ridge import himalaya_solver

    return himalaya_solver.stream_fits


def _report_edges(model: str, selected: np.ndarray, alphas: np.ndarray) -> None:
    """Report if many penalties are at an end of the grid, which may then be too short."""
    selected = selected[np.isfinite(selected)]
    for name, edge in (("smallest", alphas.min()), ("largest", alphas.max())):
        share = np.isclose(selected, edge, rtol=1e-3).mean() if len(selected) else 0.0
        if share > EDGE_SHARE:
            tqdm.write(f"{model}: {share:.0%} of voxels pick the {name} alpha, {edge:g}")


def _provenance(
    arguments: Arguments, spaces: dict[str, Path], measured: Result, test: np.ndarray, backend: str
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
            "computed_by": backend,
        },
        {
            "responses": arguments.responses,
            "split": arguments.split,
            **spaces,
            **{f"encoding/{path.stem}": path for path in arguments.smaller_encoding},
        },
        seed=arguments.configuration["seed"],
    )


if __name__ == "__main__":
    run_stage(main)
