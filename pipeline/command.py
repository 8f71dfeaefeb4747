"""What runs before Snakemake reads a command's configuration files: profiles call it.

Of a file that cannot be read Snakemake tells neither name nor line, and it reads them before any
code of a workflow runs but its profile's (profiles/default/config.yaml).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.configuration.settings_files import read_settings
from pipeline.errors import InputError
from pipeline.jobs.machine import machine_memory

__all__ = ["check_command", "check_or_exit", "machine_memory"]

SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def check_command(arguments: Sequence[str]) -> None:
    """Read the configuration files that a command of Snakemake names.

    Raises
    ------
    InputError
        One cannot be read, or is a target: `--configfile` takes all that follows it.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, default=[])
    files = parser.parse_known_args(arguments)[0].configfile
    targets = [file for file in files[1:] if file.suffix not in SUFFIXES]
    if targets:
        told = " ".join(map(str, targets))
        named = " ".join(str(file) for file in files if file not in targets)
        raise InputError(
            f"{told}: follows `--configfile`, which takes it for a configuration file. Write what "
            f"is to be made first: snakemake {told} --configfile {named}"
        )
    # what the Snakefile reads when none is named
    for file in files or filter(Path.exists, [Path("config/demo.yaml")]):
        read_settings(file)


def check_or_exit(arguments: Sequence[str]) -> None:
    """End with the message if `check_command` refuses."""
    try:
        check_command(arguments)
    except InputError as error:
        sys.exit(f"error: {error}")
