"""Audit every file of a finished study: none was altered or moved, and all are of one run."""

from __future__ import annotations

from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.jobs.frozen_run import current_run
from pipeline.results.audit import audit_files, result_files
from pipeline.results.integrity import ALL_CHECKSUMS, join_checksums


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    study: given.PathParameter  # folder of its results


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    if problems := list(audit_files(arguments.study, current_run())):
        raise InputError("\n".join(problems))
    join_checksums(arguments.study)
    n_files = len(result_files(arguments.study))
    print(f"audit: {n_files} files are as they were made, and of one run")
    print(f"{arguments.study / ALL_CHECKSUMS}: lists them for `sha256sum -c`")


if __name__ == "__main__":
    run_stage(main)
