"""List the images that some subject of the study saw."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.storage import make_provenance, write_table

COLUMNS = {"nsd_id": "0-based index of an image in nsd_stimuli.hdf5"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--subjects", required=True, type=setting)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    layout = NSDLayout(arguments.nsd)
    seen = [read_design(layout, subject).images for subject in arguments.subjects]
    images = pd.DataFrame({"nsd_id": np.unique(np.concatenate(seen))})
    provenance = make_provenance(
        "list_images", {"subjects": arguments.subjects}, {}, simulated=layout.is_simulated
    )
    write_table(arguments.out, images, COLUMNS, provenance)


if __name__ == "__main__":
    run_stage(main)
