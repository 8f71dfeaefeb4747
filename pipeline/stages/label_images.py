"""Note which COCO categories and supercategories each image shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import stage_arguments as given
from pipeline.errors import run_stage
from pipeline.nsd.instances import label_matrix, read_categories, read_instances
from pipeline.nsd.layout import NSDLayout
from pipeline.storage import make_provenance, read_table, write_result


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    nsd: given.NsdFolder
    images: given.InputFile
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    layout = NSDLayout(arguments.nsd)
    nsd_id = read_table(arguments.images)["nsd_id"].to_numpy()
    categories, instances = read_categories(layout), read_instances(layout, nsd_id)
    labels, columns = [], []
    for kind in ("category", "supercategory"):
        names = [name for name in dict.fromkeys(categories[kind]) if name not in labels]
        labels += names
        columns.append(label_matrix(instances, nsd_id, names, kind))
    provenance = make_provenance(
        "label_images", {}, {"images": arguments.images}, simulated=layout.is_simulated
    )
    arrays = {"nsd_id": nsd_id, "label": labels, "shown": np.hstack(columns)}
    write_result(arguments.out, arrays, provenance)


if __name__ == "__main__":
    run_stage(main)
