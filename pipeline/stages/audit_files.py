"""Audit every file of a finished study: none was altered, moved, or is of another run."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.audit import audit_files, result_files
from pipeline.errors import InputError, run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", required=True, nargs="+", type=Path)
    arguments = parser.parse_args()
    problems = [problem for folder in arguments.folders for problem in audit_files(folder)]
    if problems:
        raise InputError("\n".join(problems))
    n_files = sum(len(result_files(folder)) for folder in arguments.folders)
    print(f"audit: {n_files} files are as they were made, and of one run")


if __name__ == "__main__":
    run_stage(main)
