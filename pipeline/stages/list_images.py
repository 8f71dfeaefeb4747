"""List the images that a subject saw, or those that all subjects were to see."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.configuration.settings import SHARED
from pipeline.dataset.images import open_images
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.tables import write_table

COLUMNS = {
    "nsd_id": "number of an image: 0-based index in nsd_stimuli.hdf5, or as another dataset counts",
    "shared": "whether every subject was to see the image (shared1000)",
}


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    part: given.Wildcard
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    images = open_images(arguments.nsd)
    shared = images.shared()
    nsd_id = shared if arguments.part == SHARED else images.seen(arguments.part)
    table = pd.DataFrame({"nsd_id": nsd_id, "shared": np.isin(nsd_id, shared)})
    provenance = make_provenance(
        "list_images", {"part": arguments.part}, {}, simulated=images.simulated
    )
    write_table(arguments.out, table, COLUMNS, provenance)


if __name__ == "__main__":
    run_stage(main)
