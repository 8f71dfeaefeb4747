"""Write the figures of a study as SVG, PDF and PNG, with an index of their captions."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from features.checkpoints import UNTRAINED
from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.images import open_images
from pipeline.errors import run_stage
from pipeline.figures.study import study_figures
from pipeline.figures.style import note_untrained, save_figure
from pipeline.jobs import stage_arguments as given
from pipeline.results.metadata import write_metadata
from pipeline.results.provenance import make_provenance
from pipeline.results.tables import read_table

INDEX = "index.json"
IMAGES_PER_READ = 64


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    configuration: Annotated[dict[str, Any], given.Setting("configuration")]
    tables: given.InputFiles
    voxels: given.InputFiles
    out_directory: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    study = parse_configuration(arguments.configuration)
    tables = {path.stem: read_table(path) for path in arguments.tables}
    index = []
    images = open_images(arguments.nsd)

    def pictures(nsd_id: np.ndarray) -> np.ndarray:
        return np.concatenate(list(images.pictures(nsd_id, IMAGES_PER_READ)))

    inputs = {f"tables/{path.stem}": path for path in arguments.tables}
    inputs |= {f"voxels/{path.stem}": path for path in arguments.voxels}
    provenance = make_provenance("write_figures", {"study": study.study}, inputs)
    untrained = [name for name, one in provenance["weights"].items() if one["state"] == UNTRAINED]
    for one in study_figures(study, tables, arguments.voxels, pictures):
        note_untrained(one.figure, untrained)
        save_figure(one.figure, arguments.out_directory / one.name)
        index.append({key: getattr(one, key) for key in ("name", "page", "section", "caption")})
    write_metadata(arguments.out_directory / INDEX, {"figures": index, "provenance": provenance})


if __name__ == "__main__":
    run_stage(main)
