"""Label the modelled voxels of a subject by ROI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pandas as pd

from pipeline import stage_arguments as given
from pipeline.errors import run_stage
from pipeline.nsd.composite_rois import ATLAS, COMPOSITES, composite_labels
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_colour_table, read_roi_labels
from pipeline.nsd.spaces import open_space
from pipeline.storage import make_provenance, read_result, write_table

COLUMNS = {
    "voxel": "C-order index into the volume (X, Y, Z), or into left then right vertices",
    "atlas": "NSD's ROI collection, or 'composite' for regions made of several ROIs",
    "roi": "label, as the collection's colour table names it",
    "hemisphere": "lh or rh",
    "place": "of the ROI among all that subjects can have: collections as configured, then the "
    "composites, each in its own order",
}


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    responses: given.InputFile
    atlases: Annotated[list[str], given.Setting("rois")]
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    layout = NSDLayout(arguments.nsd)
    responses = read_result(arguments.responses, ["voxel"])
    settings = responses.provenance["configuration"]
    space = open_space(layout, arguments.subject, settings["space"], settings["betas"])
    labels = read_roi_labels(space, arguments.atlases, responses["voxel"])
    _tell_absent(layout, arguments, labels)
    provenance = make_provenance(
        "label_rois",
        {"subject": arguments.subject, "atlases": arguments.atlases},
        {"responses": arguments.responses},
    )
    labels = pd.concat([labels, composite_labels(labels)], ignore_index=True)
    places = _places(layout, arguments)
    regions = zip(labels["atlas"], labels["roi"], strict=True)
    labels = labels.assign(place=[places[region] for region in regions])
    labels = labels.sort_values("place", kind="stable")
    write_table(arguments.out, labels, COLUMNS, provenance)


def _places(layout: NSDLayout, arguments: Arguments) -> dict[tuple[str, str], int]:
    """{(atlas, roi): place} of all regions that a subject can have: the same for every subject."""
    regions = [
        *(
            (atlas, name)
            for atlas in arguments.atlases
            for name in read_colour_table(layout, arguments.subject, atlas).values()
        ),
        *((ATLAS, name) for name in COMPOSITES),
    ]
    return {region: place for place, region in enumerate(dict.fromkeys(regions))}


def _tell_absent(layout: NSDLayout, arguments: Arguments, labels: pd.DataFrame) -> None:
    """Which labels of the colour tables no modelled voxel has: not every subject has every ROI."""
    for atlas in arguments.atlases:
        named = read_colour_table(layout, arguments.subject, atlas).values()
        found = set(labels.loc[labels["atlas"] == atlas, "roi"])
        if absent := [name for name in named if name not in found]:
            print(f"{arguments.subject}: no voxel of {atlas} {', '.join(absent)}")


if __name__ == "__main__":
    run_stage(main)
