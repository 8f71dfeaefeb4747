"""Intervals and tests of a subject's voxels, from predictions of the test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from encoding.inference.bootstrap import (
    bootstrap_p,
    bootstrap_r2,
    bootstrap_scores,
    count_drawn,
    draw_images,
    interval,
)
from encoding.inference.significance import component_p, correlation_p
from encoding.variance_partitioning import component_names, partition_variance
from pipeline.fits.described_tests import describe_tests
from pipeline.fits.false_discoveries import false_discovery_rates
from pipeline.fits.families import FAMILY
from pipeline.fits.image_blocks import image_blocks
from pipeline.fits.predicted_images import open_predicted_images
from pipeline.fits.voxel_chunks import voxels_of
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.storage import write_result


@dataclass(frozen=True)
class VoxelTests:
    """The same draws of test images for every voxel.

    Attributes
    ----------
    settings : `significance` of the configuration
    blocks : (image,) labels of images that are resampled together; None: each alone
    counts : (draw, image), how often each image is in a draw
    """

    settings: Mapping[str, Any]
    blocks: np.ndarray | None
    counts: np.ndarray

    @classmethod
    def of(cls, settings: Mapping[str, Any], n_images: int, blocks: np.ndarray | None) -> Self:
        """Draw images as configured."""
        counts = draw_images(n_images, settings["draws"], settings["seed"], blocks)
        return cls(settings, blocks, counts)

    def of_model(self, measured: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
        """Compute intervals of r and R², and p (voxel,), from responses (image, voxel)."""
        draws = bootstrap_scores(measured, {"": predicted}, self.counts)
        r, r2 = draws.r[""], draws.r2[""]
        intervals = {**self._interval("r", r), **self._interval("r2", r2)}
        if self.settings["test"] == "bootstrap":
            return {**intervals, "p": bootstrap_p(r2)}
        return {**intervals, "p": correlation_p(measured, {"": predicted}, self.blocks)[""]}

    def of_components(
        self, measured: np.ndarray, predicted: Mapping[str, np.ndarray], spaces: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Compute intervals and p (component, voxel) of all components of variance.

        Parameters
        ----------
        measured : (image, voxel)
        predicted : {model: (image, voxel)} of every subset of `spaces`, the joint one last
        """
        draws = partition_variance(bootstrap_r2(measured, predicted, self.counts), spaces)
        ends = [self._interval("variance", values) for values in draws.values()]
        if self.settings["test"] == "bootstrap":
            p = {name: bootstrap_p(values) for name, values in draws.items()}
        else:
            p = component_p(measured, predicted, spaces, self.blocks)
        found = {name: np.stack([end[name] for end in ends]) for name in ends[0]}
        return {**found, "p": np.stack([p[name] for name in component_names(spaces)])}

    def _interval(self, name: str, draws: np.ndarray) -> dict[str, np.ndarray]:
        n_drawn = count_drawn(self.counts.shape[1], self.blocks)
        lower, upper = interval(draws, self.settings["level"], n_drawn)
        return {f"{name}_lower": lower, f"{name}_upper": upper}


class TestedArguments(Protocol):
    """Arguments of a stage that tests voxels."""

    @property
    def responses(self) -> Path:
        """File of the subject's responses."""

    @property
    def split(self) -> Path:
        """Table of the subject's split."""

    @property
    def configuration(self) -> dict[str, Any]:
        """Settings of `significance`."""

    @property
    def chunk(self) -> str:
        """Part of the voxels, such as "1of4"."""

    @property
    def out(self) -> Path:
        """File to write."""


Predictions = dict[str, np.ndarray]


def write_tests(
    stage: str,
    arguments: TestedArguments,
    identity: Mapping[str, Any],
    predictions: Mapping[str, Path],
    test: Callable[[VoxelTests, np.ndarray, Predictions], dict[str, np.ndarray]],
    components: Sequence[str] = (),
) -> None:
    """Test all voxels of a subject, or a part of them, and write intervals, p and q.

    Parameters
    ----------
    identity : model or comparison that is tested, and its spaces
    predictions : {model: its file}
    test : function of the draws, responses and {model: predictions} (image, voxel) of some voxels
    components : names of the first axis of arrays, for comparisons
    """
    settings = arguments.configuration
    arrays: dict[str, np.ndarray] = {}
    with open_predicted_images(arguments.responses, predictions) as images:
        nsd_id, voxel = images.nsd_id, images.voxel
        part = voxels_of(arguments.chunk, len(voxel))
        tests = VoxelTests.of(
            settings, len(nsd_id), image_blocks(arguments.split, nsd_id, settings["resample"])
        )
        for here, measured, predicted in images.blocks(part, arguments.out.stem):
            for key, values in test(tests, measured, predicted).items():
                shape = *values.shape[:-1], len(voxel)
                everywhere = arrays.setdefault(key, np.full(shape, np.nan, np.float32))
                everywhere[..., here] = values
    arrays = {key: values[..., part] for key, values in arrays.items()}
    # q depends on all voxels; parts get it when they are joined
    if part == slice(0, len(voxel)):
        arrays["q"] = false_discovery_rates(arrays["p"])
    labels = {"component": ("component", list(components))} if components else {}
    tested = {key: ([*labels, "voxel"], values) for key, values in arrays.items()}
    provenance = _provenance(stage, arguments, identity, predictions)
    write_result(arguments.out, {"voxel": ("voxel", voxel[part]), **labels, **tested}, provenance)


def _provenance(
    stage: str,
    arguments: TestedArguments,
    identity: Mapping[str, Any],
    predictions: Mapping[str, Path],
) -> dict[str, object]:
    settings = arguments.configuration
    fitted = read_provenance(next(iter(predictions.values())))["configuration"]
    kept = {name: fitted[name] for name in ("subject", "variant", "n_test")}
    tests = describe_tests(settings["test"], settings["resample"], settings["draws"])
    return make_provenance(
        stage,
        {
            **kept,
            **identity,
            **settings,
            "tests": tests,
            "false_discovery_family": FAMILY,
        },
        {
            "responses": arguments.responses,
            "split": arguments.split,
            **{f"predictions/{name}": path for name, path in predictions.items()},
        },
        seed=settings["seed"],
    )
