"""`python -m pipeline show [subj01]`: a study's key numbers and where its files are."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import run_stage
from pipeline.show import show


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    shown = commands.add_parser("show", help="key numbers and paths of a study, or of a subject")
    shown.add_argument("subject", nargs="?", help="subj01, …; without it all subjects")
    shown.add_argument("--configfile", type=Path, default=Path("config/demo.yaml"))
    arguments = parser.parse_args()
    show(arguments.configfile, arguments.subject)


if __name__ == "__main__":
    run_stage(main)
