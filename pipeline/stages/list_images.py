"""List the images that a subject saw, or those that all subjects were to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline import stage_arguments as given
from pipeline.errors import run_stage
from pipeline.nsd.design import read_design, read_image_table
from pipeline.nsd.layout import NSDLayout
from pipeline.settings import SHARED
from pipeline.storage import make_provenance, write_table

COLUMNS = {
    "nsd_id": "0-based index of an image in nsd_stimuli.hdf5",
    "shared": "whether every subject was to see the image (shared1000)",
}


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    nsd: given.NsdFolder
    part: given.Wildcard
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    layout = NSDLayout(arguments.nsd)
    shared = np.flatnonzero(read_image_table(layout)["shared1000"])
    images = shared if arguments.part == SHARED else read_design(layout, arguments.part).images
    table = pd.DataFrame({"nsd_id": images, "shared": np.isin(images, shared)})
    provenance = make_provenance(
        "list_images", {"part": arguments.part}, {}, simulated=layout.is_simulated
    )
    write_table(arguments.out, table, COLUMNS, provenance)


if __name__ == "__main__":
    run_stage(main)
