"""A run of a study by Snakemake: the right profile, and little output."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pipeline.cli.names import PROGRAM, command_on
from pipeline.cli.targets import rule_names
from pipeline.configuration.names import declared
from pipeline.configuration.reading import read_configuration
from pipeline.errors import InputError
from pipeline.jobs.code_version import ROOT
from pipeline.jobs.job_list import JOBS
from pipeline.status import BRIEF

PROFILES = ROOT / "profiles"
PARTITIONS = Path("profiles/slurm/partitions.yaml")
SCHEDULER = {"slurm": "sbatch"}


def run_study(configfile: Path, profile: str | None, words: Sequence[str]) -> None:
    """Run a study, and end with what to type next.

    Parameters
    ----------
    profile : name of a folder in profiles/, or a path; None for this machine
    words : targets and options for Snakemake
    """
    study = read_configuration(configfile)
    command = snakemake_command(configfile, profile, words)
    if profile is None and shutil.which("sbatch"):
        print("This machine can submit jobs to SLURM: `--profile slurm` runs the study there.")
    # rules start `python`, which must be this one
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # Snakemake shows the line of progress, and little else
    process = subprocess.Popen(command, env={**os.environ, "PATH": path, BRIEF: "1"})
    if code := _wait_for(process):
        sys.exit(_what_to_type(code, configfile, Path("results") / study.study))
    if (Path("results") / study.study / "report/index.html").exists():
        print(f"Look at the report: {command_on('open', configfile)}")


def _what_to_type(code: int, configfile: Path, results: Path) -> str:
    """Return how to go on after a run that stopped, whether or not it had started a job."""
    run = command_on("run", configfile)
    if not (results / JOBS).exists():
        return f"Nothing was started ({_in_words(code)}). Correct what is said above, then: {run}"
    return (
        f"The run stopped ({_in_words(code)}); what was finished is kept. Correct what is said "
        f"above (`{command_on('status', configfile)}` lists the jobs that failed), then "
        f"continue: {run}"
    )


def snakemake_command(configfile: Path, profile: str | None, words: Sequence[str]) -> list[str]:
    """Return the command of Snakemake that runs a study.

    Raises
    ------
    InputError
        Snakemake is not there, or an option, a target or the profile is unknown or cannot be used.
    """
    if find_spec("snakemake") is None:
        raise InputError(
            "Snakemake is not installed beside this command. Install the project (`make install`), "
            "activate its environment (`source .venv/bin/activate`), and type the command again."
        )
    _check(words)
    chosen = [] if profile is None else _profile_options(profile)
    return [
        # without the table of the machine, which only reports of faults need
        *(sys.executable, "-m", "snakemake", "--quiet", "host"),
        *("--snakefile", str(ROOT / "Snakefile"), *chosen),
        *(*words, "--configfile", str(configfile)),
    ]


def _check(words: Sequence[str]) -> None:
    """Raise if Snakemake does not know an option, or the workflow a target.

    Snakemake itself would print all its options.
    """
    # imported here: the other commands work without Snakemake
    from snakemake.cli import get_argument_parser

    given, unknown = get_argument_parser().parse_known_args(list(words))
    if unknown:
        raise InputError(
            f"{' '.join(unknown)}: no option of `{PROGRAM} run` or of snakemake; correct it, or "
            "leave it out (`snakemake --help` lists all)"
        )
    try:
        # others are files
        named = [target for target in given.targets if target.isidentifier()]
        declared("targets", named, rule_names())
    except ValueError as error:
        raise InputError(f"{error} The page Command line of the site lists all.") from None


def _profile_options(name: str) -> list[str]:
    """Return the options that choose a profile."""
    folder = _profile(name)
    options = ["--workflow-profile", str(folder)]
    if folder == PROFILES / "slurm" and not PARTITIONS.exists():
        # the profile names it relative to the repository
        options += ["--slurm-partition-config", str(ROOT / PARTITIONS)]
    return options


def _profile(name: str) -> Path:
    """Find the folder of a profile."""
    folder = next((path for path in (PROFILES / name, Path(name)) if path.is_dir()), None)
    if folder is None:
        known = ", ".join(sorted(path.name for path in PROFILES.iterdir() if path.is_dir()))
        raise InputError(
            f"--profile {name}: there is no such profile. Name {known}, or the folder of your own "
            "(docs/cluster.md)."
        )
    program = SCHEDULER.get(folder.name)
    if program and not shutil.which(program):
        raise InputError(
            f"--profile {name}: there is no `{program}` on this machine. Type the command where "
            "jobs are submitted, such as the login node of the cluster; without `--profile`, the "
            "study runs on this machine alone."
        )
    return folder


def _wait_for(process: subprocess.Popen[bytes]) -> int:
    """Wait for Snakemake, which ends its jobs when it is interrupted, and return its exit code."""
    # the terminal interrupts both
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    return process.wait()


def _in_words(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
