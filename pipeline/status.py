"""Progress of a study by its files alone, during a run or after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.configuration.reading import read_configuration
from pipeline.jobs.code_version import ROOT
from pipeline.jobs.job_list import ListedJob, Run, last_run
from pipeline.jobs.remaining_time import in_words, job_estimates, seconds_left
from pipeline.nsd.manifest import read_manifest

# set in the environment, a run displays little else than the line of its progress
BRIEF = "NSD_ENCODING_BRIEF"
# rules whose outputs are listed when they are finished
RESULT_RULES = (
    "write_maps",
    "write_group_maps",
    "write_tables",
    "write_figures",
    "write_study_pages",
)


def print_status(configfile: Path, console: Console | None = None) -> None:
    """Print the progress of a study's last run: jobs by stage, results, failures, remaining time.

    Raises
    ------
    InputError
        The study has not been run.
    """
    study = read_configuration(configfile)
    run = last_run(Path("results") / study.study)
    estimate = job_estimates(study, read_manifest(ROOT / "data_manifest.yaml"))
    console = console or Console()
    console.print(_counts(f"Jobs of study {study.study}, as its last run planned them", run))
    lines = [*_results(run.jobs, run), *_failures(run), summary(run, seconds_left(run, estimate))]
    for line in lines:
        # not wrapped, so that paths and messages can be copied
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def summary(run: Run, left: float | None) -> str:
    """Return one line: numbers of jobs done and running, and the remaining time."""
    done = sum(map(run.is_done, run.jobs))
    counted = f"{done} of {len(run.jobs)} jobs done"
    if done == len(run.jobs):
        return counted
    running = f", {sum(map(run.is_running, run.jobs))} running" if run.goes_on else ""
    halted = "; the run does not go on: start it again" if run.goes_on is False else ""
    return f"{counted}{running}, {in_words(left)}{halted}"


def _counts(title: str, run: Run) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("stage")
    columns = {"done": run.is_done, "running": run.is_running, "failed": run.message}
    if not run.goes_on:
        # killed jobs left the same files as running jobs
        del columns["running"]
    for name in (*columns, "to do"):
        table.add_column(name, justify="right")
    counts = [Counter(job.rule for job in run.jobs if test(job)) for test in columns.values()]
    for rule, number in Counter(job.rule for job in run.jobs).items():
        cells = [count[rule] for count in counts]
        table.add_row(rule, *map(str, (*cells, number - sum(cells))))
    return table


def _results(jobs: Sequence[ListedJob], run: Run) -> list[str]:
    done = [job for job in jobs if job.rule in RESULT_RULES and run.is_done(job)]
    folders = dict.fromkeys(_folder(job) for job in done)
    return [f"finished: {folder}" for folder in folders]


def _folder(job: ListedJob) -> Path:
    """Return the folder of a job's outputs."""
    first = Path(job.outputs[0])
    return first.parent if first.suffix else first


def _failures(run: Run) -> list[str]:
    messages = {job.log: message for job in run.jobs if (message := run.message(job))}
    return [f"failed: {log}\n{message}" for log, message in messages.items()]
