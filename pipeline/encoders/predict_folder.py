"""Predictions of an encoder for a folder of pictures or captions, as files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.encoders.encoding_model import EncodingModel
from pipeline.errors import InputError
from pipeline.maps.files import BIDS_HEMISPHERES, map_images, write_map
from pipeline.report.html import banners
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import Arrays
from pipeline.results.storage import write_result
from pipeline.results.tables import write_table

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
CAPTIONS = "captions.tsv"
# in names of maps
UNSAFE = r"[^A-Za-z0-9_-]+"
COLUMNS = {
    "stimulus": "name of the picture's file, or of the image in captions.tsv",
    "atlas": "collection of regions; 'all' for all voxels",
    "roi": "region; 'all' for all voxels",
    "n_voxels": "number of voxels of the region in the model",
    "mean_response": "predicted response, mean over the voxels of the region",
    "unit": "unit of mean_response",
    "distance": "distance of the stimulus' features from the mean of the training images; its root "
    "mean square over the training images is 1 if features were scaled by `zscore`",
    "far": "whether the distance exceeds that of 99 % of the training images",
}


@dataclass(frozen=True)
class Predicted:
    """Predictions for stimuli.

    Attributes
    ----------
    names : (stimulus,)
    responses : (stimulus, voxel)
    distance : (stimulus,), see `EncodingModel.distance`
    """

    names: list[str]
    responses: np.ndarray
    distance: np.ndarray

    def best(self, voxels: np.ndarray, number: int = 10) -> list[tuple[str, float]]:
        """List the stimuli with the largest mean response of voxels (voxel,) bool, best first."""
        mean = self.responses[:, voxels].mean(axis=1)
        order = np.argsort(-mean, kind="stable")[:number]
        return [(self.names[row], float(mean[row])) for row in order]


def predict_folder(model: EncodingModel, folder: Path) -> Predicted:
    """Predict responses to the pictures of a folder, or to the texts of its `captions.tsv`.

    The table has the columns `image` and `caption`, and a row for each caption of an image. For
    models of pictures and captions, `image` is the name of the picture's file.

    Raises
    ------
    InputError
        The folder lacks what the model takes.
    """
    kinds = model.stimuli.kinds
    pictures = {
        path.name: path
        for path in sorted(folder.glob("*"))
        if "image" in kinds and path.suffix.lower() in PICTURES
    }
    captions = _captions(folder / CAPTIONS) if "captions" in kinds else {}
    names = list(pictures if "image" in kinds else captions)
    if not names:
        raise InputError(f"{folder}: no pictures ({', '.join(PICTURES)})")
    if lacking := [name for name in names if "captions" in kinds and name not in captions]:
        raise InputError(f"{folder / CAPTIONS}: no caption of {lacking[0]}")
    responses, distance = model.respond(
        [pictures[name] for name in names] if "image" in kinds else None,
        [captions[name] for name in names] if "captions" in kinds else None,
    )
    return Predicted(names, responses, distance)


def _captions(path: Path) -> dict[str, list[str]]:
    """Read {image: its captions}."""
    if not path.is_file():
        raise InputError(
            f"{path}: not found. The model reads captions: give a table of them, with tabs between "
            "the columns `image` and `caption`."
        )
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if not {"image", "caption"} <= set(table.columns) or table.empty:
        raise InputError(f"{path}: needs the columns `image` and `caption`, and a row")
    return {
        str(image): captions.tolist()
        for image, captions in table.groupby("image", sort=False)["caption"]
    }


def write_predictions(
    model: EncodingModel, encoder: Path, predicted: Predicted, out: Path, *, each: bool = False
) -> list[Path]:
    """Write predictions, a table of regions, and a map of their mean; return the files.

    Parameters
    ----------
    encoder : file of the model
    out : HDF5 file; the others have its name and another ending
    each : write a map of every stimulus, too
    """
    origin = model.metadata["provenance"]
    provenance = make_provenance(
        __name__,
        {"subject": model.metadata["subject"], "model": model.metadata["model"]},
        {"encoder": encoder},
        simulated=origin["simulated"],
        untrained=origin["untrained"],
        weights=origin["weights"],
    )
    geometry = {"grid_shape": model.arrays["grid_shape"]}
    if "affine" in model.arrays:
        geometry["affine"] = model.arrays["affine"]
    arrays: Arrays = {
        "image": ("image", predicted.names),
        "voxel": ("voxel", model.arrays["voxel"]),
        "predictions": (("image", "voxel"), predicted.responses),
        "distance": ("image", predicted.distance),
        "grid_shape": ("axis", geometry["grid_shape"]),
    }
    if "affine" in geometry:
        arrays["affine"] = (("affine_row", "affine_column"), geometry["affine"])
    write_result(out, arrays, provenance)
    table = out.with_suffix(".tsv")
    write_table(table, pd.DataFrame(_rows(model, predicted)), COLUMNS, provenance)
    maps = {"mean": predicted.responses.mean(axis=0)}
    if each:
        maps |= dict(zip(predicted.names, predicted.responses, strict=True))
    written = [
        path
        for name, values in maps.items()
        for path in _write_maps(model, out, name, values, geometry, provenance)
    ]
    return [out, table, *written]


def _rows(model: EncodingModel, predicted: Predicted) -> Iterator[dict[str, Any]]:
    """Yield a row for each stimulus and region."""
    everywhere = np.ones(predicted.responses.shape[1], bool)
    named = [*model.metadata["regions"], ["all", "all"]]
    masks = [*model.arrays["region"], everywhere]
    present = [(*name, mask) for name, mask in zip(named, masks, strict=True) if mask.any()]
    for name, responses, distance in zip(
        predicted.names, predicted.responses, predicted.distance, strict=True
    ):
        for atlas, roi, mask in present:
            yield {
                "stimulus": name,
                "atlas": atlas,
                "roi": roi,
                "n_voxels": int(np.count_nonzero(mask)),
                "mean_response": responses[mask].mean(),
                "unit": model.metadata["unit"],
                "distance": distance,
                "far": distance > model.metadata["far"],
            }


def _write_maps(
    model: EncodingModel,
    out: Path,
    name: str,
    values: np.ndarray,
    geometry: Mapping[str, np.ndarray],
    provenance: Mapping[str, Any],
) -> Sequence[Path]:
    """Write a map as NIfTI, or as GIFTI of both hemispheres."""
    stem = f"{out.stem}_{re.sub(UNSAFE, '-', name)}"
    names = [f"{stem}.nii.gz"]
    if "affine" not in geometry:
        names = [f"{stem}_hemi-{side}.func.gii" for side in BIDS_HEMISPHERES.values()]
    images = map_images(values, model.arrays["voxel"], geometry)
    sidecar = {
        "Subject": model.metadata["subject"],
        "Description": f"predicted response, {name}",
        "Units": model.metadata["unit"],
        "OutsideMask": "NaN",
        "Simulated": provenance["simulated"],
        "Provenance": provenance,
    }
    paths = [out.parent / file for file in names]
    for path, image in zip(paths, images, strict=True):
        write_map(path, image, sidecar)
    return paths


def predict_command(
    encoder: Path,
    folder: Path,
    out: Path,
    *,
    best: str | None = None,
    each: bool = False,
    weights: Path | None = None,
) -> str:
    """Predict a folder, write files, and return what to print.

    Parameters
    ----------
    encoder, folder, out, each : see `predict_folder` and `write_predictions`
    best : region or voxel of which the best stimuli are listed
    weights : folder of the networks' downloaded weights

    Raises
    ------
    InputError
        The encoder or the folder cannot be used.
    """
    if out.suffix != ".h5":
        raise InputError(f"--out {out}: must end with .h5")
    model = EncodingModel.load(encoder, cache=weights)
    voxels = None if best is None else model.region(best)
    predicted = predict_folder(model, folder)
    far = predicted.distance > model.metadata["far"]
    if far.any():
        names = [name for name, is_far in zip(predicted.names, far, strict=True) if is_far]
        described = model.describe_far(names, predicted.distance[far])
        print(f"warning: {np.count_nonzero(far)} of {len(far)} are {described}", file=sys.stderr)
    lines = [str(path) for path in write_predictions(model, encoder, predicted, out, each=each)]
    lines += banners(model.metadata["provenance"])
    if voxels is not None:
        n_voxels = np.count_nonzero(voxels)
        lines.append(
            f"largest mean response of {best} ({n_voxels} voxels), {model.metadata['unit']}:"
        )
        lines += [f"{mean:8.3f}  {name}" for name, mean in predicted.best(voxels)]
    return "\n".join(lines)
