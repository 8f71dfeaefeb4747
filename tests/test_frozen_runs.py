"""What ran is what is recorded, whatever is edited meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ENVIRON, ROOT, Study, branch, rewrite
from runs import frozen, run_file

from pipeline.configuration.reading import parse_configuration, read_configuration
from pipeline.errors import InputError
from pipeline.jobs.code_version import code_version
from pipeline.jobs.frozen_run import (
    RUN,
    freeze,
    frozen_text,
    look_up,
    read_run,
    setting,
    setting_text,
)
from pipeline.jobs.job_settings import study_run
from pipeline.results.audit import audit_record, differences
from pipeline.results.provenance import read_provenance, read_record
from pipeline.results.storage import read_result, write_result

FIT = "encoding/subj01/all/bert.h5"
# what a fit is followed by, in another job
TEST = "significance/subj01/all/bert.h5"
PATIENCE = 300


# ---- the file


def test_a_run_is_frozen_once_and_never_overwritten(tmp_path):
    path = freeze(tmp_path / "runs", "study: mine\n")
    before = path.stat()
    assert freeze(tmp_path / "runs", "study: mine\n") == path
    assert path.stat() == before
    assert freeze(tmp_path / "runs", "study: another\n") != path
    assert path.read_text() == "study: mine\n"


def test_a_frozen_run_that_was_edited_is_refused(tmp_path):
    path = freeze(tmp_path / "runs", "study: mine\n")
    path.write_text("study: another\n")
    read_run.cache_clear()
    with pytest.raises(InputError, match=rf"{path}: was edited"):
        freeze(tmp_path / "runs", "study: mine\n")


def test_settings_are_found_by_their_key():
    run = {"configuration": {"rois": ["a"]}, "settings": {"fits": {"all": {"bert": ["bert"]}}}}
    assert look_up(run, "rois") == ["a"]
    assert look_up(run, "fits.all.bert") == ["bert"]
    assert look_up(run, "fits.all:bert") == {"bert": ["bert"]}
    assert look_up(run, "configuration") == {"rois": ["a"]}
    for key in ("fits.some", "fits.all:clip", "rois.a", "settings"):
        with pytest.raises(InputError, match=f"no setting {key}"):
            look_up(run, key)


CONFIGURATIONS = [
    path
    for path in sorted((ROOT / "config").glob("*.yaml"))
    if "study" in yaml.safe_load(path.read_text())
]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_frozen_configuration_is_the_configuration(path):
    study = read_configuration(path)
    frozen = yaml.safe_load(frozen_text(study_run(study, {})))
    assert parse_configuration(frozen["configuration"]) == study
    assert study_run(parse_configuration(frozen["configuration"]), {}) == frozen


# ---- code


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('"""Another."""\nX = 1  # why\n\n\ndef f(a, b):\n    return a + b\n', True),
        ("X = 1\ndef f(a,\n      b):\n    '''Adds.'''\n    return (a + b)\n", True),
        ("X = 1\n'One.'\ndef f(a, b):\n    return a + b\n", True),
        ("X = 2\ndef f(a, b):\n    return a + b\n", False),
        ("X = None\ndef f(a, b):\n    return a + b\n", False),
        ("X = 1\ndef f(a, b):\n    return b + a\n", False),
        ("X = 1\ndef f(a, b):\n    'kept'.lower()\n    return a + b\n", False),
    ],
)
def test_code_is_hashed_without_comments_docstrings_and_layout(tmp_path, text, same):
    before = '"""Fits."""\nX = 1\n\n\ndef f(a, b):\n    return a + b\n'
    versions = set()
    for name, source in (("before", before), ("after", text)):
        (tmp_path / name / "pipeline").mkdir(parents=True)
        (tmp_path / name / "pipeline/fit.py").write_text(source)
        versions.add(code_version("pipeline.fit", tmp_path / name))
    assert (len(versions) == 1) == same


# ---- edits in mid-run


@pytest.fixture
def begun(study, checkout, tmp_path) -> Study:
    """A study of which a fit and its tests are to be made anew, by a checkout of its own."""
    copy = branch(study, tmp_path / "study", "tiny.yaml")
    for name in (FIT, TEST):
        (copy.results / name).unlink()
    return replace(copy, checkout=checkout)


def waiting_for(folder: Path, command: str) -> str:
    """A script, to be run before a command, that goes on when the folder has a file `go`."""
    return f"touch {folder}/waits; while [ ! -e {folder}/go ]; do sleep 0.1; done; {command}"


def while_it_waits(
    study: Study, do: Callable[[], Any], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the workflow, do something when its first job is about to start, and let it go on."""
    environ = {**ENVIRON, "PYTHONPATH": str(study.checkout)}
    command = study.command(f"results/tiny/{TEST}", *arguments)
    with (study.directory / "run.log").open("w") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        try:
            deadline = time.time() + PATIENCE
            while not (study.directory / "waits").exists() and run.poll() is None:
                assert time.time() < deadline
                time.sleep(0.1)
            do()
            (study.directory / "go").touch()
            run.wait(PATIENCE)
        finally:
            run.kill()
    said = (study.directory / "run.log").read_text()
    return subprocess.CompletedProcess(command, run.returncode, said, "")


def locally(study: Study) -> tuple[str, ...]:
    """Options with which a local run's first job waits: its interpreter is found by PATH."""
    python = study.directory / "bin/python"
    python.parent.mkdir()
    interpreter = shutil.which("python", path=ENVIRON["PATH"])
    job = waiting_for(study.directory, f'exec {interpreter} "$@"')
    python.write_text(f"#!/bin/bash\n{job}\n")
    python.chmod(0o755)
    return ("--cores", "1")


def through_a_scheduler(study: Study) -> tuple[str, ...]:
    """Options with which jobs read the workflow anew, as on a node, and the first one waits."""
    submit, status = study.directory / "submit.sh", study.directory / "status.sh"
    job = waiting_for(study.directory, 'bash "$1"')
    ended = f"{study.directory}/ended"
    job += f"; echo $? > {ended}.$BASHPID"
    submit.write_text(f"#!/bin/bash\n({job}) > {study.directory}/job.log 2>&1 &\necho $!\n")
    status.write_text(
        f"#!/bin/bash\ncase $(cat {ended}.$1 2> /dev/null) in\n"
        "'') echo running ;; 0) echo success ;; *) echo failed ;;\nesac\n"
    )
    for script in (submit, status):
        script.chmod(0o755)
    return (
        *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit)),
        *("--jobs", "1", "--latency-wait", "5", "--show-failed-logs", "--retries", "0"),
        *("--cluster-generic-status-cmd", str(status), "--seconds-between-status-checks", "1"),
    )


@pytest.fixture(params=[locally, through_a_scheduler])
def run(request, begun) -> Callable[[Callable[[], Any]], subprocess.CompletedProcess[str]]:
    """Run the study while something is done when its first job is about to start."""
    options = request.param(begun)

    def start(do: Callable[[], Any]) -> subprocess.CompletedProcess[str]:
        if request.param is locally:
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(ENVIRON, "PATH", f"{begun.directory}/bin:{ENVIRON['PATH']}")
                return while_it_waits(begun, do, *options)
        return while_it_waits(begun, do, *options)

    return start


def fewer_band_weightings(values: dict) -> None:
    values["encoding"]["band_weight_samples"] = 4
    values["encoding"]["alphas"]["number"] = 3


def test_a_configuration_edited_in_mid_run_changes_nothing(run, begun, study):
    before = set((begun.results / "runs").iterdir())
    done = run(lambda: begun.edit(fewer_band_weightings))
    assert done.returncode == 0, done.stdout[-5000:]
    alone = read_result(study.results / FIT)
    found = read_result(begun.results / FIT)
    assert found.provenance == alone.provenance
    assert set((begun.results / "runs").iterdir()) == before
    # what it recorded is what ran: the edit is still to be computed
    assert "fit_encoding_models" in begun.planned(f"results/tiny/{TEST}")
    rewrite(begun.configuration, study.configuration.read_text())
    assert begun.planned(f"results/tiny/{TEST}") == {}


def run_while_edited(run, begun, template: str) -> subprocess.CompletedProcess[str]:
    """Run the study while a module of the engine is edited; it is put back afterwards."""
    source = begun.checkout / "encoding/scores.py"
    text = source.read_text()
    try:
        return run(lambda: source.write_text(template.format(text)))
    finally:
        source.write_text(text)


def test_code_edited_in_mid_run_stops_the_job_that_imports_it(run, begun):
    done = run_while_edited(run, begun, "{}\nHALF = 2\n")
    assert done.returncode != 0
    assert "the code of fit_encoding_models is not that with which the run began" in done.stdout
    assert "encoding/scores.py changed" in done.stdout
    assert not (begun.results / FIT).exists()


def test_comments_edited_in_mid_run_stop_nothing(run, begun):
    done = run_while_edited(run, begun, "# a remark\n{}")
    assert done.returncode == 0, done.stdout[-5000:]


def test_modules_in_the_folder_of_the_study_are_not_imported(finished):
    (finished.results / TEST).unlink()
    (finished.directory / "encoding").mkdir()
    (finished.directory / "encoding/__init__.py").write_text("raise ImportError('another')\n")
    finished.snakemake(f"results/tiny/{TEST}")


def test_rules_edited_in_mid_run_stop_jobs_that_read_them_anew(begun):
    source = begun.checkout / "pipeline/rules/encoding.smk"
    text = source.read_text()
    options = through_a_scheduler(begun)
    try:
        done = while_it_waits(begun, lambda: source.write_text(f"{text}\nX = 1\n"), *options)
    finally:
        source.write_text(text)
    assert done.returncode != 0
    reported = (begun.directory / "job.log").read_text()
    assert "pipeline/rules/encoding.smk: changed since the run began" in reported


def test_a_dry_run_beside_a_running_study_disturbs_nothing(run, begun, study):
    def look() -> None:
        other = begun.directory / "other.yaml"
        other.write_text(begun.configuration.read_text())
        beside = replace(begun, configuration=other)
        beside.edit(fewer_band_weightings)
        before = files(begun)
        assert "fit_encoding_models" in beside.planned()
        assert files(begun) == before

    done = run(look)
    assert done.returncode == 0, done.stdout[-5000:]
    assert read_provenance(begun.results / FIT) == read_provenance(study.results / FIT)


def files(study: Study) -> dict[Path, int]:
    """Everything that a run has written, with its dates."""
    folders = (study.results, study.directory / ".snakemake/metadata")
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in found}


# ---- what is recorded


def test_every_result_records_settings_and_code(study):
    run = read_run(run_file(study.results))
    others = "rois/subj01.json", "checked/networks.json", "maps/subj01/all/index.json"
    for name in (FIT, TEST, *others, "report/subj01.json", "report/study.json"):
        made = read_record(study.results / name)
        assert made["code"] == run["stages"][made["stage"]], name
        assert made["settings"], name
        assert list(audit_record(study.results / name, run)) == []


@pytest.fixture
def finished(study, tmp_path) -> Study:
    return branch(study, tmp_path / "study", "tiny.yaml")


def remade(path: Path, change: Callable[[dict], None]) -> None:
    """A result of another run: whole, its provenance changed."""
    result = read_result(path)
    change(result.provenance)
    path.unlink()
    write_result(path, result.data, result.provenance)


def test_the_audit_names_settings_and_code_that_differ(finished):
    def other_settings(provenance):
        provenance["settings"]["significance"]["draws"] = 4

    def other_code(provenance):
        provenance["code"] = "0" * 12

    def no_record(provenance):
        del provenance["settings"], provenance["code"]

    # nothing is made of them that would tell
    changes = {
        "significance/subj03/all/alexnet_conv3.h5": other_code,
        "significance/subj03/all/bert.h5": other_settings,
        "significance/subj03/all/alexnet.h5": no_record,
    }
    for name, change in changes.items():
        remade(finished.results / name, change)
    done = finished.snakemake("audit", "--rerun-triggers", "code", check=False)
    recorded = done.stdout + done.stderr
    assert done.returncode != 0
    requested = yaml.safe_load(finished.configuration.read_text())["significance"]["draws"]
    assert f"was made with significance.draws 4; the study has {requested}" in recorded
    assert (
        "alexnet_conv3.h5: was made by other code of assess_significance than the study's"
        in recorded
    )
    assert "alexnet.h5: records neither its settings nor its code" in recorded


def test_differences_are_named_by_their_place():
    found = differences({"a": {"b": 1, "c": [1]}}, {"a": {"b": 2, "c": [1]}}, "key")
    assert list(found) == [("key.a.b", "1", "2")]


# ---- copies, and what a shell shows


@pytest.mark.parametrize("dated", ["as before", "anew"])
def test_a_finished_study_that_was_copied_reruns_nothing(study, tmp_path, dated):
    """`cp -a` keeps dates, `cp -r` does not: then `--touch` tells Snakemake that all is well."""
    copy = shutil.copy2 if dated == "as before" else shutil.copy
    shutil.copytree(study.directory, tmp_path / "copy", copy_function=copy)
    copied = Study(tmp_path / "copy", tmp_path / "copy/tiny.yaml")
    if dated == "anew":
        # whichever order the files were copied in
        sources = sorted((path for path in copied.directory.rglob("*.h5")), reverse=True)
        for number, path in enumerate(sources):
            os.utime(path, (time.time() - number, time.time() - number))
        copied.snakemake("--touch")
    assert copied.planned() == {}
    assert copied.snakemake("audit").returncode == 0


def test_a_refused_preflight_does_not_show_the_configuration(finished):
    shutil.rmtree(finished.nsd / "nsddata_betas")
    done = finished.snakemake("preflight", check=False)
    assert done.returncode != 0
    assert "band_weight_samples" not in done.stdout + done.stderr


def test_a_setting_has_one_order_whatever_that_of_the_configuration(tmp_path, monkeypatch):
    """What a job draws in turn must not depend on what Snakemake cannot see."""
    for order in (["clip", "bert"], ["bert", "clip"]):
        run = frozen(tmp_path / order[0], planted={name: {"b": 1, "a": 2} for name in order})
        monkeypatch.setenv(RUN, run[RUN])
        found = setting("planted")
        assert list(found) == ["bert", "clip"]
        assert list(found["clip"]) == ["a", "b"]


def test_pages_list_comparisons_as_configured():
    for order in (["second", "first"], ["first", "second"]):
        run = {"configuration": {"comparisons": {name: ["a"] for name in order}}, "settings": {}}
        assert list(json.loads(setting_text(run, "configuration"))["comparisons"]) == order
        assert setting_text(run, "comparisons") == '{"first":["a"],"second":["a"]}'
