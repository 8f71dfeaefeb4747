"""Intervals and tests of a model's scores, from its predictions of the test images."""

from __future__ import annotations

from typing import Annotated, Any

from encoding.variance_partitioning import model_name
from pipeline.errors import run_stage
from pipeline.fits.tested_voxels import write_tests
from pipeline.jobs import stage_arguments as given


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    spaces: Annotated[list[str], given.Setting("fits.{variant}.{model}")]
    predictions: given.InputFile
    responses: given.InputFile
    split: given.InputFile
    configuration: Annotated[dict[str, Any], given.Setting("significance")]
    out: given.OutputFile
    chunk: given.Parameter = "1of1"  # which part of the voxels


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    model = model_name(arguments.spaces)
    write_tests(
        "assess_significance",
        arguments,
        {"model": model, "spaces": arguments.spaces},
        {model: arguments.predictions},
        lambda tests, measured, predicted: tests.of_model(measured, predicted[model]),
    )


if __name__ == "__main__":
    run_stage(main)
