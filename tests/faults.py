"""Kills of a workflow or of one of its jobs at random times, and what is left of its files."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil
from conftest import ENVIRON, Study

from pipeline.jobs.code_version import stage_modules
from pipeline.results.audit import result_files
from pipeline.results.integrity import file_hash

POLL = 0.05
SECONDS_TO_END = 120
Files = dict[str, str]


def data_files(study: Study) -> Files:
    """{file: SHA-256} of all results, but pages, which tell how long jobs took, and predictions."""
    folders = [study.results, study.results.parent / "features"]
    found = [path for folder in folders if folder.exists() for path in result_files(folder)]
    return {
        str(path.relative_to(study.directory)): file_hash(path)
        for path in found
        if not {"report", "logs", "benchmarks", "predictions"} & set(path.parts[-6:])
    }


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes
    ----------
    victim : `workflow`, or `job`
    stages : that were running
    seconds : since the first of them was seen
    finished : data files that were there afterwards
    half : those of them that are not as an undisturbed run makes them
    """

    victim: str
    stages: tuple[str, ...]
    seconds: float
    finished: int
    half: tuple[str, ...]


class Faults:
    """Runs of a study that are killed; `whole` is what an undisturbed run made."""

    def __init__(self, study: Study, whole: Mapping[str, str], seed: int) -> None:
        self.study, self.whole = study, dict(whole)
        self.random = random.Random(seed)
        self.kills: list[Kill] = []

    def kill_at_random(self, most_seconds: float, *arguments: str) -> bool:
        """Kill a run, or one of its jobs, some time after its first job began.

        False if it came to its end before.
        """
        wait = self.random.uniform(0, most_seconds)
        victim = self.random.choice(["workflow", "job"])
        return self.kill(lambda seconds: seconds > wait, victim, *arguments)

    def kill(
        self, when: Callable[[float], bool], victim: str = "workflow", *arguments: str
    ) -> bool:
        """Kill -9 a run with all its jobs, or one job, as soon as a condition holds.

        Parameters
        ----------
        when : printed the seconds since the first job was seen
        """
        run = subprocess.Popen(
            self.study.command(*arguments),
            env=ENVIRON,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        began, seconds, jobs = None, 0.0, {}
        while run.poll() is None:
            jobs = stages_of(run.pid)
            began = began or (time.monotonic() if jobs else None)
            seconds = time.monotonic() - began if began else 0.0
            if began and when(seconds) and (jobs or victim == "workflow"):
                break
            time.sleep(POLL)
        killed = run.poll() is None
        if killed:
            self._strike(run, victim, jobs)
        # what `snakemake --unlock` does, without starting it
        shutil.rmtree(self.study.directory / ".snakemake/locks", ignore_errors=True)
        if killed:
            files = data_files(self.study)
            half = tuple(name for name, found in files.items() if found != self.whole.get(name))
            stages = tuple(sorted(jobs.values()))
            self.kills.append(Kill(victim, stages, seconds, len(files), half))
        return killed

    def _strike(self, run: subprocess.Popen, victim: str, jobs: Mapping[int, str]) -> None:
        if victim == "job":
            # as the kernel does when memory runs out; snakemake ends the others and then itself
            with contextlib.suppress(psutil.NoSuchProcess, subprocess.TimeoutExpired):
                job = psutil.Process(self.random.choice([*jobs]))
                for process in [job, *job.children(recursive=True)]:
                    process.kill()
                run.wait(timeout=SECONDS_TO_END)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()

    def lost(self) -> list[str]:
        """Data files that are not, or not any more, those of an undisturbed run."""
        files = data_files(self.study)
        return sorted(
            name
            for name in self.whole.keys() | files.keys()
            if files.get(name) != self.whole.get(name)
        )


def stages_of(pid: int) -> dict[int, str]:
    """{process: stage} of the stages that run below a process."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return {}
    stages = {module: stage for stage, module in stage_modules().items()}
    found = {}
    for process in below:
        try:
            said = process.cmdline()
        except psutil.Error:
            continue
        if len(said) > 2 and said[1] == "-m" and said[2] in stages:
            found[process.pid] = stages[said[2]]
    return found
