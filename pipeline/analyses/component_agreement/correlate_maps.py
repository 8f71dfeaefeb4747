"""Correlate subjects' maps of components, in the spaces that subjects share."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analyses.component_agreement.tables import COLUMNS, ComponentMaps, agreement_rows
from pipeline.analyses.weight_components.tables import COLUMNS as COMPONENT_COLUMNS
from pipeline.configuration.settings import GROUP_SPACES
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.maps.files import INDEX, map_files, read_map
from pipeline.results.metadata import read_metadata
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import read_result
from pipeline.results.tables import write_table
from pipeline.tables import columns
from pipeline.tables.tables import source


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    maps: given.InputFiles  # of each subject
    components: given.InputFile
    out: given.OutputFile


def main() -> None:
    """Correlate the maps of every two subjects and write the table."""
    arguments = Arguments.read()
    components = read_result(arguments.components, ["explained"])
    indices = {folder: read_metadata(folder / INDEX) for folder in arguments.maps}
    described = source(components, components.configuration["spaces"])
    rows = []
    for space in GROUP_SPACES:
        maps = {
            index["subject"]: found
            for folder, index in indices.items()
            if (found := read_component_maps(folder, index["maps"], space)) is not None
        }
        rows += [
            {"model": components.configuration["model"], **row, **described}
            for first, second in itertools.combinations(maps, 2)
            for row in agreement_rows(space, (first, second), maps[first], maps[second])
        ]
    if not rows:
        raise InputError(
            f"component_agreement: {', '.join(map(str, indices))} have no maps of components in "
            f"{' or '.join(GROUP_SPACES)} with a voxel of two subjects"
        )
    provenance = make_provenance(
        "correlate_maps",
        {"subjects": [index["subject"] for index in indices.values()]},
        {
            "components": arguments.components,
            **{f"{index['subject']}/{INDEX}": folder / INDEX for folder, index in indices.items()},
        },
    )
    names = {**columns.COLUMNS, **COMPONENT_COLUMNS, **COLUMNS}
    write_table(arguments.out, pd.DataFrame(rows), names, provenance)


def read_component_maps(
    folder: Path, index: Mapping[str, Mapping[str, Any]], space: str
) -> ComponentMaps | None:
    """Read a subject's maps of components in a space; None if there are none.

    Only places with values are kept: the grid of MNI152 has 7 million voxels.
    """
    files: dict[int, list[Path]] = {}
    for (of, entities), paths in map_files(folder, index).items():
        described = index[str(paths[0].relative_to(folder))]
        if (of, described["quantity"]) == (space, "weightProjection"):
            (number,) = re.findall(r"_component-(\d+)_", entities)
            files[int(number)] = paths
    if not files:
        return None
    in_order = [files[number] for number in sorted(files)]
    place = np.flatnonzero(np.isfinite(_whole(in_order[0])))
    return ComponentMaps(place, np.stack([_whole(paths)[place] for paths in in_order]))


def _whole(paths: Sequence[Path]) -> np.ndarray:
    """Read a map: a volume, or both hemispheres."""
    return np.concatenate([read_map(path).ravel() for path in paths])


if __name__ == "__main__":
    run_stage(main)
