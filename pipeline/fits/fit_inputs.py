"""What fits are given: scaled features of a split's images, and their responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from encoding.ridge.problem import Options
from encoding.ridge.weights import stream_weights
from encoding.scaling import FeatureScaling, Scaling
from pipeline.errors import InputError
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import decoded
from pipeline.results.storage import canonical, open_result, read_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table


class ResponseRows:
    """Some images of neighbouring voxels of stored responses (image, voxel), read in blocks."""

    def __init__(
        self, dataset: h5py.Dataset, rows: np.ndarray, voxels: slice = slice(None)
    ) -> None:
        self.dataset, self.rows = dataset, rows
        self.first, end, _ = voxels.indices(dataset.shape[1])
        self.shape = len(rows), end - self.first

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        images, voxels = key
        start, end, _ = voxels.indices(self.shape[1])
        stored = self.dataset[:, self.first + start : self.first + end]
        return decoded(self.dataset, stored[self.rows[images]])

    def of(self, voxels: np.ndarray) -> np.ndarray:
        """(image, voxel) of ascending voxels."""
        first = voxels[0]
        return self[:, first : voxels[-1] + 1][:, voxels - first]


@dataclass(frozen=True)
class ScaledFeatures:
    """Features (image, feature) float32, and how they were scaled."""

    features: np.ndarray
    scaling: FeatureScaling


def read_scaled(
    path: Path,
    nsd_id: np.ndarray,
    training: np.ndarray,
    requested_by: str,
    scaling: Scaling = "zscore",
) -> ScaledFeatures:
    """Features of images, scaled by what the training images among them tell.

    Parameters
    ----------
    path : a feature space's file
    nsd_id : (image,)
    training : (image,) bool
    requested_by : who names the images, for the message if some are missing
    scaling : see `FeatureScaling`
    """
    features = read_result(path, ["features"]).ordered("image", nsd_id, requested_by)["features"]
    try:
        fitted = FeatureScaling.fit(features[training], scaling)
    except ValueError as error:
        raise InputError(f"{path}: {error}. Choose another layer or network.") from error
    return ScaledFeatures(fitted.transform(features), fitted)


def verify_features(path: Path, specification: Mapping[str, Any]) -> None:
    """Raise if a file of features is not of the space, layer and network that it is taken for.

    Parameters
    ----------
    specification : see `pipeline.configuration.checkpoints.features_to_expect`

    Raises
    ------
    InputError
        Its features are others, whatever their shape.
    """
    told = read_result(path, []).configuration
    extracted_from = told.get("extraction", {}).get("network")
    own = {k: v for k, v in told.items() if k not in ("layers", "extraction")}
    made = {**own, "extracted_from": extracted_from}
    for key in dict.fromkeys([*specification, *made]):
        if made.get(key) != specification.get(key):
            raise InputError(
                f"{path}: features of {key} {_brief(made.get(key))}, but the configuration says "
                f"{_brief(specification.get(key))}. They are of another model or run; delete the "
                "file and run snakemake again."
            )


def _brief(value: Any) -> str:
    return canonical(value) if isinstance(value, dict) else f"'{value}'"


class FittedModelArguments(Protocol):
    """Arguments of a stage that opens a fit."""

    @property
    def spaces(self) -> list[str]:
        """Feature spaces of the model."""

    @property
    def features(self) -> list[Path]:
        """Files of the features, in the order of `spaces`."""

    @property
    def responses(self) -> Path: ...

    @property
    def split(self) -> Path: ...

    @property
    def encoding(self) -> Path: ...

    @property
    def memory_mb(self) -> float: ...


@dataclass(frozen=True)
class FittedModel:
    """All that a model was fitted on, and what its search picked.

    Attributes
    ----------
    bands : {feature space: features (image, feature) of the training images, scaled}
    scaling : of all spaces side by side
    training : responses of the training images, in the order of `voxel`
    stored : the same, by ids of voxels wherever they lie
    training_nsd_id, fold : (training image,)
    voxel : (voxel,) ids
    reliability, alpha : (voxel,)
    band_weights : (band, voxel)
    options : of the solver
    fitted : configuration of the fit, as its file tells it
    inputs : {name: file} that it was made of
    """

    bands: dict[str, np.ndarray]
    scaling: FeatureScaling
    training: ResponseRows
    stored: StoredMatrix
    training_nsd_id: np.ndarray
    fold: np.ndarray
    voxel: np.ndarray
    reliability: np.ndarray
    alpha: np.ndarray
    band_weights: np.ndarray
    options: Options
    fitted: dict[str, Any]
    inputs: dict[str, Path]

    @classmethod
    @contextmanager
    def open(cls, arguments: FittedModelArguments) -> Iterator[FittedModel]:
        """The model of `--spaces` and its fit; responses stay open to be read in parts.

        Raises
        ------
        InputError
            Files are of different runs, or damaged.
        """
        split = read_table(arguments.split)
        training = split[split["set"] == "train"]
        nsd_id, requested_by = training["nsd_id"].to_numpy(), str(arguments.split)
        everyone = np.ones(len(nsd_id), dtype=bool)
        spaces = dict(zip(arguments.spaces, arguments.features, strict=True))
        encoding = read_result(arguments.encoding, ["reliability", "alpha", "band_weights"])
        fitted = encoding.configuration
        with open_result(arguments.responses) as file:
            if not np.array_equal(file["voxel"][()], encoding["voxel"]):
                raise InputError(
                    f"{arguments.encoding}: fitted on other voxels than {arguments.responses} has. "
                    "They come from different runs; delete the older one and run snakemake again."
                )
            stored = StoredMatrix(file, "responses", nsd_id, requested_by)
            scaled = {
                space: read_scaled(path, nsd_id, everyone, requested_by, fitted["scaling"])
                for space, path in spaces.items()
            }
            yield cls(
                bands={space: band.features for space, band in scaled.items()},
                scaling=FeatureScaling.joined(band.scaling for band in scaled.values()),
                training=ResponseRows(stored.matrix, stored.rows),
                stored=stored,
                training_nsd_id=nsd_id,
                fold=training["fold"].to_numpy(),
                voxel=encoding["voxel"],
                reliability=encoding["reliability"],
                alpha=encoding["alpha"],
                band_weights=encoding["band_weights"],
                options=solver_options(fitted, arguments.memory_mb),
                fitted=fitted,
                inputs={
                    "responses": arguments.responses,
                    "split": arguments.split,
                    "encoding": arguments.encoding,
                    **spaces,
                },
            )

    def stream_weights(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Weights (feature, voxel) of all voxels, a block of voxels at a time."""
        picked = self.alpha, self.band_weights
        return stream_weights(self.bands, self.training, self.fold, *picked, self.options)

    def provenance(
        self, stage: str, settings: Mapping[str, Any], inputs: Mapping[str, Path] | None = None
    ) -> dict[str, Any]:
        """Provenance of what a stage makes from the model and other inputs."""
        names = ("subject", "variant", "spaces", "scaling")
        kept = {name: self.fitted[name] for name in names}
        return make_provenance(
            stage,
            {**kept, **settings},
            {**self.inputs, **(inputs or {})},
            seed=settings.get("seed"),
        )


def solver_options(settings: Mapping[str, Any], memory_mb: float) -> Options:
    """How the solver computes, as configured under `encoding`."""
    return Options(
        search=settings["search"],
        backend=settings["backend"],
        memory_bytes=memory_mb * 1e6,
        missing=settings["missing_images"],
    )
