"""How far a study is, told by its files."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ENVIRON, ROOT, TINY, Study
from snakemake_interface_logger_plugins.common import LogEvent

from pipeline.configuration.reading import read_configuration
from pipeline.errors import InputError
from pipeline.estimates.resources import fit
from pipeline.estimates.study_size import subject_size
from pipeline.jobs.job_list import last_run, list_jobs
from pipeline.jobs.progress_line import BriefOutput, ProgressLine
from pipeline.jobs.remaining_time import in_words, job_estimates, seconds_left
from pipeline.nsd.manifest import read_manifest
from pipeline.status import summary

HEADER = "s\th:m:s\tmax_rss\n"


class Planned(SimpleNamespace):
    """A job as Snakemake has it."""

    __hash__ = object.__hash__


def planned(rule: str, number: int, folder: Path, **wildcards: str) -> Planned:
    name = f"{rule}/{number}"
    return Planned(
        rule=SimpleNamespace(name=rule),
        wildcards_dict={"subject": "subj01", "variant": "all", **wildcards},
        threads=1,
        log=[folder / f"logs/{name}.log"],
        benchmark=folder / f"benchmarks/{name}.tsv",
        output=[folder / f"{name}.h5"],
        input={"features": [folder / "clip_rn50.h5"]},
    )


def leave(path: Path, text: str, seconds_later: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    when = time.time() + seconds_later
    os.utime(path, (when, when))


def ends(job: Planned, seconds: float, later: float = 1) -> None:
    leave(job.log[0], "Fitted.\n", later)
    leave(job.benchmark, f"{HEADER}{seconds}\t0:00:00\t100\n", later)


@pytest.fixture
def jobs(tmp_path):
    """Six jobs of a run: one done before it, the others not begun."""
    made = [planned("fit_encoding_models", number, tmp_path) for number in range(6)]
    ends(made[0], 10, later=-100)
    list_jobs(tmp_path, made, made[1:])
    return made


def states(run):
    kinds = {"done": run.is_done, "running": run.is_running, "failed": run.message}
    return {kind: sum(bool(is_so(job)) for job in run.jobs) for kind, is_so in kinds.items()}


def test_jobs_are_done_running_or_failed_by_what_they_leave(jobs, tmp_path):
    assert states(last_run(tmp_path)) == {"done": 1, "running": 0, "failed": 0}
    ends(jobs[1], 20)
    leave(jobs[2].log[0], "", 1)
    leave(jobs[3].log[0], "\nerror: features.h5: is damaged\nand so on\n", 1)
    # of an earlier run
    leave(jobs[4].log[0], "error: old\n", -100)
    leave(jobs[4].benchmark, f"{HEADER}3\n", -100)
    run = last_run(tmp_path)
    assert states(run) == {"done": 2, "running": 1, "failed": 1}
    assert run.message(run.jobs[3]) == "error: features.h5: is damaged\nand so on"
    assert run.goes_on


def test_the_time_left_is_estimated_and_scaled_by_what_was_measured(jobs, tmp_path):
    def estimate(_):
        return 5.0

    assert seconds_left(last_run(tmp_path), estimate) is None
    # two at a time, twenty seconds each where five were estimated
    began = last_run(tmp_path).begun
    for job, end in ((jobs[1], 20), (jobs[2], 20)):
        ends(job, 20)
        os.utime(job.benchmark, (began + end, began + end))
    ends(jobs[0], 20, later=-100)
    assert seconds_left(last_run(tmp_path), estimate) == pytest.approx(3 * 20 / 2, rel=0.01)
    for job in jobs:
        ends(job, 20)
    assert seconds_left(last_run(tmp_path), estimate) == 0
    assert summary(last_run(tmp_path), 0) == "6 of 6 jobs done"


def test_a_fit_is_estimated_by_the_features_that_it_reads(tmp_path):
    study, manifest = (
        read_configuration(ROOT / "config/nsd_first.yaml"),
        read_manifest(ROOT / "data_manifest.yaml"),
    )
    subject = subject_size(study, manifest, "subj01")
    one, other = planned("fit_encoding_models", 0, tmp_path), planned("write_tables", 0, tmp_path)
    one.input = {"features": [tmp_path / "clip_rn50.h5", tmp_path / "bert.h5"]}
    list_jobs(tmp_path, [one, other], [one, other])
    run, estimate = last_run(tmp_path), job_estimates(study, manifest)
    # not extracted yet: a thousand each
    expected = fit(study, subject, {"clip_rn50": 1000, "bert": 1000}).core_seconds
    assert estimate(run.jobs[0]) == pytest.approx(expected)
    assert 0 < estimate(run.jobs[1]) < 10


def test_a_run_that_stopped_says_so(jobs, tmp_path):
    path = tmp_path / "runs/jobs.json"
    content = json.loads(path.read_text())
    # beyond the largest number of a process
    path.write_text(json.dumps({**content, "process": 2**22 + 1}))
    run = last_run(tmp_path)
    assert run.goes_on is False
    leave(jobs[2].log[0], "", 1)
    assert summary(run, None).endswith("the run does not go on: start it again")
    assert "running" not in summary(run, None)
    path.write_text(json.dumps({**content, "host": "another"}))
    assert last_run(tmp_path).goes_on is None


def test_a_study_that_was_not_begun_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"jobs.json: not found; .*`snakemake -n` lists"):
        last_run(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not known"),
        (40, "about 40 seconds left"),
        (600, "about 10 minutes left"),
        (9000, r"about 2\.5 hours left, until \w+ \d\d:\d\d"),
    ],
)
def test_times_are_printed_in_words(seconds, words):
    assert re.search(words, in_words(seconds))


def test_a_full_study_is_reported_in_five_seconds_without_snakemake(tmp_path):
    results = tmp_path / "results/nsd"
    jobs = [planned("fit_encoding_models", number, results) for number in range(2400)]
    list_jobs(results, jobs, jobs)
    for job in jobs[:1200]:
        ends(job, 20)
    program = (
        "import sys; sys.modules['snakemake'] = None;"
        "sys.modules['snakemake_interface_logger_plugins'] = None;"
        f"sys.argv = ['', 'status', '--configfile', {str(ROOT / 'config/nsd.yaml')!r}];"
        "from pipeline.__main__ import main; main()"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**ENVIRON, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # by the processor's clock, as other tests may run beside it
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5
    assert re.search(r"fit_encoding_models .*1200 .* 1200 ", done.stdout)
    assert "1200 of 2400 jobs done" in done.stdout


def test_the_line_of_a_run_states_the_same(jobs, tmp_path):
    ends(jobs[1], 20)
    line = ProgressLine(tmp_path, lambda _: 5.0)
    record = logging.makeLogRecord({"msg": None, "event": LogEvent.PROGRESS, "done": 1, "total": 7})
    assert line.filter(record)
    assert record.event != LogEvent.PROGRESS
    assert record.msg.startswith(
        "1 of 7 steps (14%) done; of the study: 2 of 6 jobs done, 0 running, about "
    )
    # not at every job
    record = logging.makeLogRecord({"msg": None, "event": LogEvent.PROGRESS, "done": 2, "total": 7})
    assert line.filter(record)
    assert record.event == LogEvent.PROGRESS


def test_a_run_lists_its_jobs_and_ends_with_all_done(tmp_path, monkeypatch):
    study = Study(tmp_path, TINY)
    said = study.snakemake("--", "results/tiny/maps/dataset_description.json")
    monkeypatch.chdir(tmp_path)
    run = last_run(study.results)
    assert [job.rule for job in run.jobs] == ["describe_maps"]
    assert all(map(run.is_done, run.jobs))
    assert run.goes_on is False
    assert "of the study: 1 of 1 jobs done" in said.stderr + said.stdout


def test_a_brief_run_displays_the_line_and_what_went_wrong(jobs, tmp_path):
    line, brief = ProgressLine(tmp_path, lambda _: 5.0), BriefOutput()

    def is_displayed(level: int = logging.INFO, **fields: object) -> bool:
        record = logging.makeLogRecord({"msg": "text", "levelno": level, **fields})
        return bool(line.filter(record) and brief.filter(record))

    assert not is_displayed(event=LogEvent.JOB_INFO)
    assert not is_displayed()
    assert is_displayed(event=LogEvent.PROGRESS, done=1, total=7)
    # not again at once, except at the end
    assert not is_displayed(event=LogEvent.PROGRESS, done=2, total=7)
    assert is_displayed(event=LogEvent.PROGRESS, done=7, total=7)
    assert is_displayed(logging.ERROR, event=LogEvent.JOB_ERROR)
    assert is_displayed(logging.WARNING)
