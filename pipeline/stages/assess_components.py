"""Intervals and tests of a comparison's components of variance, from predictions of test images."""

from __future__ import annotations

from typing import Annotated, Any

from encoding.variance_partitioning import component_names, model_name, subsets
from pipeline.errors import run_stage
from pipeline.fits.tested_voxels import write_tests
from pipeline.jobs import stage_arguments as given


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    comparison: given.Wildcard
    spaces: Annotated[list[str], given.Setting("comparisons.{comparison}")]
    predictions: given.InputFiles  # of all subsets' models, in the order of `subsets`
    responses: given.InputFile
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("significance")]
    out: given.OutputFile
    chunk: given.Parameter = "1of1"  # which part of the voxels


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    models = [model_name(subset) for subset in subsets(arguments.spaces)]
    write_tests(
        "assess_components",
        arguments,
        {"comparison": arguments.comparison, "spaces": arguments.spaces},
        dict(zip(models, arguments.predictions, strict=True)),
        lambda tests, measured, predicted: tests.of_components(
            measured, predicted, arguments.spaces
        ),
        component_names(arguments.spaces),
    )


if __name__ == "__main__":
    run_stage(main)
