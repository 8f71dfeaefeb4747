"""Write a simulated NSD with known truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.simulation.settings import SimulationSettings
from pipeline.simulation.simulate import simulate
from pipeline.storage import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=setting)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--done", required=True, type=Path)
    arguments = parser.parse_args()
    settings = SimulationSettings.model_validate(arguments.configuration)
    write_json(arguments.done, simulate(settings, arguments.nsd))


if __name__ == "__main__":
    run_stage(main)
