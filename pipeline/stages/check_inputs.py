"""Check a study's files and networks, as far as that is possible before long work."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from features.networks import check_specification
from pipeline.configuration import Configuration, parse_configuration
from pipeline.errors import InputError, run_stage
from pipeline.nsd.check import check_tree
from pipeline.nsd.layout import NSDLayout
from pipeline.storage import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    study = parse_configuration(arguments.configuration)
    _check_networks(study)
    summary = check_tree(
        NSDLayout(study.nsd),
        study.subjects,
        study.responses.space,
        study.responses.betas,
        study.rois,
        study.needs_captions,
    )
    write_json(arguments.out, summary)


def _check_networks(study: Configuration) -> None:
    for space in study.used_spaces:
        specification = study.space_specification(space)["network"]
        try:
            check_specification(specification)
        except ValueError as error:
            raise InputError(f"networks.{specification['name']}: {error}") from None


if __name__ == "__main__":
    run_stage(main)
