"""Check every NSD and COCO file that a study needs, before long work."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.nsd.check import check_tree
from pipeline.nsd.layout import NSDLayout
from pipeline.storage import write_account


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--subjects", required=True, type=setting)
    parser.add_argument("--rois", required=True, type=setting)
    parser.add_argument("--responses", required=True, type=setting)
    parser.add_argument("--annotations", required=True, type=setting)
    parser.add_argument("--map-spaces", required=True, type=setting)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    summary = check_tree(
        NSDLayout(arguments.nsd),
        arguments.subjects,
        arguments.responses["space"],
        arguments.responses["betas"],
        arguments.rois,
        arguments.annotations,
        arguments.map_spaces,
    )
    write_account(arguments.out, summary)


if __name__ == "__main__":
    run_stage(main)
