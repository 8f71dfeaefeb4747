"""Choose one colour scale per quantity for the maps of all subjects."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from pipeline.errors import run_stage
from pipeline.figures.colours import colour_limit
from pipeline.jobs import stage_arguments as given
from pipeline.maps.files import INDEX, read_map
from pipeline.results.metadata import read_metadata, write_metadata

QUANTITIES = ("r", "r2", "normalisedR", "unique", "shared", "ceiling")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    maps: given.InputFiles  # of each subject
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    limits: dict[str, list[float]] = defaultdict(list)
    for folder in arguments.maps:
        index = read_metadata(folder / INDEX)
        values: dict[str, list[np.ndarray]] = defaultdict(list)
        for name, entry in index["maps"].items():
            drawn = entry["space"] == index["space"] and entry["threshold"] == "none"
            if drawn and entry["quantity"] in QUANTITIES:
                found = read_map(folder / name)
                values[entry["quantity"]].append(found[np.isfinite(found)])
        for quantity, parts in values.items():
            limits[quantity].append(colour_limit(np.concatenate(parts)))
    # a subject with little signal does not narrow the scale of the others
    write_metadata(arguments.out, {quantity: max(found) for quantity, found in limits.items()})


if __name__ == "__main__":
    run_stage(main)
