"""Describe the folder of maps as a derived dataset of BIDS."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.maps.files import BIDS_SPACES, bids_subject
from pipeline.seals import account_path
from pipeline.storage import write_account, write_text

BIDS_VERSION = "1.9.0"
# BIDS has no rule for what statistics of models are called, nor for files over subjects. Names have
# its form, headers and sidecars are as it wants them; folders keep NSD's names.
IGNORED = """\
# statistical maps have no rule in BIDS yet; their folders are named as NSD names subjects
subj*
subj*/**
group
group/**
colour_limits.json
# the folders of these subjects are not called as BIDS calls them
participants.*
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, type=setting)
    parser.add_argument("--subjects", required=True, type=setting)
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--description", required=True, type=Path)
    parser.add_argument("--participants", required=True, type=Path)
    parser.add_argument("--ignored", required=True, type=Path, help="by validators of BIDS")
    arguments = parser.parse_args()
    source = "a simulated NSD" if arguments.simulated else "the Natural Scenes Dataset"
    write_account(
        arguments.description,
        {
            "Name": f"{arguments.study}: voxelwise encoding models of {source}",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "nsd-encoding-models"}],
            "SourceDatasets": [{"URL": "https://naturalscenesdataset.org"}],
            "SpacesOfNSD": {bids: nsd for nsd, bids in BIDS_SPACES.items()},
        },
    )
    write_text(arguments.ignored, IGNORED)
    rows = [f"{bids_subject(subject)}\t{subject}\n" for subject in arguments.subjects]
    write_text(arguments.participants, "participant_id\tnsd_subject\n" + "".join(rows))
    described = {
        "participant_id": {"Description": "label of the subject in the names of files"},
        "nsd_subject": {"Description": "what NSD calls the subject"},
    }
    write_account(account_path(arguments.participants), described, [arguments.participants])


if __name__ == "__main__":
    run_stage(main)
