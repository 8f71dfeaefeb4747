"""The jobs of a study's last run and their states, from the files that they write.

A run lists its jobs in `results/<study>/runs/jobs.json` when it starts. A job writes a log when it
starts, and a file of measurements (`benchmarks/`) when it succeeds. Files that are older than the
list belong to earlier runs.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.results.metadata import write_json

JOBS = "runs/jobs.json"


@dataclass(frozen=True)
class ListedJob:
    """A job of a run, as Snakemake planned it.

    Attributes
    ----------
    needed : whether the run has to do it; other jobs were done before
    features : files of features that a job reads
    """

    rule: str
    wildcards: Mapping[str, str]
    threads: int
    log: str
    benchmark: str
    outputs: list[str]
    needed: bool
    features: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """A study's last run.

    Attributes
    ----------
    begun : start of the run in seconds since 1970, by the clock of the file system
    """

    begun: float
    host: str
    process: int
    jobs: list[ListedJob]

    @property
    def goes_on(self) -> bool | None:
        """Test whether the run still goes on; None on another machine, where this is not known."""
        if self.host != socket.gethostname():
            return None
        return Path(f"/proc/{self.process}").exists() if Path("/proc").exists() else None

    def seconds(self, job: ListedJob) -> float | None:
        """Return the measured time of a job, in this run or before; None if there is none."""
        try:
            return float(Path(job.benchmark).read_text().splitlines()[1].split("\t")[0])
        except (OSError, IndexError, ValueError):
            return None

    def ended(self, job: ListedJob) -> float:
        """Return when a finished job ended."""
        return Path(job.benchmark).stat().st_mtime

    def is_done(self, job: ListedJob) -> bool:
        """Test whether a job has succeeded, in this run or before."""
        return not job.needed or self._is_of_this_run(job.benchmark)

    def message(self, job: ListedJob) -> str | None:
        """Return the error message of a job; None if it did not fail or has no message."""
        if self.is_done(job) or not self._is_of_this_run(job.log):
            return None
        log = Path(job.log).read_text(errors="replace").rstrip()
        found = re.search(r"^error: .*", log, re.MULTILINE | re.DOTALL)
        return found[0] if found else None

    def is_running(self, job: ListedJob) -> bool:
        """Test whether a job has started and neither succeeded nor failed, if the run goes on."""
        started = self._is_of_this_run(job.log) and not self.is_done(job)
        return started and self.message(job) is None

    def _is_of_this_run(self, path: str) -> bool:
        try:
            return os.stat(path).st_mtime >= self.begun
        except FileNotFoundError:
            return False


def list_jobs(results: Path, jobs: Iterable[Any], needed: Iterable[Any]) -> bool:
    """Write the jobs of a run of Snakemake; return False if none writes a log and measurements.

    Parameters
    ----------
    jobs, needed : Snakemake's jobs: all of them, and those that the run has to do
    """
    jobs, todo = list(jobs), set(needed)
    # a rule's jobs have the same threads; Snakemake evaluates all resources of a job to tell them
    of_rules = {job.rule.name: job for job in jobs if job.benchmark and job.log}
    threads = {rule: job.threads for rule, job in of_rules.items()}
    listed = [
        ListedJob(
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            threads=threads[job.rule.name],
            log=str(job.log[0]),
            benchmark=str(job.benchmark),
            outputs=[str(path) for path in job.output],
            needed=job in todo,
            features=[str(path) for path in job.input.get("features", [])],
        )
        for job in jobs
        if job.benchmark and job.log
    ]
    if listed:
        run = {"host": socket.gethostname(), "process": os.getpid()}
        write_json(results / JOBS, {**run, "jobs": [asdict(job) for job in listed]})
    return bool(listed)


def last_run(results: Path) -> Run:
    """Read the last run of a study.

    Raises
    ------
    InputError
        The study has not been run.
    """
    path = results / JOBS
    if not path.exists():
        raise InputError(
            f"{path}: not found; a run writes it when it starts, by `nsd-encoding run`. "
            "`snakemake -n` lists the jobs of a study that was not started, and `nsd-encoding "
            "preflight` estimates what they need."
        )
    content = json.loads(path.read_text())
    jobs = [ListedJob(**job) for job in content["jobs"]]
    run = {name: content[name] for name in ("host", "process")}
    return Run(begun=path.stat().st_mtime, jobs=jobs, **run)
