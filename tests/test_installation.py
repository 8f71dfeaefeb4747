"""The project installs, and runs, the same way for users of pip, conda and clusters."""

from __future__ import annotations

import tomllib

import yaml
from conftest import ROOT, branch

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_installs_what_the_project_declares():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    extras = PROJECT["optional-dependencies"]
    assert pip == [*PROJECT["dependencies"], *extras["demo"], *extras["cluster"]]


def test_another_scheduler_runs_jobs_by_its_own_command(study, tmp_path):
    """Here the scheduler is a shell that runs each job at once."""
    copy = branch(study, tmp_path / "study", "tiny.yaml")
    table = copy.results / "tables/correlations.tsv"
    before = table.read_bytes()
    table.unlink()
    profile = ("--workflow-profile", str(ROOT / "profiles/generic"), "--latency-wait", "5")
    target = "results/tiny/tables/correlations.tsv"
    done = copy.snakemake(target, *profile, "--cluster-generic-submit-cmd", "sh")
    assert "external jobid" in done.stdout + done.stderr
    assert table.read_bytes() == before
