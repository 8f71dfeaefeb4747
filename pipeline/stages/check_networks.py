"""Check the names and local weights of a study's networks, before long work."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from features.networks import check_specification
from pipeline.errors import InputError, run_stage
from pipeline.storage import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    for name, specification in arguments.networks.items():
        try:
            check_specification(specification)
        except ValueError as error:
            raise InputError(f"networks.{name}: {error}") from None
    write_json(arguments.out, arguments.networks)


if __name__ == "__main__":
    run_stage(main)
