"""What jobs ask a scheduler for is what they are estimated to need, with room to spare."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from conftest import ROOT, Study

from pipeline.configuration import Configuration, parse_configuration
from pipeline.job_resources import LEAST_MB, LEAST_MINUTES, TIME_FACTOR, JobResources
from pipeline.manifest import read_manifest

SCALE = ROOT / "docs/scale.md"
IMAGES = 70_566
WIDTHS = {"clip_rn50": 1024, "resnet50": 2048, "bert": 768}
THREE = "clip_rn50_resnet50_bert"
JOB = {"subject": "subj01", "variant": "all", "fit": THREE}


def study_of(**changes: object) -> Configuration:
    values = yaml.safe_load((ROOT / "config/nsd.yaml").read_text())
    return parse_configuration({**values, **changes})


def resources_of(**changes: object) -> JobResources:
    return JobResources(study_of(**changes), read_manifest(ROOT / "data_manifest.yaml"))


def feature_files(folder: Path, widths: dict[str, int]) -> SimpleNamespace:
    """Files as large as features of all NSD's images, which take no room."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{space}.h5" for space in widths]
    for path, width in zip(paths, widths.values(), strict=True):
        path.touch()
        os.truncate(path, 4 * IMAGES * width)
    return SimpleNamespace(features=paths)


def fit_minutes(tmp_path: Path, threads: int = 8, **changes: object) -> int:
    files = feature_files(tmp_path, WIDTHS)
    return resources_of(**changes).minutes("fit_encoding_models", JOB, files, threads)


@pytest.mark.parametrize(
    ("row", "fit", "mask"),
    [
        ("two spaces and both alone, nsdgeneral", "clip_rn50_vs_resnet50", "nsdgeneral"),
        ("two spaces and both alone, cortex", "clip_rn50_vs_resnet50", "cortex"),
        ("three spaces and all seven subsets, nsdgeneral", THREE, "nsdgeneral"),
        ("three spaces and all seven subsets, cortex", THREE, "cortex"),
    ],
)
def test_a_fit_asks_for_thrice_the_time_that_the_documentation_says(tmp_path, row, fit, mask):
    """Of spaces of 512 features, on one core."""
    hours = float(re.search(rf"\| {row} \| ([\d.]+) \|", SCALE.read_text())[1])
    study = resources_of(responses={**study_of().responses.model_dump(), "mask": mask})
    spaces = study.study.contrasts[fit]
    files = feature_files(tmp_path, dict.fromkeys(spaces, 512))
    minutes = study.minutes("fit_encoding_models", {**JOB, "fit": fit}, files, 1)
    assert minutes == pytest.approx(max(LEAST_MINUTES, TIME_FACTOR * hours * 60), rel=0.05)


def test_a_job_asks_for_less_time_the_more_threads_and_chunks_and_the_fewer_voxels(tmp_path):
    whole = fit_minutes(tmp_path)
    assert fit_minutes(tmp_path, threads=4) == pytest.approx(2 * whole, rel=0.01)
    parts = fit_minutes(tmp_path, scatter={"voxel_chunks": 4})
    # every part factorises the features again
    assert whole / 4 < parts < whole / 2
    responses = {**study_of().responses.model_dump(), "mask": "nsdgeneral"}
    assert fit_minutes(tmp_path, responses=responses) < whole / 3


def test_a_fit_asks_for_its_solvers_budget_and_the_largest_space_that_it_reads(tmp_path):
    files = feature_files(tmp_path, WIDTHS)
    encoding = study_of().encoding.model_dump()
    asked = [
        resources_of(encoding={**encoding, "memory_gb": budget}).megabytes(rule, JOB, files)
        for budget in (8, 20)
        for rule in ("fit_encoding_models", "project_voxels")
    ]
    largest = 4 * IMAGES * max(WIDTHS.values()) / 1e6
    assert asked[0] == pytest.approx(1.25 * (9000 + largest), rel=0.01)
    assert asked[1] == pytest.approx(asked[0], rel=0.01)
    assert asked[2] - asked[0] == pytest.approx(1.25 * 12_000, abs=2)


def test_small_jobs_ask_for_what_every_job_needs():
    partition = resources_of()
    assert partition.minutes("partition_variance", JOB, None, 1) == LEAST_MINUTES
    assert partition.megabytes("partition_variance", JOB, None) == LEAST_MB


def test_a_size_that_is_not_known_yet_is_no_number(tmp_path):
    absent = SimpleNamespace(features=[tmp_path / f"{space}.h5" for space in WIDTHS])
    with pytest.raises(FileNotFoundError):
        resources_of().minutes("fit_encoding_models", JOB, absent, 8)


def test_a_dry_run_tells_what_each_job_of_nsd_asks_for(tmp_path):
    """Of a workflow at its beginning but for features, whose sizes tell how long a fit takes."""
    dry = Study(tmp_path, ROOT / "config/nsd.yaml")
    design = tmp_path / "data/nsd/nsddata/experiments/nsd/nsd_expdesign.mat"
    design.parent.mkdir(parents=True)
    design.touch()
    feature_files(tmp_path / "results/features/nsd", WIDTHS)
    target = f"results/nsd/significance/subj01/all/{THREE}.h5"
    slurm = ("--set-threads", "fit_encoding_models=8", "assess_significance=4", "--cores", "8")
    said = dry.snakemake("--dry-run", "--rerun-triggers", "mtime", *slurm, target).stdout
    asked = {
        rule: {name: int(n) for name, n in re.findall(r"(runtime|mem_mb)=(\d+)", text)}
        for rule, text in re.findall(r"rule (\w+):\n((?:    .*\n)*)", said)
    }
    assert asked["fit_encoding_models"] == {
        "runtime": resources_of().minutes(
            "fit_encoding_models", JOB, feature_files(tmp_path / "again", WIDTHS), 8
        ),
        "mem_mb": pytest.approx(1.25 * (9000 + 4 * IMAGES * 2048 / 1e6), rel=0.01),
    }
    # hours, not minutes or days
    assert 120 < asked["fit_encoding_models"]["runtime"] < 600
    assert LEAST_MINUTES <= asked["assess_significance"]["runtime"] < 120
    assert asked["assess_significance"]["mem_mb"] == LEAST_MB
    assert asked["average_responses"]["mem_mb"] == LEAST_MB
