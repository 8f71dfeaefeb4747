"""Kills of a workflow or of one of its jobs at random times, and what is left of its files.

`python tests/faults.py --kills 50 --minutes 20` runs a small study under kills, again and again
from nothing but its simulated NSD, and tells of every kill what it met and what was lost.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from conftest import ENVIRON, TINY, Study

from pipeline.audit import result_files
from pipeline.seals import file_hash

POLL = 0.05
MOST_SECONDS = 10.0
SECONDS_TO_END = 120
Files = dict[str, str]


def data_files(study: Study) -> Files:
    """{file: SHA-256} of all results, but pages: those tell how long jobs took."""
    folders = [study.results, study.results.parent / "features"]
    found = [path for folder in folders if folder.exists() for path in result_files(folder)]
    return {
        str(path.relative_to(study.directory)): file_hash(path)
        for path in found
        if not {"report", "logs", "benchmarks"} & set(path.parts[-6:])
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
        when : told the seconds since the first job was seen
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
    found = {}
    for process in below:
        try:
            said = process.cmdline()
        except psutil.Error:
            continue
        if len(said) > 2 and said[1] == "-m" and said[2].startswith("pipeline.stages."):
            found[process.pid] = said[2].removeprefix("pipeline.stages.")
    return found


# ---- for an hour or so


def soak(study: Study, n_kills: int, minutes: float, seed: int) -> bool:
    """Kill a study over and over; whether nothing was lost."""
    end = time.monotonic() + 60 * minutes
    study.snakemake()
    faults, good = Faults(study, data_files(study), seed), True
    print(f"{len(faults.whole)} data files of an undisturbed run", flush=True)
    _forget(study)
    most, finished = MOST_SECONDS, 0
    while len(faults.kills) < n_kills and time.monotonic() < end:
        if faults.kill_at_random(most):
            last = faults.kills[-1]
            _tell(len(faults.kills), last)
            # where no job came to its end, the next have longer
            most = MOST_SECONDS if last.finished > finished else 2 * most
            finished = last.finished
        else:
            good &= _compared(faults)
            _forget(study)
    study.snakemake()
    good &= _compared(faults)
    met = collections.Counter(stage for kill in faults.kills for stage in kill.stages)
    print(f"{len(faults.kills)} kills; stages that were running:")
    for stage, n in met.most_common():
        print(f"  {stage:32s} {n}")
    return good and not any(kill.half for kill in faults.kills)


def _forget(study: Study) -> None:
    """Delete all results; what networks gave is kept."""
    shutil.rmtree(study.results)


def _tell(number: int, kill: Kill) -> None:
    print(
        f"{number:4d}  {kill.victim:8s}  {kill.seconds:5.1f} s  {kill.finished:5d} files finished, "
        f"{len(kill.half)} half  {', '.join(kill.stages) or '-'}",
        flush=True,
    )


def _compared(faults: Faults) -> bool:
    lost = faults.lost()
    print(f"      resumed to the end: {len(lost)} of {len(faults.whole)} files lost or altered")
    for name in lost[:10]:
        print(f"        {name}")
    return not lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="of a study, to go on with")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="faults"))
    shutil.copy(TINY, folder / "tiny.yaml")
    study = Study(folder, folder / "tiny.yaml")
    if not soak(study, arguments.kills, arguments.minutes, arguments.seed):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
