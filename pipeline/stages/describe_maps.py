"""Describe the folder of maps as a derivative dataset of BIDS."""

from __future__ import annotations

from typing import Annotated, Any

from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.maps.files import BIDS_SPACES, bids_subject
from pipeline.results.metadata import metadata_path, write_metadata, write_text

BIDS_VERSION, NSD_URL = "1.9.0", "https://naturalscenesdataset.org"
# BIDS has no rules for names of statistical maps and of files over subjects. Names, headers and
# sidecars follow its conventions; folders keep NSD's names.
IGNORED = """\
# statistical maps have no rule in BIDS yet; their folders are named as the dataset names subjects
{subjects}
group
group/**
colour_limits.json
# the folders of these subjects are not called as BIDS calls them
participants.*
"""


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    study: Annotated[str, given.Setting("study")]
    dataset: Annotated[dict[str, Any] | None, given.Setting("dataset")]  # if not NSD
    subjects: Annotated[list[str], given.Setting("subjects")]
    description: given.NamedOutput
    participants: given.NamedOutput
    ignored: given.NamedOutput  # by validators of BIDS
    simulated: given.Switch = False


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    origin: dict[str, Any] = {
        "SourceDatasets": [{"URL": NSD_URL}],
        "SpacesOfNSD": {bids: nsd for nsd, bids in BIDS_SPACES.items()},
    }
    source = "a simulated NSD" if arguments.simulated else "the Natural Scenes Dataset"
    if arguments.dataset is not None:
        origin, source = {}, f"the dataset in {arguments.dataset['folder']}"
    write_metadata(
        arguments.description,
        {
            "Name": f"{arguments.study}: voxelwise encoding models of {source}",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "nsd-encoding-models"}],
            **origin,
        },
    )
    folders = "\n".join(f"{subject}\n{subject}/**" for subject in arguments.subjects)
    write_text(arguments.ignored, IGNORED.format(subjects=folders))
    rows = [f"{bids_subject(subject)}\t{subject}\n" for subject in arguments.subjects]
    write_text(arguments.participants, "participant_id\tdataset_subject\n" + "".join(rows))
    described = {
        "participant_id": {"Description": "label of the subject in the names of files"},
        "dataset_subject": {"Description": "what the dataset calls the subject"},
    }
    write_metadata(metadata_path(arguments.participants), described)


if __name__ == "__main__":
    run_stage(main)
