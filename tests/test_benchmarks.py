"""Benchmarks are run seldom: on a small brain, the stages they call still take what they give."""

from __future__ import annotations

import importlib
import re
import sys

import nibabel
import pytest

from benchmarks import full_size_report, gpu, refits
from pipeline.configuration.reading import parse_configuration
from pipeline.jobs.frozen_run import RUN
from pipeline.nsd.layout import NSDLayout

pytestmark = pytest.mark.workflow


def test_the_report_of_the_benchmarks_subject_is_made_of_a_coarse_brain(tmp_path, monkeypatch):
    coarse = {"GRID": (27, 35, 28), "EDGE": 5.4, "DIVISIONS": 0, "MNI_GRID": (60, 60, 60)}
    for name, value in coarse.items():
        monkeypatch.setattr(full_size_report, name, value)
    layout = NSDLayout(tmp_path / "nsd")
    voxel = full_size_report.write_tree(layout)
    mean = layout.mean_image(full_size_report.SUBJECT, full_size_report.SPACE)
    study = parse_configuration(full_size_report.configuration(2, 1, layout.root))
    full_size_report.write_results(study, tmp_path, voxel, nibabel.load(mean).affine)
    # which the benchmark sets
    monkeypatch.setenv(RUN, "")
    for stage, *arguments in full_size_report.stages(study, tmp_path):
        monkeypatch.setattr(sys, "argv", [stage, *arguments])
        importlib.import_module(f"pipeline.stages.{stage}").main()
    pages = {path.name for path in (tmp_path / "report").glob("*.html")}
    assert {"index.html", "subj01.html", "comparisons.html"} <= pages


def test_a_refit_is_timed_beside_its_fit(monkeypatch, capsys):
    arguments = ["--images", "120", "--widths", "10+12", "--voxels", "40"]
    monkeypatch.setattr(sys, "argv", ["refits", *arguments])
    refits.main()
    printed = capsys.readouterr().out
    assert "| refit and prediction |" in printed
    assert float(re.search(r"apart by at most (\S+)", printed)[1]) < 1e-5


def test_two_devices_are_compared(monkeypatch, capsys):
    arguments = ["--images", "100", "--widths", "8+8", "--voxels", "30", "--extracted", "2"]
    monkeypatch.setattr(sys, "argv", ["gpu", *arguments])
    gpu.main()
    rows = re.findall(r"^\| (.+?) \| (\S+) \| (\S+) \| (\S+) \|$", capsys.readouterr().out, re.M)
    assert [name for name, *_ in rows] == list(gpu.ROWS)
    assert all(float(value) > 0 for _, *values in rows for value in values)
