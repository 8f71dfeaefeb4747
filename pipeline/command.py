"""Check the configuration files of a Snakemake command before Snakemake reads them.

Snakemake's own message about an unreadable file gives neither its name nor the line, and only the
code of a profile (profiles/default/config.yaml) runs before Snakemake reads the files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.configuration.settings_files import read_settings
from pipeline.errors import InputError
from pipeline.jobs.machine import machine_gpus, machine_memory

__all__ = ["check_command", "check_or_exit", "machine_gpus", "machine_memory"]

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
        requested = " ".join(map(str, targets))
        named = " ".join(str(file) for file in files if file not in targets)
        raise InputError(
            f"{requested}: follows `--configfile`, which takes it for a configuration file. Write "
            f"targets first: snakemake {requested} --configfile {named}"
        )
    # the Snakefile's default
    for file in files or filter(Path.exists, [Path("config/demo.yaml")]):
        read_settings(file)


def check_or_exit(arguments: Sequence[str]) -> None:
    """End with the message if `check_command` refuses."""
    try:
        check_command(arguments)
    except InputError as error:
        sys.exit(f"error: {error}")
