"""The project installs, and runs, the same way for users of pip, conda and clusters."""

from __future__ import annotations

import re
import subprocess
import tomllib
from types import SimpleNamespace

import pytest
import yaml
from conftest import ROOT, TINY, Study, branch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import Channel, MatchSpec
from snakemake.utils import format

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_installs_what_the_project_declares():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    extras = PROJECT["optional-dependencies"]
    assert pip == [*PROJECT["dependencies"], *extras["demo"], *extras["cluster"]]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {key: citation[key] for key in ("version", "license")} == {
        key: PROJECT[key] for key in ("version", "license")
    }


def test_a_conda_reader_understands_every_line_of_the_environment():
    """Rattler's, which pixi solves by; strictly, where conda would guess."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    python, installer = (MatchSpec(line, strict=True) for line in conda)
    assert (python.name.normalized, installer.name.normalized) == ("python", "pip")
    assert str(python.version).replace("*", "0") in SpecifierSet(PROJECT["requires-python"])
    assert [Channel(name).name for name in environment["channels"]] == environment["channels"]
    # conda hands these to pip; a user may move any to its own list
    for line in pip["pip"]:
        name = MatchSpec(line, strict=True).name.normalized
        assert name == Requirement(line).name.lower()


def test_another_scheduler_runs_jobs_by_its_own_command(study, tmp_path):
    """Here the scheduler is a shell that prints an id and runs each job at once."""
    copy = branch(study, tmp_path / "study", "tiny.yaml")
    table = copy.results / "tables/correlations.tsv"
    before = table.read_bytes()
    table.unlink()
    profile = ("--workflow-profile", str(ROOT / "profiles/generic"), "--latency-wait", "5")
    target = "results/tiny/tables/correlations.tsv"
    done = copy.snakemake(target, *profile, "--cluster-generic-submit-cmd", "echo 7; sh")
    assert "external jobid '7'" in done.stdout + done.stderr
    assert table.read_bytes() == before


def test_another_scheduler_is_asked_for_hours_in_seconds(tmp_path):
    profile = (ROOT / "profiles/generic/config.yaml").read_text()
    (command,) = re.findall(r"^cluster-generic-submit-cmd: >-\n +(.+)$", profile, re.MULTILINE)
    resources = SimpleNamespace(mem_mb=3000, runtime=150)
    asked = format(command, rule="fit_weights", threads=4, resources=resources)
    (tmp_path / "qsub").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "qsub").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", asked], env=environment, capture_output=True, text=True)
    assert done.stdout == "-V -N fit_weights -l ncpus=4 -l mem=3000mb -l walltime=9000\n"


@pytest.mark.workflow
def test_no_gpu_is_asked_of_another_scheduler_unless_its_profile_is_reported_to(tmp_path):
    """Every job has a number of them, so that the profile's command may name it."""
    dry = Study(tmp_path, TINY)
    profile = ("--workflow-profile", str(ROOT / "profiles/generic"))
    said = dry.snakemake("features", "--dry-run", *profile).stdout
    asked = re.findall(r"^ *rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", said, re.MULTILINE)
    assert {"extract_features", "reduce_features"} <= {rule for rule, _ in asked}
    assert {text for text in asked if not re.search(r"\bgpu=0\b", text[1])} == set()
