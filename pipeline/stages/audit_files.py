"""Audit every file of a finished study: none was altered, moved, or made otherwise than it says."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.audit import audit_files, result_files
from pipeline.errors import InputError, run_stage
from pipeline.frozen_run import current_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, type=Path, help="folder of its results")
    arguments = parser.parse_args()
    if problems := list(audit_files(arguments.study, current_run())):
        raise InputError("\n".join(problems))
    n_files = len(result_files(arguments.study))
    print(f"audit: {n_files} files are as they were made, and of one run")


if __name__ == "__main__":
    run_stage(main)
