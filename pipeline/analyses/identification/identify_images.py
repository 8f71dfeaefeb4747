"""Identify a subject's test images from patterns predicted by models and by other brains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
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
from pipeline.configuration.fits import AlphaGrid
from pipeline.errors import run_stage
from pipeline.fits.image_blocks import image_blocks
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import Arrays
from pipeline.results.storage import Result, open_result, positions, read_result, write_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table
from pipeline.tables.regions import region_labels

Roi = tuple[str, str]
# minimum of voxels for a pattern, and of images for predicting one brain from another
FEWEST_VOXELS, FEWEST_IMAGES = 10, 20
# the predictor that is not a model: the other subject's brain
BRAIN = "brain"


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    models: Annotated[list[str], given.Setting("identifying_models")]
    predictions: given.InputFiles  # of the models
    encoding: given.InputFile  # of the first model
    split: given.InputFile
    subject: given.Wildcard
    subjects: Annotated[list[str], given.Setting("subjects")]  # all, whose brains predict
    responses: given.InputFiles  # of the subjects
    rois: given.InputFiles  # of the subjects
    configuration: Annotated[dict[str, Any], given.Setting("identification")]
    out: given.OutputFile


def main() -> None:
    """Identify the test images in every ROI and write the results."""
    arguments = Arguments.read()
    settings = arguments.configuration
    brains = {
        subject: Brain(responses, read_table(rois), settings)
        for subject, responses, rois in _by_subject(arguments)
    }
    encoding = read_result(arguments.encoding, ["reliability", "image"])
    models = dict(zip(arguments.models, arguments.predictions, strict=True))
    identification = Identification(arguments.subject, brains, encoding, models, settings)
    rois = tqdm(identification.rois, desc=arguments.subject, unit="ROI", mininterval=1)
    found = {roi: one for roi in rois if (one := identification.of_roi(roi)) is not None}
    blocks = image_blocks(arguments.split, encoding["image"], "clusters")
    arrays = {
        "image": ("image", encoding["image"]),
        "cluster": ("image", blocks),
        "subject": ("subject", [*brains]),
        "seen": (("subject", "image"), np.stack([*identification.seen.values()])),
        "predictor": ("predictor", [*models, BRAIN]),
        **region_labels(found),
        **{
            name: (("region", *dimensions), _stacked([one[name] for one in found.values()], blank))
            for name, (dimensions, blank) in identification.blank().items()
        },
    }
    write_result(arguments.out, arrays, _provenance(arguments, encoding, models))


def _stacked(values: list[np.ndarray], blank: np.ndarray) -> np.ndarray:
    """Stack values of regions as (region, …), which is empty without regions."""
    return np.stack([blank, *values])[1:]


def _by_subject(arguments: Arguments) -> Iterator[tuple[str, Path, Path]]:
    return zip(arguments.subjects, arguments.responses, arguments.rois, strict=True)


@dataclass(frozen=True)
class Brain:
    """Stored responses of a subject, read one ROI at a time."""

    path: Path
    labels: pd.DataFrame
    settings: Mapping[str, Any]

    def voxels(self, roi: Roi) -> np.ndarray:
        """Return the ids of the voxels of a ROI."""
        inside = (self.labels["atlas"] == roi[0]) & (self.labels["roi"] == roi[1])
        return np.unique(self.labels.loc[inside, "voxel"])

    @property
    def rois(self) -> list[Roi]:
        """ROIs of the chosen atlases."""
        labels = self.labels[self.labels["atlas"].isin(self.settings["atlases"])]
        return list(dict.fromkeys(zip(labels["atlas"], labels["roi"], strict=True)))

    def images(self) -> np.ndarray:
        """Return the ids of the images with responses."""
        return read_result(self.path, ["image"])["image"]

    def patterns(self, nsd_id: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """Return responses (image, voxel)."""
        with open_result(self.path) as file:
            return StoredMatrix(file, "responses", nsd_id, "the test images").of(voxels)

    def noise(self, nsd_id: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """Return noise patterns (pattern, voxel), scaled to the noise of averaged responses.

        There are no patterns if the responses have no noise sample.
        """
        with open_result(self.path) as file:
            requested_by = "the test images"
            repeats = StoredMatrix(file, "n_valid_repeats", nsd_id, requested_by).of(voxels)
            columns = positions(file["voxel"][()], voxels, self.path, requested_by)
            first = columns.min()
            sample = file["noise_sample"][:, first : columns.max() + 1][:, columns - first]
        known = np.isfinite(sample).all(axis=1)
        return sample[known] * np.sqrt(np.mean(1 / np.maximum(repeats, 1)))


@dataclass(frozen=True)
class Identification:
    """Identification of one subject's test images by each predictor.

    Attributes
    ----------
    brains : {subject: brain} of all subjects, including this one
    encoding : a fit of the subject, for voxels, their reliability and the test images
    models : {model: file of its predictions}
    """

    subject: str
    brains: Mapping[str, Brain]
    encoding: Result
    models: Mapping[str, Path]
    settings: Mapping[str, Any]

    @property
    def rois(self) -> list[Roi]:
        """ROIs of the subject."""
        return self.brains[self.subject].rois

    @cached_property
    def seen(self) -> dict[str, np.ndarray]:
        """{subject: (image,) bool}, which of the test images each subject saw."""
        nsd_id = self.encoding["image"]
        return {name: np.isin(nsd_id, brain.images()) for name, brain in self.brains.items()}

    def blank(self) -> Arrays:
        """Return arrays of a ROI in which nothing is identified yet.

        Along the dimension `subject`, the subject's own entry is for models, among all test images;
        entries of other subjects are for models and that subject's brain, among the images that
        both subjects saw.
        """
        shape = len(self.brains), len(self.models) + 1, len(self.encoding["image"])
        judged = "subject", "predictor", "image"
        simulated = "subject", "predictor", "draw", "image"
        return {
            "n_voxels": ((), np.array(0)),
            "noise_known": ((), np.array(False)),
            "compared": (("subject",), np.zeros(shape[0], bool)),
            "r": (judged, np.full(shape, np.nan, np.float32)),
            "identified": (judged, np.zeros(shape, bool)),
            "simulated": (simulated, np.zeros((*shape[:2], SIMULATED, shape[2]), bool)),
        }

    def of_roi(self, roi: Roi) -> dict[str, np.ndarray] | None:
        """Return `blank`, filled for a ROI; None if the ROI has too few explainable voxels."""
        nsd_id = self.encoding["image"]
        voxels = self._explainable(self.brains[self.subject].voxels(roi))
        if len(voxels) < FEWEST_VOXELS:
            return None
        measured = self.brains[self.subject].patterns(nsd_id, voxels)
        predicted = {model: self._predicted(model, voxels) for model in self.models}
        usable = np.isfinite(np.stack([measured, *predicted.values()])).all(axis=(0, 1))
        if np.count_nonzero(usable) < FEWEST_VOXELS:
            return None
        measured = measured[:, usable]
        predicted = {model: values[:, usable] for model, values in predicted.items()}
        noise = self.brains[self.subject].noise(nsd_id, voxels[usable])
        found = {name: values for name, (_, values) in self.blank().items()}
        found["n_voxels"][...] = np.count_nonzero(usable)
        found["noise_known"][...] = len(noise) > 0
        for number, other in enumerate(self.brains):
            seen = self.seen[other]
            patterns = {model: values[seen] for model, values in predicted.items()}
            if other != self.subject:
                across = self._across(other, roi, measured[seen])
                if across is None:
                    continue
                # random errors are drawn in this order
                patterns = {BRAIN: across, **patterns}
            self._judge(found, number, measured[seen], noise, patterns)
        return found

    def _explainable(self, voxels: np.ndarray) -> np.ndarray:
        reliability = self.encoding["reliability"]
        kept = self.encoding["voxel"][reliability >= self.settings["min_reliability"]]
        return voxels[np.isin(voxels, kept)]

    def _predicted(self, model: str, voxels: np.ndarray) -> np.ndarray:
        with open_result(self.models[model]) as file:
            nsd_id, requested_by = self.encoding["image"], str(self.encoding.path)
            return StoredMatrix(file, "predictions", nsd_id, requested_by).of(voxels)

    def _judge(
        self,
        found: Mapping[str, np.ndarray],
        number: int,
        measured: np.ndarray,
        noise: np.ndarray,
        predicted: Mapping[str, np.ndarray],
    ) -> None:
        """Fill in what is identified among the images that subject `number` saw."""
        names, seen = [*self.models, BRAIN], [*self.seen.values()][number]
        found["compared"][number] = True
        for name, values in predicted.items():
            correlation = pattern_correlation(measured, values)
            here = number, names.index(name), seen
            found["r"][here] = correlation.diagonal()
            found["identified"][here] = identified(correlation)
        if len(noise):
            # what equally accurate predictors identify whose own errors are independent
            draws = SIMULATED, self.settings["seed"]
            for name, hits in independent_errors(measured, noise, predicted, *draws).items():
                found["simulated"][number, names.index(name)][:, seen] = hits

    def _across(self, other: str, roi: Roi, measured: np.ndarray) -> np.ndarray | None:
        """Predict patterns (image, voxel) of the images that both saw; None if too few."""
        brain, seen = self.brains[other], self.seen[other]
        voxels = brain.voxels(roi)
        if seen.sum() < FEWEST_IMAGES or not len(voxels):
            return None
        source = brain.patterns(self.encoding["image"][seen], voxels)
        # a voxel without variance predicts nothing
        source = source[:, np.isfinite(source).all(axis=0) & (np.ptp(source, axis=0) > 0)]
        if source.shape[1] < FEWEST_VOXELS:
            return None
        alphas = AlphaGrid.model_validate(self.settings["alphas"]).values()
        folds, seed = self.settings["folds"], self.settings["seed"]
        return predict_across(source, measured, alphas, folds, seed)


def _provenance(
    arguments: Arguments, encoding: Result, models: Mapping[str, Path]
) -> dict[str, object]:
    configuration = {
        "subject": arguments.subject,
        "subjects": arguments.subjects,
        "models": arguments.models,
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
