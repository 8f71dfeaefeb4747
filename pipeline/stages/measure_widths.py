"""Print how wide each feature space is that a study uses, by a pass of one stimulus."""

from __future__ import annotations

import argparse
import json

from pipeline.configuration import parse_configuration
from pipeline.errors import run_stage
from pipeline.study_size import measure_features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=json.loads)
    arguments = parser.parse_args()
    study = parse_configuration(arguments.configuration)
    print(json.dumps(dict(measure_features(study).widths)))


if __name__ == "__main__":
    run_stage(main)
