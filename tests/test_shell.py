"""What a user sees at a shell: how runs end, what is refused, and that documented commands work."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, TINY, Study, bare
from snakemake_interface_logger_plugins.common import LogEvent

from features.costs import network_cost
from features.layers import Layer
from features.networks import load_network
from pipeline.command import check_command
from pipeline.errors import InputError
from pipeline.jobs.failed_jobs import FailedJobs, failure
from pipeline.jobs.job_output import copy_output

PREFLIGHT_REFUSES = "error: The study cannot start. Problems: "


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed last, where messages go."""
    return done.stderr.strip()


@pytest.fixture
def measured(tmp_path) -> Study:
    """A study of real data, which are not there."""
    values = {**bare(yaml.safe_load(TINY.read_text())), "nsd": "data/nsd", "study": "measured"}
    del values["simulation"]
    study = Study(tmp_path, tmp_path / "measured.yaml")
    study.configuration.write_text(yaml.safe_dump(values))
    return study


# ---- how a run ends


def test_a_stage_that_refuses_ends_the_run_with_its_message_and_nothing_else(measured):
    done = measured.snakemake("preflight", check=False)
    assert done.returncode == 1
    both = done.stdout + done.stderr
    assert both.count(PREFLIGHT_REFUSES) == 1
    _, message = said(done).split(PREFLIGHT_REFUSES)
    number, *problems = message.splitlines()
    # its problems, one a line, are the last lines
    assert [line[:2] for line in problems] == ["- "] * int(number.rstrip("."))
    assert "single-trial responses: " in message
    for noise in ("Traceback", "CalledProcessError", '{"', "Look above", "WorkflowError"):
        assert noise not in both, noise
    assert "No pretrained weights" not in both
    log = measured.results.parent / "measured/logs/preflight.log"
    assert PREFLIGHT_REFUSES in log.read_text()


@pytest.mark.workflow
def test_a_preflight_before_the_first_run_ends_well(tmp_path):
    """Such a run has no jobs whose progress could be displayed."""
    study = Study(tmp_path, TINY)
    done = study.snakemake("preflight")
    assert "The study can start." in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_without_the_data_one_sentence_states_what_is_missing_and_what_brings_it(measured):
    done = measured.snakemake(check=False)
    assert done.returncode == 1
    message = said(done).splitlines()[-1]
    assert message.startswith("error: data/nsd: NSD's data are missing")
    assert "nsd_expdesign.mat" in message
    for target in ("fetch", "preflight"):
        assert f"`snakemake {target} --configfile " in message
    assert "Exception" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_what_can_be_made_without_the_data_still_is(measured):
    assert measured.planned("fetch_plan") == {"fetch_plan": 1}


def test_a_configuration_that_is_refused_is_reported_without_a_traceback(measured):
    measured.edit(lambda values: values.update(subject=["subj01"]))
    done = measured.snakemake("--dry-run", check=False)
    assert done.returncode == 1
    (last,) = [line for line in said(done).splitlines() if line.startswith("error: ")]
    assert said(done).endswith(last)
    assert last.endswith("subject: unknown key; check its spelling, or remove it")
    assert "Traceback" not in done.stderr
    assert "WorkflowError" not in done.stderr


def record(event: LogEvent, text: str = "", **values: object) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.ERROR, "", 0, text, (), None)
    vars(made).update(values, event=event)
    return made


def failed(log, jobid: int = 1, rule: str = "fit_encoding_models") -> logging.LogRecord:
    shellcmd = "python -m pipeline.stages.x --configuration '{}'"
    return record(
        *(LogEvent.JOB_ERROR, "Error in rule"),
        **{"jobid": jobid, "rule_name": rule, "log": [str(log)], "shellcmd": shellcmd},
    )


def end(jobs: FailedJobs) -> str:
    last = record(LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.")
    assert jobs.filter(last)
    return last.msg


def test_a_run_ends_with_every_message_of_its_jobs_once(tmp_path):
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    first.write_text("progress\nerror: nsd/a.nii: damaged. Fetch it again.\n- and more\n")
    second.write_text("error: the disk is full\n")
    jobs = FailedJobs()
    for jobid, log in enumerate((first, second, first)):
        shown = failed(log, jobid)
        assert jobs.filter(shown)
        assert shown.shellcmd is None
    reported = "error: nsd/a.nii: damaged. Fetch it again.\n- and more\n\nerror: the disk is full"
    assert end(jobs) == reported


def test_a_job_that_was_tried_again_and_ended_well_is_not_reported(tmp_path):
    log = tmp_path / "fit.log"
    log.write_text("error: lost\n")
    jobs = FailedJobs()
    jobs.filter(failed(log, 1))
    jobs.filter(failed(tmp_path / "other.log", 2))
    jobs.filter(record(LogEvent.JOB_FINISHED, job_id=1))
    assert end(jobs) == failure("fit_encoding_models", [str(tmp_path / "other.log")])
    assert "may have been killed" in end(jobs)


def test_of_a_fault_in_the_code_the_end_of_the_log_is_shown(tmp_path):
    log = tmp_path / "fit.log"
    log.write_text("\n".join([f"line {n}" for n in range(100)] + ["ValueError: no message"]))
    reported = failure("fit_encoding_models", [str(log)])
    assert reported.startswith(
        f"error: a job of rule fit_encoding_models failed; the end of {log}:\n"
    )
    assert reported.endswith("line 99\nValueError: no message")
    assert "line 50\n" not in reported


# ---- configuration files, looked at before Snakemake reads them


UNREADABLE = {
    "a mapping in a value": ("study: a\nnsd: b: c\n", ["not valid YAML", "line 2"]),
    "an open list": ("study: a\nmodels: [a,\n", ["not valid YAML", "line 3"]),
    "a tab": ("study: a\nsplits:\n\tfolds: 5\n", ["not valid YAML", "line 3"]),
    "a key twice": ("study: a\nnsd: b\nstudy: c\n", ["the key study stands there twice", "line 3"]),
    "a key twice within": (
        "study: a\nsplits:\n  seed: 1\n  folds: 5\n  seed: 2\n",
        ["the key seed stands there twice", "line 5"],
    ),
    "nothing": ("", ["an empty configuration file"]),
    "a comment alone": ("# nothing yet\n", ["an empty configuration file"]),
    "a list": ("- a\n- b\n", ["expected keys and values"]),
    "one word": ("study\n", ["expected keys and values"]),
}


def refusal(*arguments: str, profile: str = "default") -> str:
    """The one line that a command of Snakemake in this folder ends with."""
    command = ["snakemake", "--dry-run", "--workflow-profile", f"profiles/{profile}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1, done.stdout
    using, *message = done.stderr.splitlines()
    assert using.startswith("Using workflow specific profile")
    (line,) = message
    return line


@pytest.mark.parametrize("content", UNREADABLE)
def test_a_configuration_that_cannot_be_read_is_reported_with_its_line(content, tmp_path):
    text, expected = UNREADABLE[content]
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        check_command(["--dry-run", "--configfile", str(path)])
    line = str(refused.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    for part in expected:
        assert part in line


@pytest.mark.parametrize("profile", sorted(path.name for path in (ROOT / "profiles").iterdir()))
def test_a_configuration_that_is_not_there_is_reported_with_every_profile(profile):
    line = refusal("--configfile", "config/nsb.yaml", profile=profile)
    assert line.startswith("error: config/nsb.yaml: not found.")


def test_a_folder_is_no_configuration():
    with pytest.raises(InputError, match=r"^config: a folder"):
        check_command(["--configfile", "config"])


@pytest.mark.parametrize("target", ["preflight", "results/nsd/tables/correlations.tsv"])
def test_targets_after_the_configuration_are_reported_where_to_stand(target):
    with pytest.raises(InputError, match=f"snakemake {target} --configfile config/nsd.yaml$"):
        check_command(["--cores", "2", "--configfile", "config/nsd.yaml", target, "-n"])


def test_one_configuration_laid_over_another_is_read(tmp_path):
    path = tmp_path / "seed.yaml"
    path.write_text("splits: {seed: 1}\n")
    check_command(["maps", "--configfile", str(ROOT / "config/demo.yaml"), str(path), "--cores=2"])


# ---- layers of a network


def layers_of(network: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", "layers", network, "--configfile", str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_layers_of_a_declared_network_are_listed_without_its_weights(tmp_path):
    mine = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    values = yaml.safe_load(TINY.read_text())
    values["networks"]["mine"] = mine
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(values))
    done = layers_of("mine", path)
    assert done.returncode == 0, done.stderr
    listed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert listed["fc7"] == "common name of classifier.5"
    assert listed["classifier.5"] == "ReLU"
    built = load_network({**mine, "weights": "untrained", "seed": 0}, device="cpu")
    assert {layer.name for layer in built.expand(map(Layer, listed))} == set(listed)


def test_layers_of_an_unknown_network_are_refused_with_near_names():
    done = layers_of("clip_rn5", ROOT / "config/demo.yaml")
    assert done.returncode == 1
    assert "networks: unknown name 'clip_rn5'; did you mean clip_rn50" in said(done)


# ---- warnings


def test_weights_that_nobody_asked_for_are_not_missed(caplog):
    untrained = {"architecture": "RN50-quickgelu", "stimulus": "image", "weights": "untrained"}
    network_cost(
        {"library": "open_clip", **untrained, "weights": "pretrained"}, [Layer("embedding")]
    )
    load_network({"library": "open_clip", **untrained, "seed": 0}, device="cpu")
    assert "No pretrained weights" not in caplog.text
    # nothing else is hushed, and nothing later
    logging.warning("No pretrained weights loaded for model 'RN50'")
    assert "No pretrained weights" in caplog.text


def test_no_stage_of_a_whole_study_warns(study):
    logs = sorted((study.directory / "results").rglob("*.log"))
    assert len(logs) > 50
    lines = [(log.name, line) for log in logs for line in log.read_text().splitlines()]
    assert [reported for reported in lines if "warning" in reported[1].lower()] == []


# ---- what is shown of a job while it runs


def shown_of(parts: list[str], log: Path, monkeypatch) -> str:
    """What is shown of output that comes in these parts."""
    coming, shown = [part.encode() for part in parts], []
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", lambda source, n: coming.pop(0) if coming else b"")
        patch.setattr(os, "write", lambda target, text: shown.append(text))
        copy_output(0, str(log), 1)
    return b"".join(shown).decode()


MESSAGE = "error: the disk is full\nFree space.\n"


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "said", ["", "begun\n", "begun\n\nerr\n", "no error: of ours\n", "bar  0%\r"]
)
def test_a_message_is_left_to_the_end_of_the_run_and_is_in_the_log(
    said, size, tmp_path, monkeypatch
):
    said += "\n" * (not said.endswith("\n") and bool(said))
    text = said + MESSAGE
    parts = [text[n : n + size] for n in range(0, len(text), size)]
    assert shown_of(parts, tmp_path / "log", monkeypatch) == said
    assert (tmp_path / "log").read_text() == text.replace("\r", "\n") or "\r" in text


@pytest.mark.parametrize("size", [1, 1000])
def test_output_without_a_message_is_shown_whole(size, tmp_path, monkeypatch):
    text = "begun\nerror\nbar 1%\rbar 2%\rno newline at the end\nerr"
    parts = [text[n : n + size] for n in range(0, len(text), size)]
    assert shown_of(parts, tmp_path / "log", monkeypatch) == text


def test_a_message_that_the_log_cannot_take_is_shown_at_once(tmp_path, monkeypatch):
    shown = shown_of(["begun\n", MESSAGE], tmp_path / "missing/log", monkeypatch)
    assert shown.startswith("begun\n")
    assert shown.endswith(MESSAGE)
    assert "No such file" in shown
