"""Write a simulated NSD with known truth."""

from __future__ import annotations

from typing import Annotated, Any

from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.metadata import write_json
from pipeline.simulation.settings import SimulationSettings
from pipeline.simulation.simulate import simulate


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    configuration: Annotated[dict[str, Any], given.Setting("simulation")]
    nsd: given.NsdFolder
    done: given.NamedOutput


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    settings = SimulationSettings.model_validate(arguments.configuration)
    write_json(arguments.done, simulate(settings, arguments.nsd))


if __name__ == "__main__":
    run_stage(main)
