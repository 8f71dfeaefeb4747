"""Correlate subjects' maps of components, in the spaces that subjects share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analyses.component_agreement.tables import COLUMNS, agreement_rows
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
    maps = {
        index["subject"]: dict(_component_maps(folder, index["maps"]))
        for folder, index in indices.items()
    }
    described = source(components, components.configuration["spaces"])
    rows = [
        {**row, "model": components.configuration["model"], **described}
        for space in GROUP_SPACES
        for first, second in itertools.combinations(maps, 2)
        if space in maps[first]
        for row in agreement_rows(space, (first, second), maps[first][space], maps[second][space])
    ]
    if not rows:
        raise InputError(
            f"component_agreement: {', '.join(map(str, indices))} have no maps of components in "
            f"{' or '.join(GROUP_SPACES)} with a voxel of two subjects"
        )
    provenance = make_provenance(
        "correlate_maps",
        {"subjects": [*maps]},
        {
            "components": arguments.components,
            **{f"{index['subject']}/{INDEX}": folder / INDEX for folder, index in indices.items()},
        },
    )
    names = {**columns.COLUMNS, **COMPONENT_COLUMNS, **COLUMNS}
    write_table(arguments.out, pd.DataFrame(rows), names, provenance)


def _component_maps(
    folder: Path, index: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each shared space and the maps (component, place) in it, in the order of components."""
    projections = {
        name: one for name, one in index.items() if one["quantity"] == "weightProjection"
    }
    files = map_files(folder, projections)
    for space in GROUP_SPACES:
        # names of the maps end with the number of the component, in two digits
        found = [paths for (of, _), paths in sorted(files.items()) if of == space]
        if found:
            yield space, np.stack([np.concatenate([*map(_values, paths)]) for paths in found])


def _values(path: Path) -> np.ndarray:
    return read_map(path).ravel()


if __name__ == "__main__":
    run_stage(main)
