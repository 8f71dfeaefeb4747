"""Label the modelled voxels of a subject by ROI."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import run_stage
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_roi_labels
from pipeline.storage import make_provenance, read_result, write_table

COLUMNS = {
    "voxel": "C-order index into the subject's functional volume (X, Y, Z)",
    "atlas": "NSD's ROI collection",
    "roi": "label, as the collection's colour table names it",
    "hemisphere": "lh or rh",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--atlases", required=True, nargs="+")
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    layout = NSDLayout(arguments.nsd)
    responses = read_result(arguments.responses, ["voxel"])
    space = responses.provenance["configuration"]["space"]
    labels = read_roi_labels(
        layout, arguments.subject, space, arguments.atlases, responses["voxel"]
    )
    provenance = make_provenance(
        "label_rois",
        {"subject": arguments.subject, "atlases": arguments.atlases},
        {"responses": arguments.responses},
    )
    write_table(arguments.out, labels, COLUMNS, provenance)


if __name__ == "__main__":
    run_stage(main)
