"""A fitted model, its weights refitted with the penalties and band weights of its search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from encoding.ridge.candidates import equal_weights
from encoding.ridge.image_weights import WeighedImages
from encoding.ridge.problem import Options, Problem
from encoding.ridge.weights import RefittedVoxels, stream_weights
from encoding.scaling import FeatureScaling
from pipeline.errors import InputError
from pipeline.fits.fit_inputs import ResponseRows, read_scaled, solver_options
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import open_result, read_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table

# of weights that a stage copies, in double precision or as predictions of many images
VOXELS_PER_BLOCK = 1024


class FittedModelArguments(Protocol):
    """Arguments of a stage that opens a fit."""

    @property
    def spaces(self) -> list[str]:
        """Feature spaces of the model."""

    @property
    def features(self) -> list[Path]:
        """Files of the features, in the order of `spaces`."""

    @property
    def responses(self) -> Path:
        """File of the subject's responses."""

    @property
    def split(self) -> Path:
        """Table of the subject's split."""

    @property
    def encoding(self) -> Path:
        """File of the fit."""

    @property
    def memory_mb(self) -> float:
        """Memory of the solver in MB."""


@dataclass(frozen=True)
class FittedModel:
    """Training data of a model, and the penalties that its search selected.

    Attributes
    ----------
    bands : {feature space: features (image, feature) of the training images, scaled}
    scaling : scaling of all spaces, concatenated
    training : responses to the training images, in the order of `voxel`
    stored : the same responses, read by ids of voxels
    training_nsd_id, fold : (training image,)
    n_repeats : (training image,) numbers of trials averaged
    test_nsd_id : (test image,)
    test_bands : {feature space: features (image, feature) of the test images, scaled}
    voxel : (voxel,) ids
    reliability, alpha : (voxel,)
    band_weights : (band, voxel)
    options : options of the solver
    fitted : configuration recorded in the file of the fit
    inputs : {name: file} of the model
    """

    bands: dict[str, np.ndarray]
    scaling: FeatureScaling
    training: ResponseRows
    stored: StoredMatrix
    training_nsd_id: np.ndarray
    fold: np.ndarray
    n_repeats: np.ndarray
    test_nsd_id: np.ndarray
    test_bands: dict[str, np.ndarray]
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
        """Open the model of `arguments.spaces` and its fit; responses are read in parts.

        Raises
        ------
        InputError
            The files come from different runs, or are damaged.
        """
        split, requested_by = read_table(arguments.split), str(arguments.split)
        test, nsd_id = (split["set"] == "test").to_numpy(), split["nsd_id"].to_numpy()
        spaces = dict(zip(arguments.spaces, arguments.features, strict=True))
        encoding = read_result(arguments.encoding, ["reliability", "alpha", "band_weights"])
        fitted = encoding.configuration
        with open_result(arguments.responses) as file:
            if not np.array_equal(file["voxel"][()], encoding["voxel"]):
                raise InputError(
                    f"{arguments.encoding}: fitted on other voxels than {arguments.responses} has. "
                    "They come from different runs; delete the older one and run snakemake again."
                )
            stored = StoredMatrix(file, "responses", nsd_id[~test], requested_by)
            scaled = {
                space: read_scaled(path, nsd_id, ~test, requested_by, fitted["scaling"])
                for space, path in spaces.items()
            }
            yield cls(
                bands={space: band.features[~test] for space, band in scaled.items()},
                scaling=FeatureScaling.joined(band.scaling for band in scaled.values()),
                training=ResponseRows(stored.matrix, stored.rows),
                stored=stored,
                training_nsd_id=nsd_id[~test],
                fold=split["fold"].to_numpy()[~test],
                n_repeats=file["n_valid_repeats"][()].max(axis=1)[stored.rows],
                test_nsd_id=nsd_id[test],
                test_bands={space: band.features[test] for space, band in scaled.items()},
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

    def stream_weights(self) -> Iterator[RefittedVoxels]:
        """Refit weights, a block of voxels at a time."""
        selected = self.alpha, self.band_weights
        if self.fitted["image_weights"] == "equal":
            yield from stream_weights(self.bands, self.training, self.fold, *selected, self.options)
            return
        # only the images and responses of this problem are used
        one, candidates = np.ones(1), equal_weights(len(self.bands))
        images = WeighedImages(
            Problem.of_one_model(
                self.bands, self.training, self.fold, one, candidates, self.options
            ),
            self.n_repeats,
        )
        weighed = images.problem
        for found in stream_weights(
            weighed.bands, weighed.responses, weighed.folds, *selected, weighed.options
        ):
            intercept = images.intercept(found.voxels, found.weights)
            yield found._replace(intercept=intercept)

    def provenance(
        self, stage: str, settings: Mapping[str, Any], inputs: Mapping[str, Path] | None = None
    ) -> dict[str, Any]:
        """Return the provenance of a result made from the model and other inputs."""
        names = ("subject", "variant", "spaces", "scaling")
        kept = {name: self.fitted[name] for name in names}
        return make_provenance(
            stage,
            {**kept, **settings},
            {**self.inputs, **(inputs or {})},
            seed=settings.get("seed"),
        )


def small_blocks(blocks: Iterable[RefittedVoxels]) -> Iterator[RefittedVoxels]:
    """Divide blocks of `FittedModel.stream_weights` into those of at most 1,024 voxels."""
    for block in blocks:
        for start in range(0, len(block.voxels), VOXELS_PER_BLOCK):
            here = slice(start, start + VOXELS_PER_BLOCK)
            yield RefittedVoxels(block.voxels[here], block.weights[:, here], block.intercept[here])
