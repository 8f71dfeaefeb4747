"""Label the modelled voxels of a subject by ROI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pandas as pd

from pipeline.configuration.settings import COMPOSITE
from pipeline.dataset.regions import Regions, open_regions
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import read_result
from pipeline.results.tables import write_table

COLUMNS = {
    "voxel": "C-order index into the volume (X, Y, Z), or into left then right vertices",
    "atlas": "ROI collection of the dataset, or 'composite' for regions made of several ROIs",
    "roi": "label, as the dataset names it",
    "hemisphere": "lh or rh; empty if the dataset does not say",
    "place": "of the ROI among all that subjects can have: collections as configured, then the "
    "composites, each in its own order",
}


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    responses: given.InputFile
    atlases: Annotated[list[str], given.Setting("rois")]
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    responses = read_result(arguments.responses, ["voxel"])
    settings = responses.configuration
    regions = open_regions(arguments.nsd, arguments.subject, settings)
    labels = all_labels(regions, arguments.subject, arguments.atlases, responses["voxel"])
    provenance = make_provenance(
        "label_rois",
        {"subject": arguments.subject, "atlases": arguments.atlases},
        {"responses": arguments.responses},
    )
    write_table(arguments.out, labels, COLUMNS, provenance)


def all_labels(
    regions: Regions, subject: str, atlases: list[str], voxel: np.ndarray
) -> pd.DataFrame:
    """Label voxels (voxel,) by released ROIs and composites, in the order of column `place`."""
    labels = regions.labels(atlases, voxel)
    _report_absent(regions, subject, atlases, labels)
    composites = composite_labels(labels, regions.composites)
    labels = pd.concat([labels, composites], ignore_index=True)
    order = _order(regions, atlases)
    found = zip(labels["atlas"], labels["roi"], strict=True)
    return labels.assign(place=[order[region] for region in found]).sort_values(
        "place", kind="stable"
    )


def composite_labels(
    labels: pd.DataFrame, composites: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> pd.DataFrame:
    """Label voxels by composites of the ROI collections in `labels`.

    If a subject lacks one of the ROIs, the composite consists of the others.

    Parameters
    ----------
    labels : columns voxel, atlas, roi and hemisphere, of released ROIs
    composites : {name: {ROI collection: labels}}

    Returns
    -------
    the same columns; a voxel in several labels of a composite is in it once
    """
    parts = [labels.iloc[:0]]
    for name, members in composites.items():
        for atlas, rois in members.items():
            inside = labels[(labels["atlas"] == atlas) & labels["roi"].isin(rois)]
            parts.append(inside.assign(atlas=COMPOSITE, roi=name))
    return pd.concat(parts, ignore_index=True).drop_duplicates(["voxel", "roi"], ignore_index=True)


def _order(regions: Regions, atlases: list[str]) -> dict[tuple[str, str], int]:
    """Return {(atlas, roi): its index} of all possible regions: the same for every subject."""
    named = [(atlas, name) for atlas in atlases for name in regions.names(atlas).values()]
    named += [(COMPOSITE, name) for name in regions.composites]
    return {region: index for index, region in enumerate(dict.fromkeys(named))}


def _report_absent(
    regions: Regions, subject: str, atlases: list[str], labels: pd.DataFrame
) -> None:
    """Print labels of the colour tables that no modelled voxel has."""
    for atlas in atlases:
        found = set(labels.loc[labels["atlas"] == atlas, "roi"])
        if absent := [name for name in regions.names(atlas).values() if name not in found]:
            print(f"{subject}: no voxel of {atlas} {', '.join(absent)}")


if __name__ == "__main__":
    run_stage(main)
