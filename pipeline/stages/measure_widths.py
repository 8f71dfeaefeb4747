"""Print how wide each feature space is that a study uses, by a pass of one stimulus.

The study's configuration is read from standard input, as JSON: no run is frozen yet.
"""

from __future__ import annotations

import argparse
import json
import sys

from pipeline.configuration import parse_configuration
from pipeline.errors import run_stage
from pipeline.study_size import measure_features


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    study = parse_configuration(json.loads(sys.stdin.read()))
    print(json.dumps(dict(measure_features(study).widths)))


if __name__ == "__main__":
    run_stage(main)
