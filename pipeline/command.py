"""The configuration files of a command, read before Snakemake does, which tells no file and no line.

Profiles run this file (profiles/default/config.yaml): nothing else of a workflow runs before
Snakemake reads them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.errors import InputError  # noqa: E402
from pipeline.settings_files import read_settings  # noqa: E402

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


if __name__ == "__main__":
    try:
        check_command(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
