"""Split a subject's images: the shared images test, the rest trains, in seeded inner folds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from encoding.splits import inner_folds
from pipeline.errors import InputError, run_stage
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.storage import make_provenance, read_result, write_table

COLUMNS = {
    "nsd_id": "0-based index of the image",
    "set": "train, or test (the images shared by all subjects)",
    "fold": "inner fold in which a training image validates; -1 for test images",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    settings = arguments.configuration
    design = read_design(NSDLayout(arguments.nsd), arguments.subject)
    nsd_id = read_result(arguments.responses, ["nsd_id"])["nsd_id"]
    test = np.isin(nsd_id, design.shared)
    fold = np.full(len(nsd_id), -1)
    try:
        fold[~test] = inner_folds(np.count_nonzero(~test), settings["folds"], settings["seed"])
    except ValueError as error:
        raise InputError(f"splits.folds: {error}; {arguments.subject} saw too few") from None
    if np.count_nonzero(test) < 3:
        raise InputError(f"{arguments.subject} saw fewer than 3 shared images: nothing to test on")
    split = pd.DataFrame({"nsd_id": nsd_id, "set": np.where(test, "test", "train"), "fold": fold})
    provenance = make_provenance(
        "split_images",
        {"subject": arguments.subject, **settings},
        {"responses": arguments.responses},
        seed=settings["seed"],
    )
    write_table(arguments.out, split, COLUMNS, provenance)


if __name__ == "__main__":
    run_stage(main)
