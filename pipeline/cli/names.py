"""Names of the program and of its default configuration, and commands to type."""

from __future__ import annotations

import shlex
from pathlib import Path

from pipeline.errors import InputError
from pipeline.jobs.code_version import ROOT

PROGRAM = "nsd-encoding"
# as of the Snakefile
DEMO = Path("config/demo.yaml")


def command_on(name: str, configfile: Path) -> str:
    """Return a command that a user can type, such as `nsd-encoding run study.yaml`."""
    return f"{PROGRAM} {name} {shlex.quote(str(configfile))}"


def not_made(path: Path, configfile: Path) -> str:
    """Return what to do about a result that has not been made."""
    return (
        f"{path}: not made yet, in this folder. `{command_on('run', configfile)}` makes it; "
        f"`{command_on('status', configfile)}` tells how far the study is."
    )


def require_repository() -> None:
    """Raise if only the packages are installed, without the workflow and its lists of files."""
    if not (ROOT / "Snakefile").exists():
        raise InputError(
            f"{ROOT / 'Snakefile'}: not found. This command needs a copy of the repository: clone "
            "it, install it there with `make install`, and activate its environment "
            "(`source .venv/bin/activate`)."
        )


def require_configuration(command: str, configfile: Path) -> None:
    """Raise if no configuration is named, and there is no demo in this folder."""
    if configfile == DEMO and not configfile.exists():
        raise InputError(
            f"no configuration is named, and this folder has no {DEMO}. Name yours, as in "
            f"`{PROGRAM} {command} study.yaml`; `{PROGRAM} init study.yaml` writes one."
        )
