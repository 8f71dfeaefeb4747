"""Check the calibration of fits, intervals and tests in simulated experiments."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
from tqdm import tqdm

from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.tables import write_table
from pipeline.tables.columns import COLUMNS
from pipeline.validation.calibration import CONDITIONS, run_experiment, summarise

# the oracle of one experiment takes as long as four experiments without it
ORACLE_EVERY = 4


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    configuration: Annotated[dict[str, Any], given.Setting("calibrated")]
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    settings = arguments.configuration
    significance = settings["significance"]
    tables = []
    with tqdm(total=len(CONDITIONS) * settings["experiments"], unit="experiment") as bar:
        for name, condition in CONDITIONS.items():
            bar.set_description(name)
            experiments = []
            for number in range(settings["experiments"]):
                with_oracle = number % ORACLE_EVERY == 0
                experiments.append(run_experiment(condition, number, settings, with_oracle))
                bar.update()
            tables.append(summarise(name, experiments, significance["level"], significance["test"]))
    table = pd.concat(tables)
    for row in table[table["verdict"] == "off"].itertuples():
        tqdm.write(f"{row.condition}: {row.statistic}: {row.value:.3f} is not as it should be")
    write_table(arguments.out, table, COLUMNS, make_provenance("calibrate", settings, {}))


if __name__ == "__main__":
    run_stage(main)
