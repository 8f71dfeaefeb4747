"""Write a fitted model of a subject as a file with its weights, refitted without search.

Weights are those of unscaled features, so that predictions are `features @ weight.T + bias`. With
scaled features (x - m) f and their weights w, `weight` is f w and `bias` the intercept minus
m @ weight. A reduction y = (x - c) @ components is kept as its components: c is part of `bias`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from tqdm import tqdm

from encoding.ridge.weights import RefittedVoxels
from encoding.variance_partitioning import model_name
from pipeline.dataset.images import open_images
from pipeline.encoders.encoder_file import create_encoder
from pipeline.encoders.fitted_space import FittedSpace
from pipeline.encoders.stimuli import (
    EXAMPLE_CAPTION,
    StimulusFeatures,
    example_picture,
)
from pipeline.errors import InputError, run_stage
from pipeline.fits.fitted_model import FittedModel, small_blocks
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import read_provenance
from pipeline.results.storage import open_result, positions, read_result
from pipeline.results.tables import read_table

# {array of a fit: its description}
OF_FIT = {
    "r": "correlation of measured and predicted responses to the test images",
    "r2": "R² of the test images, 1 - SS_residual / SS_total, signed",
    "cv_score": "cross-validated R² of the training images, with the selected penalty",
    "noise_ceiling": "largest R² that a model of the stimulus could reach on the test images",
    "noise_ceiling_error": "standard error of noise_ceiling",
    "reliability": "noise ceiling of the test images that NSD's ncsnr predicts",
    "alpha": "ridge penalty",
}
DESCRIPTIONS = {
    "weight": "(voxel, feature) weights of unscaled features",
    "bias": "(voxel) intercept: responses = features @ weight.T + bias",
    "components/<space>": "(layer feature, feature) reduction: features = layer @ components",
    "voxel": "(voxel) C-order index into grid_shape, or into the left then the right vertices",
    "grid_shape": "(X, Y, Z) of the volume, or numbers of left and right vertices",
    "affine": "(4, 4) from voxel to millimetres, of volumes",
    "region": "(region, voxel) whether a voxel is in a region of the metadata's `regions`",
    "ncsnr": "(voxel) signal-to-noise ratio of single trials",
    **{name: f"(voxel) {text}" for name, text in OF_FIT.items()},
    "band_weights": "(space, voxel) weights of the feature spaces in the penalty",
    "rounding": "(voxel) root mean square change of the test images' predictions because of the "
    "precision of the weights",
    "training_image": "images that the model was fitted on, numbered from 0 as in NSD",
    "test_image": "images that r, r2 and noise_ceiling are of, numbered from 0 as in NSD",
    "feature_mean": "(feature) that scaling subtracted, for distances",
    "feature_factor": "(feature) that scaling multiplied by, for distances",
    "example": "(voxel) predictions for the generated example",
    "example_image": "(row, column, RGB) the generated picture",
}


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    spaces: Annotated[list[str], given.Setting("fits.all.{model}")]
    precision: Annotated[str, given.Setting("encoders.precision")]
    features: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    encoding: given.InputFile
    rois: given.InputFile
    memory_mb: given.SolverMemory
    weights: given.PathParameter  # folder of downloaded weights
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    spaces = [FittedSpace.read(path) for path in arguments.features]
    with FittedModel.open(arguments) as model:
        fitted = np.flatnonzero(np.isfinite(model.alpha))
        if not len(fitted):
            raise InputError(f"{arguments.encoding}: no voxel could be fitted")
        mean = model.scaling.mean + np.concatenate([space.offset for space in spaces])
        known = {
            **_of_voxels(arguments, fitted),
            "training_image": model.training_nsd_id.astype(np.int64),
            "test_image": model.test_nsd_id.astype(np.int64),
            "feature_mean": mean,
            "feature_factor": model.scaling.factor,
            **{f"components/{s.name}": s.components for s in spaces if s.components is not None},
        }
        pictures = any(space.description["network"]["stimulus"] == "image" for space in spaces)
        size = open_images(arguments.nsd).size if pictures else None
        if size is not None:
            known["example_image"] = example_picture(size)
        metadata = _metadata(arguments, model, spaces, size)
        unscaled = Unscaled.of(model, mean, _example(arguments, spaces, size))
        shapes = {name: (values.dtype.name, values.shape) for name, values in known.items()}
        shapes["weight"] = (arguments.precision, (len(fitted), len(mean)))
        shapes |= {name: ("float32", (len(fitted),)) for name in ("bias", "rounding", "example")}
        with create_encoder(arguments.out, shapes, metadata) as arrays:
            for name, values in known.items():
                arrays[name][...] = values
            with tqdm(total=len(fitted), desc=model_name(arguments.spaces), unit="voxel") as bar:
                for found in small_blocks(model.stream_weights()):
                    rows = np.searchsorted(fitted, found.voxels)
                    for name, values in unscaled.arrays(found, arguments.precision).items():
                        arrays[name][rows] = values
                    bar.update(len(rows))


@dataclass(frozen=True)
class Unscaled:
    """Conversion of weights to those of unscaled features.

    Attributes
    ----------
    mean, factor : (feature,) float64, of the scaling; the mean also has the offsets of reductions
    centred : (test image, feature) features minus the mean, not divided by their deviation
    example : (feature,) features of the generated example
    """

    mean: np.ndarray
    factor: np.ndarray
    centred: np.ndarray
    example: np.ndarray

    @classmethod
    def of(cls, model: FittedModel, mean: np.ndarray, example: np.ndarray) -> Unscaled:
        """Prepare the conversion of a model's weights."""
        factor = model.scaling.factor
        scaled = np.hstack(list(model.test_bands.values())).astype(np.float64)
        centred = np.divide(scaled, factor, out=np.zeros_like(scaled), where=factor > 0)
        return cls(mean, factor, centred, example)

    def arrays(self, found: RefittedVoxels, precision: str) -> dict[str, np.ndarray]:
        """Return the arrays (voxel, …) of some voxels."""
        exact = found.weights.T * self.factor
        with np.errstate(over="ignore"):
            weight = exact.astype(precision)
        if not np.isfinite(weight).all():
            raise InputError(
                "encoders.precision: weights are too large for float16; choose `float32`"
            )
        stored = weight.astype(np.float64)
        # so that predictions for the mean training image are exact, however weights are rounded
        bias = (found.intercept - stored @ self.mean).astype(np.float32)
        change = self.centred @ (stored - exact).T
        return {
            "weight": weight,
            "bias": bias,
            "rounding": np.sqrt(np.mean(change**2, axis=0)).astype(np.float32),
            "example": (stored @ self.example + bias).astype(np.float32),
        }


def _example(
    arguments: Arguments, spaces: list[FittedSpace], size: tuple[int, int] | None
) -> np.ndarray:
    """Compute the features (feature,) of the generated example, reduced but not scaled."""
    stimuli = StimulusFeatures(
        [space.description for space in spaces],
        size,
        cache=arguments.weights,
        source=model_name(arguments.spaces),
    )
    captions = [EXAMPLE_CAPTION] if "captions" in stimuli.kinds else None
    ((found),) = stimuli.batches(None if size is None else [example_picture(size)], captions)
    parts = [
        found[space.name][0]
        if space.components is None
        else found[space.name][0] @ space.components
        for space in spaces
    ]
    return np.concatenate(parts).astype(np.float64)


def _of_voxels(arguments: Arguments, fitted: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is known of voxels (…, voxel) and of where they are."""
    fit = read_result(arguments.encoding, [*OF_FIT, "band_weights"])
    with open_result(arguments.responses) as file:
        places = [name for name in ("grid_shape", "affine") if name in file]
    responses = read_result(arguments.responses, ["voxel", "ncsnr", *places])
    voxel = fit["voxel"][fitted]
    rows = positions(responses["voxel"], voxel, arguments.responses, arguments.encoding)
    rois = read_table(arguments.rois)
    return {
        "voxel": voxel.astype(np.int64),
        "grid_shape": responses["grid_shape"].astype(np.int64),
        **({"affine": responses["affine"].astype(np.float64)} if "affine" in places else {}),
        "ncsnr": responses["ncsnr"][rows].astype(np.float32),
        "region": np.array(
            [
                np.isin(voxel, labelled["voxel"])
                for _, labelled in rois.groupby(["atlas", "roi"], sort=False)
            ],
            dtype=bool,
        ).reshape(-1, len(voxel)),
        **{name: fit[name][..., fitted].astype(np.float32) for name in (*OF_FIT, "band_weights")},
    }


def _metadata(
    arguments: Arguments,
    model: FittedModel,
    spaces: list[FittedSpace],
    size: tuple[int, int] | None,
) -> dict[str, Any]:
    provenance = model.provenance(
        "write_encoder", {"precision": arguments.precision}, {"rois": arguments.rois}
    )
    responses = read_provenance(arguments.responses)["configuration"]
    rois = read_table(arguments.rois)
    scaled = np.hstack(list(model.bands.values()))
    distance = np.linalg.norm(scaled, axis=1) / np.sqrt(len(spaces))
    return {
        "subject": model.fitted["subject"],
        "model": model.fitted["model"],
        "spaces": [space.description for space in spaces],
        "image_size": None if size is None else list(size),
        "example_caption": EXAMPLE_CAPTION,
        "responses": responses,
        "unit": f"z-score within {responses['zscore_within']}, mean over an image's trials",
        "fit": dict(model.fitted),
        "regions": rois[["atlas", "roi"]].drop_duplicates().to_numpy().tolist(),
        "far": float(np.quantile(distance, 0.99)),
        "arrays": dict(_described(spaces, size)),
        "provenance": provenance,
    }


def _described(spaces: list[FittedSpace], size: tuple[int, int] | None) -> Mapping[str, str]:
    reduced = any(space.components is not None for space in spaces)
    left_out = [] if reduced else ["components/<space>"]
    left_out += [] if size is not None else ["example_image"]
    return {name: text for name, text in DESCRIPTIONS.items() if name not in left_out}


if __name__ == "__main__":
    run_stage(main)
