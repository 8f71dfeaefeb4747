"""Store the labels of each image: COCO's categories and supercategories."""

from __future__ import annotations

import pandas as pd

from pipeline.dataset.images import open_images
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import write_result
from pipeline.results.tables import read_table


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    images: given.InputFile
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    images = open_images(arguments.nsd)
    nsd_id = read_table(arguments.images)["nsd_id"].to_numpy()
    labels = pd.concat(images.labels(nsd_id).values(), axis="columns")
    # "person" is a category, and a supercategory of nothing else
    labels = labels.loc[:, ~labels.columns.duplicated()]
    provenance = make_provenance(
        "label_images", {}, {"images": arguments.images}, simulated=images.simulated
    )
    arrays = {
        "image": ("image", nsd_id),
        "label": ("label", [*labels.columns]),
        "shown": (("image", "label"), labels.to_numpy()),
    }
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
