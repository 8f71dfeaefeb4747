"""Check names, layers, poolings and local weights of a study's networks, before long work."""

from __future__ import annotations

from typing import Annotated, Any

from features.costs import network_cost
from features.layers import Layer
from features.networks import check_specification
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.metadata import write_metadata


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    networks: Annotated[dict[str, Any], given.Setting("network_specification")]
    layers: Annotated[dict[str, list[str]], given.Setting("network_layers")]  # {network: layers}
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    widths = {}
    for name, specification in arguments.networks.items():
        try:
            check_specification(specification)
            widths[name] = _widths(specification, arguments.layers[name])
        except ValueError as error:
            raise InputError(f"networks.{name}: {error}") from None
    write_metadata(arguments.out, {"networks": arguments.networks, "widths": widths})


def _widths(specification: dict[str, Any], layers: list[str]) -> dict[str, int] | None:
    """Measure the width of each layer with one stimulus and random weights; None if unknown."""
    if specification["library"] == "vectors":
        return None
    if (specification["library"], specification["weights"]) == ("transformers", "pretrained"):
        # the architecture is unknown before the download
        return None
    cost = network_cost(specification, [Layer.parse(layer) for layer in layers])
    return {str(layer): width for layer, width in cost.widths.items()}


if __name__ == "__main__":
    run_stage(main)
