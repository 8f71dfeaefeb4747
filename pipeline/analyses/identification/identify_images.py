"""Identify a subject's test images from predicted patterns: of models, and of others' brains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from encoding.across_subjects import predict_across
from encoding.identification import (
    SIMULATED,
    identified,
    independent_errors,
    pattern_correlation,
)
from pipeline import stage_arguments as given
from pipeline.configuration.fits import AlphaGrid
from pipeline.errors import run_stage
from pipeline.image_blocks import image_blocks
from pipeline.storage import (
    Result,
    make_provenance,
    open_result,
    positions,
    read_result,
    read_table,
    write_result,
)
from pipeline.stored_matrix import StoredMatrix

Roi = tuple[str, str]
# of fewer voxels there is no pattern, of fewer images no map from one brain to another
FEWEST_VOXELS, FEWEST_IMAGES = 10, 20


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    models: Annotated[list[str], given.Setting("identifying_models")]
    predictions: given.InputFiles  # of the models
    encoding: given.InputFile  # of the first model
    split: given.InputFile
    subject: given.Wildcard
    subjects: Annotated[list[str], given.Setting("subjects")]  # whose brains there are
    responses: given.InputFiles  # of the subjects
    rois: given.InputFiles  # of the subjects
    configuration: Annotated[dict[str, Any], given.Setting("identification")]
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    settings = arguments.configuration
    brains = {
        subject: Brain(responses, read_table(rois), settings)
        for subject, responses, rois in _by_subject(arguments)
    }
    encoding = read_result(arguments.encoding, ["voxel", "reliability", "test_nsd_id"])
    models = dict(zip(arguments.models, arguments.predictions, strict=True))
    nsd_id = encoding["test_nsd_id"]
    arrays = {"nsd_id": nsd_id, "models": arguments.models}
    arrays["cluster"] = image_blocks(arguments.split, nsd_id, "clusters")
    found = Identification(arguments.subject, brains, encoding, models, settings)
    for roi in tqdm(found.rois, desc=arguments.subject, unit="ROI", mininterval=1):
        arrays |= dict(found.of_roi(roi))
    write_result(arguments.out, arrays, _provenance(arguments, encoding, models))


def _by_subject(arguments: Arguments) -> Iterator[tuple[str, Path, Path]]:
    return zip(arguments.subjects, arguments.responses, arguments.rois, strict=True)


@dataclass(frozen=True)
class Brain:
    """A subject's stored responses, read a ROI at a time."""

    path: Path
    labels: pd.DataFrame
    settings: Mapping[str, Any]

    def voxels(self, roi: Roi) -> np.ndarray:
        """Ids of the voxels of a ROI."""
        inside = (self.labels["atlas"] == roi[0]) & (self.labels["roi"] == roi[1])
        return np.unique(self.labels.loc[inside, "voxel"])

    @property
    def rois(self) -> list[Roi]:
        labels = self.labels[self.labels["atlas"].isin(self.settings["atlases"])]
        return list(dict.fromkeys(zip(labels["atlas"], labels["roi"], strict=True)))

    def images(self) -> np.ndarray:
        return read_result(self.path, ["nsd_id"])["nsd_id"]

    def patterns(self, nsd_id: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """(image, voxel) responses."""
        with open_result(self.path) as file:
            return StoredMatrix(file, "responses", nsd_id, "the test images").of(voxels)

    def noise(self, nsd_id: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """(pattern, voxel) of noise as it is in the images' averaged responses; none, if none."""
        with open_result(self.path) as file:
            asker = "the test images"
            repeats = StoredMatrix(file, "n_valid_repeats", nsd_id, asker).of(voxels)
            columns = positions(file["voxel"][()], voxels, self.path, asker)
            first = columns.min()
            sample = file["noise_sample"][:, first : columns.max() + 1][:, columns - first]
        known = np.isfinite(sample).all(axis=1)
        return sample[known] * np.sqrt(np.mean(1 / np.maximum(repeats, 1)))


@dataclass(frozen=True)
class Identification:
    """Which test images of one subject are identified by whom.

    Attributes
    ----------
    brains : of all subjects, the subject's own among them
    encoding : a fit of the subject: voxels, their reliability and the test images
    models : {model: file of its predictions}
    """

    subject: str
    brains: Mapping[str, Brain]
    encoding: Result
    models: Mapping[str, Path]
    settings: Mapping[str, Any]

    @property
    def rois(self) -> list[Roi]:
        return self.brains[self.subject].rois

    def of_roi(self, roi: Roi) -> Iterator[tuple[str, np.ndarray]]:
        """Arrays by name; none for a ROI of too few explainable voxels.

        A model's patterns are judged among all test images; beside a brain, once more among those
        that the brain saw too.
        """
        nsd_id = self.encoding["test_nsd_id"]
        voxels = self._explainable(self.brains[self.subject].voxels(roi))
        if len(voxels) < FEWEST_VOXELS:
            return
        measured = self.brains[self.subject].patterns(nsd_id, voxels)
        predicted = {model: self._predicted(model, voxels) for model in self.models}
        usable = np.isfinite(np.stack([measured, *predicted.values()])).all(axis=(0, 1))
        if np.count_nonzero(usable) < FEWEST_VOXELS:
            return
        measured = measured[:, usable]
        predicted = {model: values[:, usable] for model, values in predicted.items()}
        where = "/".join(roi)
        noise = self.brains[self.subject].noise(nsd_id, voxels[usable])
        yield f"{where}/n_voxels", np.array(np.count_nonzero(usable))
        for model, values in predicted.items():
            correlation = pattern_correlation(measured, values)
            yield f"{where}/models/{model}/r", correlation.diagonal().astype(np.float32)
            yield f"{where}/models/{model}/identified", identified(correlation)
        yield from self._simulated(f"{where}/models", measured, noise, predicted)
        for other in self.brains:
            if other != self.subject:
                yield from self._beside(other, roi, measured, noise, predicted)

    def _explainable(self, voxels: np.ndarray) -> np.ndarray:
        reliability = self.encoding["reliability"]
        kept = self.encoding["voxel"][reliability >= self.settings["least_ceiling"]]
        return voxels[np.isin(voxels, kept)]

    def _predicted(self, model: str, voxels: np.ndarray) -> np.ndarray:
        with open_result(self.models[model]) as file:
            nsd_id, asker = self.encoding["test_nsd_id"], str(self.encoding.path)
            return StoredMatrix(file, "predictions", nsd_id, asker).of(voxels)

    def _simulated(
        self,
        where: str,
        measured: np.ndarray,
        noise: np.ndarray,
        predicted: Mapping[str, np.ndarray],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """What predictors as accurate would identify if they shared the target alone."""
        if len(noise):
            draws = SIMULATED, self.settings["seed"]
            found = independent_errors(measured, noise, predicted, *draws)
            yield from ((f"{where}/{name}/simulated", hits) for name, hits in found.items())

    def _beside(
        self,
        other: str,
        roi: Roi,
        measured: np.ndarray,
        noise: np.ndarray,
        predicted: Mapping[str, np.ndarray],
    ) -> Iterator[tuple[str, np.ndarray]]:
        nsd_id, brain = self.encoding["test_nsd_id"], self.brains[other]
        common = np.isin(nsd_id, brain.images())
        voxels = brain.voxels(roi)
        if common.sum() < FEWEST_IMAGES or not len(voxels):
            return
        source = brain.patterns(nsd_id[common], voxels)
        # without variance nothing is predicted from a voxel
        source = source[:, np.isfinite(source).all(axis=0) & (np.ptp(source, axis=0) > 0)]
        if source.shape[1] < FEWEST_VOXELS:
            return
        alphas = AlphaGrid.model_validate(self.settings["alphas"]).values()
        across = predict_across(
            source, measured[common], alphas, self.settings["folds"], self.settings["seed"]
        )
        where = f"{'/'.join(roi)}/beside/{other}"
        yield f"{where}/nsd_id", nsd_id[common]
        shown = {model: values[common] for model, values in predicted.items()}
        found = {other: across, **shown}
        yield from self._simulated(where, measured[common], noise, found)
        for name, values in found.items():
            correlation = pattern_correlation(measured[common], values)
            yield f"{where}/{name}/identified", identified(correlation)
            if name == other:
                yield f"{where}/{name}/r", correlation.diagonal().astype(np.float32)


def _provenance(
    arguments: Arguments, encoding: Result, models: Mapping[str, Path]
) -> dict[str, object]:
    configuration = {
        "subject": arguments.subject,
        "subjects": arguments.subjects,
        **arguments.configuration,
    }
    inputs = {
        "encoding": encoding.path,
        "split": arguments.split,
        **{f"responses/{subject}": path for subject, path, _ in _by_subject(arguments)},
        **{f"rois/{subject}": path for subject, _, path in _by_subject(arguments)},
        **{f"predictions/{model}": path for model, path in models.items()},
    }
    return make_provenance(
        "identify_images", configuration, inputs, seed=arguments.configuration["seed"]
    )


if __name__ == "__main__":
    run_stage(main)
