"""Score a subject's model on NSD-synthetic and on the study's test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from tqdm import tqdm

from encoding.generalisation import RegionDraws, nearest_distance, regression_slope
from encoding.identification import pattern_correlation
from encoding.inference.bootstrap import bootstrap_scores
from encoding.noise_ceiling import noise_ceiling
from encoding.scores import correlation_score, r2_score
from encoding.variance_partitioning import model_name
from pipeline.analyses.out_of_distribution.image_sets import (
    IN,
    OUT,
    ImageSet,
    synthetic_sets,
)
from pipeline.dataset.out_of_distribution import OtherImages, open_synthetic
from pipeline.encoders.fitted_space import FittedSpace
from pipeline.encoders.stimuli import StimulusFeatures
from pipeline.errors import InputError, run_stage
from pipeline.fits.fitted_model import FittedModel, small_blocks
from pipeline.fits.image_blocks import image_blocks
from pipeline.jobs import stage_arguments as given
from pipeline.results.storage import Result, open_result, read_result, write_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table
from pipeline.tables.regions import region_labels
from pipeline.tables.tables import roi_members

SCORES = ("r", "r2", "slope", "noise_ceiling")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    spaces: Annotated[list[str], given.Setting("fits.all.{model}")]
    settings: Annotated[dict[str, Any], given.Setting("out_of_distribution")]
    significance: Annotated[dict[str, Any], given.Setting("significance")]
    features: given.InputFiles
    responses: given.InputFile
    split: given.InputFile
    encoding: given.InputFile
    rois: given.InputFile
    synthetic: given.InputFile  # averaged responses
    memory_mb: given.SolverMemory
    weights: given.PathParameter  # folder of downloaded weights
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    synthetic = read_result(arguments.synthetic)
    spaces = [FittedSpace.read(path) for path in arguments.features]
    opened = open_synthetic(arguments.nsd, arguments.subject)
    with FittedModel.open(arguments) as model, open_result(arguments.responses) as file:
        if not np.array_equal(model.voxel, synthetic["voxel"]):
            raise InputError(
                f"{arguments.synthetic}: of other voxels than {arguments.responses}. They come "
                "from different runs; delete the older one and run snakemake again."
            )
        features, grey = _features(arguments, spaces, opened)
        scaled = model.scaling.transform(features)
        members = roi_members(read_table(arguments.rois), model.voxel)
        scores = Scores.of(arguments, model, synthetic, grey, np.column_stack([*members.values()]))
        test = StoredMatrix(file, "responses", model.test_nsd_id, str(arguments.split))
        bands = np.hstack(list(model.test_bands.values()))
        with tqdm(total=len(model.voxel), desc=model_name(arguments.spaces), unit="voxel") as bar:
            for found in small_blocks(model.stream_weights()):
                measured = test.of(model.voxel[found.voxels])
                predicted = (values @ found.weights + found.intercept for values in (bands, scaled))
                scores.add(found.voxels, measured, *predicted)
                bar.update(len(found.voxels))
        arrays = {
            "voxel": ("voxel", model.voxel),
            **region_labels(members),
            **scores.arrays(),
            **_of_images(model, synthetic, scaled, grey, scores),
        }
        provenance = model.provenance(
            "score_synthetic",
            {
                **arguments.settings,
                **{key: arguments.significance[key] for key in ("draws", "level", "resample")},
                "model": model_name(arguments.spaces),
                "seed": arguments.significance["seed"],
            },
            {"rois": arguments.rois, "synthetic": arguments.synthetic, **opened.sources},
        )
    write_result(arguments.out, arrays, provenance)


def _features(
    arguments: Arguments, spaces: list[FittedSpace], opened: OtherImages
) -> tuple[np.ndarray, np.ndarray]:
    """Compute features (image, feature), reduced and not scaled; and (image,) which are grey."""
    pictures = opened.pictures()
    first = pictures[0]
    stimuli = StimulusFeatures(
        [space.description for space in spaces],
        # as they are: networks resize them
        (first.shape[0], first.shape[1]),
        cache=arguments.weights,
        source=model_name(arguments.spaces),
    )
    joined = [
        np.hstack([space.reduced(found[space.name]) for space in spaces])
        for found in tqdm(stimuli.batches(pictures, None), desc="images", unit="batch")
    ]
    # all pixels have one colour
    grey = [bool((picture == picture[:1, :1]).all()) for picture in pictures]
    return np.concatenate(joined), np.array(grey)


@dataclass
class Scores:
    """Scores of all sets of images, filled in block by block of voxels.

    Attributes
    ----------
    sets : {name: images}; the first are the study's test images, of which rows are all
    members : (voxel, region) bool
    responses, n_repeats : (synthetic image, voxel) measured, and their numbers of trials
    noise_variance : (voxel,) of those trials
    ceiling : (voxel,) noise ceiling of the study's test images
    reliable : (voxel,) bool
    values : {score: (set, voxel)}
    predicted : (synthetic image, voxel)
    used : (voxel,) bool, voxels that all tables are of
    draws : {name: means of r of draws}
    """

    sets: Mapping[str, ImageSet]
    members: np.ndarray
    responses: np.ndarray
    n_repeats: np.ndarray
    noise_variance: np.ndarray
    ceiling: np.ndarray
    reliable: np.ndarray
    values: dict[str, np.ndarray] = field(init=False)
    predicted: np.ndarray = field(init=False)
    used: np.ndarray = field(init=False)
    draws: dict[str, RegionDraws] = field(init=False)

    @classmethod
    def of(
        cls,
        arguments: Arguments,
        model: FittedModel,
        synthetic: Result,
        grey: np.ndarray,
        members: np.ndarray,
    ) -> Scores:
        """Prepare the scores of a model."""
        significance = arguments.significance
        draws, seed = significance["draws"], significance["seed"]
        blocks = image_blocks(arguments.split, model.test_nsd_id, significance["resample"])
        of_test = ImageSet.of(np.arange(len(model.test_nsd_id)), draws, seed, blocks)
        classes, subclasses = synthetic["image_class"].tolist(), synthetic["image_subclass"]
        fit = read_result(arguments.encoding, ["noise_ceiling"])
        return cls(
            {IN: of_test, **synthetic_sets(classes, subclasses.tolist(), grey, draws, seed)},
            members,
            synthetic["responses"],
            synthetic["n_valid_repeats"],
            synthetic["noise_variance"],
            fit["noise_ceiling"],
            model.reliability >= arguments.settings["min_reliability"],
        )

    def __post_init__(self) -> None:
        shape, n_draws = (len(self.sets), len(self.ceiling)), len(self.sets[IN].counts)
        self.values = {name: np.full(shape, np.nan, np.float32) for name in SCORES}
        self.values["noise_ceiling"][0] = self.ceiling
        self.predicted = np.full(self.responses.shape, np.nan, np.float32)
        self.used = np.zeros(shape[1], bool)
        n_regions = self.members.shape[1]
        self.draws = {name: RegionDraws.empty(n_draws, n_regions) for name in self.sets}

    def add(
        self, voxels: np.ndarray, measured: np.ndarray, test: np.ndarray, synthetic: np.ndarray
    ) -> None:
        """Score some voxels.

        Parameters
        ----------
        voxels : (voxel,) their columns
        measured, test : (test image, voxel) measured and predicted responses
        synthetic : (synthetic image, voxel) predicted responses
        """
        self.predicted[:, voxels] = synthetic
        blocks = {
            name: (measured, test)
            if name == IN
            else (self.responses[one.rows][:, voxels], synthetic[one.rows])
            for name, one in self.sets.items()
        }
        for row, (name, (y, prediction)) in enumerate(blocks.items()):
            self.values["r"][row, voxels] = correlation_score(y, prediction)
            self.values["r2"][row, voxels] = r2_score(y, prediction)
            self.values["slope"][row, voxels] = regression_slope(y, prediction)
            if name != IN:
                repeats = self.n_repeats[self.sets[name].rows][:, voxels]
                found = noise_ceiling(y, repeats, self.noise_variance[voxels])
                self.values["noise_ceiling"][row, voxels] = found.ceiling
        both = [list(self.sets).index(name) for name in (IN, OUT)]
        known = [np.isfinite(self.values[name][both][:, voxels]).all(axis=0) for name in SCORES]
        used = self.reliable[voxels] & np.all(known, axis=0)
        self.used[voxels[used]] = True
        inside = self.members[voxels[used]]
        for name, (y, prediction) in blocks.items():
            drawn = bootstrap_scores(
                np.ascontiguousarray(y[:, used], np.float32),
                {"": np.ascontiguousarray(prediction[:, used], np.float32)},
                self.sets[name].counts,
            )
            self.draws[name].add(drawn.r[""], inside)

    def arrays(self) -> dict[str, tuple[Any, np.ndarray]]:
        """Return arrays of the result."""
        return {
            "set": ("set", np.array(list(self.sets))),
            "n_images": ("set", np.array([len(one.rows) for one in self.sets.values()])),
            "n_drawn": ("set", np.array([one.n_drawn for one in self.sets.values()])),
            "used": ("voxel", self.used),
            **{name: (("set", "voxel"), values) for name, values in self.values.items()},
            "r_draws": (
                ("set", "draw", "region"),
                np.stack([one.means() for one in self.draws.values()]),
            ),
        }


def _of_images(
    model: FittedModel, synthetic: Result, scaled: np.ndarray, grey: np.ndarray, scores: Scores
) -> dict[str, tuple[str, np.ndarray]]:
    """Return arrays of the images: their distances from training images, and their patterns' r."""
    training = np.hstack(list(model.bands.values()))
    test = np.hstack(list(model.test_bands.values()))
    # with scaling `zscore` the mean square distance of training images from their mean is 1
    unit = np.sqrt(len(model.bands))
    nearest = nearest_distance(scaled, training) / unit
    of_test = np.sort(nearest_distance(test, training) / unit)
    known = scores.used
    measured, predicted = synthetic["responses"][:, known], scores.predicted[:, known]
    return {
        "image": ("image", synthetic["image"]),
        **{
            name: ("image", synthetic[name])
            for name in ("name", "image_class", "image_subclass", "n_repeats")
        },
        "grey": ("image", grey),
        "distance": ("image", np.linalg.norm(scaled, axis=1) / unit),
        "nearest_distance": ("image", nearest),
        "nearer_test_images": (
            "image",
            np.searchsorted(of_test, nearest) / len(of_test),
        ),
        "image_r": ("image", _pattern_r(measured, predicted)),
    }


def _pattern_r(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlate measured and predicted patterns of each image over voxels: (image,)."""
    if measured.shape[1] < 3:
        return np.full(len(measured), np.nan)
    return pattern_correlation(measured, predicted).diagonal()


if __name__ == "__main__":
    run_stage(main)
