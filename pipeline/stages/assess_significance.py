"""Intervals and tests of a fit's scores and components, from its predictions of the test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from tqdm import tqdm

from encoding.inference.bootstrap import (
    bootstrap_p,
    bootstrap_scores,
    count_drawn,
    draw_images,
    interval,
)
from encoding.inference.significance import component_p, correlation_p
from encoding.variance_partitioning import model_name, partition_variance, subsets
from pipeline import stage_arguments as given
from pipeline.described_tests import describe_tests
from pipeline.errors import run_stage
from pipeline.false_discoveries import FAMILY, false_discovery_rates
from pipeline.image_blocks import image_blocks
from pipeline.storage import (
    make_provenance,
    open_result,
    read_result,
    write_result,
)
from pipeline.stored_matrix import StoredMatrix
from pipeline.voxel_chunks import voxels_of

VOXELS_PER_BLOCK = 1024


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    spaces: Annotated[list[str], given.Setting("fits.{variant}.{fit}")]
    predictions: given.InputFile
    responses: given.InputFile
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("significance")]
    out: given.OutputFile
    chunk: given.Parameter = "1of1"  # which part of the voxels


def main() -> None:
    arguments = Arguments.read()
    settings = arguments.configuration
    with open_result(arguments.predictions) as predicted, open_result(arguments.responses) as file:
        nsd_id, voxel = predicted["nsd_id"][()], predicted["voxel"][()]
        part = voxels_of(arguments.chunk, len(voxel))
        responses = StoredMatrix(file, "responses", nsd_id, str(arguments.predictions))
        tests = Tests(
            arguments.spaces, settings, image_blocks(arguments.split, nsd_id, settings["resample"])
        )
        arrays: dict[str, np.ndarray] = {}
        starts = range(part.start, part.stop, VOXELS_PER_BLOCK)
        for start in tqdm(starts, desc=model_name(arguments.spaces), unit="block", mininterval=1):
            here = slice(start, min(start + VOXELS_PER_BLOCK, part.stop))
            measured = responses.of(voxel[here])
            models = {name: predicted[f"predictions/{name}"][:, here] for name in tests.models}
            for key, values in tests.of_block(measured, models):
                everywhere = arrays.setdefault(key, np.full(len(voxel), np.nan, np.float32))
                everywhere[here] = values
    arrays = {key: values[part] for key, values in arrays.items()}
    # a part knows too little to tell q
    if part == slice(0, len(voxel)):
        arrays |= false_discovery_rates(arrays)
    write_result(arguments.out, {"voxel": voxel[part], **arrays}, _provenance(arguments))


class Tests:
    """The same draws for every voxel."""

    def __init__(
        self, spaces: list[str], settings: Mapping[str, Any], blocks: np.ndarray | None
    ) -> None:
        self.spaces, self.settings, self.blocks = spaces, settings, blocks
        self.models = [model_name(subset) for subset in subsets(spaces)]
        self.counts: np.ndarray | None = None
        self.n_drawn = 0

    def of_block(
        self, measured: np.ndarray, predicted: Mapping[str, np.ndarray]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Arrays (voxel,) by name for responses and predictions (image, voxel)."""
        seed = self.settings["seed"]
        if self.counts is None:
            self.counts = draw_images(len(measured), self.settings["draws"], seed, self.blocks)
            self.n_drawn = count_drawn(len(measured), self.blocks)
        draws = bootstrap_scores(measured, predicted, self.counts)
        for model in self.models:
            yield from self._interval(f"{model}/r", draws.r[model])
            yield from self._interval(f"{model}/r2", draws.r2[model])
        components: dict[str, np.ndarray] = {}
        if len(self.spaces) > 1:
            components = partition_variance(draws.r2, self.spaces)
        for component, values in components.items():
            yield from self._interval(f"component/{component}/variance", values)
        if self.settings["test"] == "bootstrap":
            yield from ((f"{model}/p", bootstrap_p(draws.r2[model])) for model in self.models)
            yield from ((f"component/{n}/p", bootstrap_p(v)) for n, v in components.items())
            return
        p = correlation_p(measured, predicted, self.blocks)
        yield from ((f"{model}/p", values) for model, values in p.items())
        if components:
            p = component_p(measured, predicted, self.spaces, self.blocks)
            yield from ((f"component/{name}/p", values) for name, values in p.items())

    def _interval(self, name: str, draws: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        lower, upper = interval(draws, self.settings["level"], self.n_drawn)
        yield f"{name}_lower", lower
        yield f"{name}_upper", upper


def _provenance(arguments: Arguments) -> dict[str, object]:
    fitted = read_result(arguments.predictions, []).provenance["configuration"]
    names = ("subject", "variant", "spaces", "n_test")
    kept = {name: fitted[name] for name in names}
    settings = arguments.configuration
    told = describe_tests(settings["test"], settings["resample"], settings["draws"])
    return make_provenance(
        "assess_significance",
        {**kept, **settings, "tests": told, "false_discovery_family": FAMILY},
        {
            "predictions": arguments.predictions,
            "responses": arguments.responses,
            "split": arguments.split,
        },
        seed=settings["seed"],
    )


if __name__ == "__main__":
    run_stage(main)
