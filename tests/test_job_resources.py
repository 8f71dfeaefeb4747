"""What jobs ask a scheduler for is what they are estimated to need, with room to spare."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from conftest import ROOT, TINY, Study, rewrite

from encoding.ridge.backend import Arrays
from encoding.ridge.design import Design
from encoding.ridge.grid import SearchGrid
from encoding.ridge.memory import Plan, sufficient_memory
from encoding.ridge.problem import Problem
from encoding.variance_partitioning import model_name
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.estimates.resources import (
    MIN_MINUTES,
    TIME_FACTOR,
    fit,
    job_megabytes,
    refit,
    solver_megabytes,
    solver_memory,
    solving_minutes,
)
from pipeline.estimates.study_size import SubjectSize, part_of, subject_size
from pipeline.fits.solver_needs import solver_needs
from pipeline.jobs.machine import machine_memory
from pipeline.nsd.manifest import read_manifest

IMAGES = 10_000
WIDTHS = {"clip_rn50": 1024, "resnet50": 2048, "bert": 768}
THREE = "clip_rn50_resnet50_bert"


MANIFEST = read_manifest(ROOT / "data_manifest.yaml")


def study_of(**changes: object) -> Configuration:
    values = yaml.safe_load((ROOT / "config/nsd.yaml").read_text())
    return parse_configuration({**values, **changes})


def masked(mask: str) -> dict[str, object]:
    return {**study_of().responses.model_dump(), "mask": mask}


def feature_files(folder: Path, widths: Mapping[str, int]) -> list[Path]:
    """Features of a subject's images, never written."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{space}.h5" for space in widths]
    for path, width in zip(paths, widths.values(), strict=True):
        with h5py.File(path, "w") as file:
            file.create_dataset("features", (IMAGES, width), np.float32)
    return paths


def part(study: Configuration) -> SubjectSize:
    """What a fit has of NSD's first subject."""
    subject = subject_size(study, MANIFEST, "subj01")
    return part_of(study, subject, "all", study.scatter.voxel_chunks)


def megabytes(study: Configuration, files: Sequence[Path], threads: int = 8) -> int:
    return job_megabytes(study, part(study), files, threads)


def minutes(files: Sequence[Path], threads: int = 8, **changes: object) -> int:
    """What a fit of NSD's first subject asks for."""
    study = study_of(**changes)
    return solving_minutes(fit, study, part(study), files, threads)


@pytest.mark.parametrize(
    ("hours", "fit", "mask"),
    [
        (0.089, "clip_rn50_vs_resnet50", "nsdgeneral"),
        (0.55, "clip_rn50_vs_resnet50", "cortex"),
        (0.20, THREE, "nsdgeneral"),
        (1.2, THREE, "cortex"),
    ],
)
def test_a_fit_asks_for_thrice_the_time_that_it_is_estimated_to_take(tmp_path, hours, fit, mask):
    """Core hours are those of docs/scale.md: spaces of 512 features, on one core."""
    files = feature_files(tmp_path, dict.fromkeys(study_of().comparisons[fit], 512))
    asked = minutes(files, 1, responses=masked(mask))
    assert asked == pytest.approx(max(MIN_MINUTES, TIME_FACTOR * hours * 60), rel=0.05)


def test_a_job_asks_for_less_time_the_more_threads_and_chunks_and_the_fewer_voxels(tmp_path):
    files = feature_files(tmp_path, WIDTHS)
    whole = minutes(files)
    assert minutes(files, threads=4) == pytest.approx(2 * whole, rel=0.01)
    parts = minutes(files, scatter={"voxel_chunks": 4})
    # every part factorises the features again
    assert whole / 4 < parts < whole / 2
    assert minutes(files, 1, responses=masked("nsdgeneral")) < 8 * whole / 3


def test_a_large_fit_asks_for_its_solvers_budget_and_the_features_that_it_reads(tmp_path):
    files = feature_files(tmp_path, WIDTHS)
    encoding = study_of().encoding.model_dump()
    asked = [
        megabytes(study_of(encoding={**encoding, "memory_gb": budget}), files) for budget in (8, 20)
    ]
    features = 4 * IMAGES * (2 * sum(WIDTHS.values()) + max(WIDTHS.values())) / 1e6
    assert asked[0] == pytest.approx(1.5 * (8250 + features), rel=0.01)
    assert asked[1] - asked[0] == pytest.approx(1.5 * 12_000, abs=2)


def test_a_small_fit_asks_for_what_it_needs_and_no_budget(tmp_path):
    encoding = study_of().encoding.model_dump()
    one = feature_files(tmp_path, {"bert": 768})
    asked = [
        megabytes(study_of(encoding={**encoding, "memory_gb": budget}), one, 2)
        for budget in (8, 20)
    ]
    assert asked[0] == asked[1] < 1.5 * 4000
    assert megabytes(study_of(), one, 8) > asked[0]


# largest resident memory of the demo's fits with a smaller brain, as the workflow measured it, in
# megabytes
MEASURED = {"sessions": 2, "grid": [21, 26, 19]}
PEAKS = {
    ("clip_rn50",): 288,
    ("bert",): 276,
    ("alexnet",): 375,
    ("clip_rn50", "alexnet"): 534,
    ("resnet50", "bert"): 375,
    ("clip_rn50", "resnet50", "bert"): 402,
}


@pytest.mark.parametrize("spaces", PEAKS)
def test_memory_is_estimated_within_a_factor_of_what_the_demo_took(spaces):
    """With two threads; the demo asks for a budget of two gigabytes and uses a quarter."""
    values = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    values["simulation"]["subjects"]["subj01"] = MEASURED
    demo = parse_configuration(values)
    whole = part_of(demo, subject_size(demo, MANIFEST, "subj01"), "all", 1)
    of_demo = {"clip_rn50": 1024, "resnet50": 2048, "bert": 384, "alexnet": 4096}
    estimated = solver_memory(demo, whole, [of_demo[space] for space in spaces], 2) / 1e6
    assert estimated / 1.5 < PEAKS[spaces] < estimated


def test_what_a_solver_wants_is_what_it_plans_with(tmp_path):
    """With so much it keeps all decompositions and takes the voxels in one block."""
    rng = np.random.default_rng(0)
    bands = {name: rng.normal(size=(120, width)) for name, width in (("a", 20), ("b", 30))}
    folds, encoding = np.arange(120) % 5, study_of().encoding
    alphas = encoding.alphas.values()
    weights = rng.dirichlet(np.ones(2), encoding.band_weight_samples)
    problem = Problem.of_one_model(bands, np.zeros((120, 600)), folds, alphas, weights)
    arrays = Arrays(workers=2)
    grid = SearchGrid.of(problem, Design(list(bands.values()), folds, arrays))
    needs = solver_needs(encoding, 5, 120, 600, [20, 30], 2)
    assert needs == pytest.approx(sufficient_memory(grid, 1, 600, encoding.search), rel=0.01)
    plan = Plan.of(grid, 1, needs, encoding.search)
    assert plan.candidates == encoding.band_weight_samples
    assert plan.block_voxels >= 600


def test_a_size_that_is_not_known_yet_is_no_number(tmp_path):
    """Snakemake knows by the file's name that it is to come."""
    files = [str(tmp_path / f"{space}.h5") for space in WIDTHS]
    with pytest.raises(FileNotFoundError) as absent:
        minutes(files)
    assert absent.value.filename in files


@pytest.mark.parametrize("voxels", [15_724, 107_104])
def test_a_refit_takes_a_tenth_of_a_fit_or_less(voxels):
    size = replace(part(study_of()), voxels=voxels)
    for widths in (WIDTHS, {"clip_rn50": 1024, "resnet50": 2048}):
        assert refit(study_of(), size, widths).core_seconds < 0.1 * (
            fit(study_of(), size, widths).core_seconds
        )


@pytest.mark.workflow
def test_a_dry_run_of_a_study_that_was_not_begun_states_that_sizes_are_to_come(tmp_path):
    said = Study(tmp_path, TINY).snakemake("--dry-run", "encoding").stdout
    fits = re.findall(r"rule fit_encoding_models:\n((?:    .*\n)*)", said)
    assert len(fits) == 12
    assert all("solver_mb=<TBD>" in fit for fit in fits)


def test_the_workflow_starts_without_the_libraries_of_networks():
    """Every job of a study reads the workflow."""
    program = "import sys; import pipeline.estimates.resources; print('torch' in sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["False"]


def study_of_nsd(folder: Path) -> Study:
    """A study of real data of which only the file that stands for NSD is there."""
    design = folder / "data/nsd/nsddata/experiments/nsd/nsd_expdesign.mat"
    design.parent.mkdir(parents=True)
    design.touch()
    return Study(folder, ROOT / "config/nsd.yaml")


@pytest.mark.workflow
def test_a_dry_run_states_what_each_job_of_nsd_asks_for(tmp_path):
    """A workflow at its beginning but for features, whose sizes tell how long a fit takes."""
    dry = study_of_nsd(tmp_path)
    feature_files(tmp_path / "results/nsd/features/subj01", WIDTHS)
    target = f"results/nsd/significance/subj01/all/{model_name(WIDTHS)}.h5"
    slurm = ("--set-threads", "fit_encoding_models=8", "assess_significance=4", "--cores", "8")
    said = dry.snakemake("--dry-run", "--rerun-triggers", "mtime", *slurm, target).stdout
    asked = {
        rule: {name: int(n) for name, n in re.findall(r"(runtime|mem_mb)=(\d+)", text)}
        for rule, text in re.findall(r"rule (\w+):\n((?:    .*\n)*)", said)
    }
    assert asked["fit_encoding_models"] == {
        "runtime": minutes(feature_files(tmp_path / "again", WIDTHS)),
        "mem_mb": megabytes(study_of(), feature_files(tmp_path / "again", WIDTHS)),
    }
    # hours, not minutes or days
    assert 60 < asked["fit_encoding_models"]["runtime"] < 600
    assert asked["assess_significance"] == {"runtime": 30, "mem_mb": 2000}
    assert asked["average_responses"] == {"runtime": 120, "mem_mb": 3000}


@pytest.mark.parametrize("shared", [6000, 8000, 14_000, math.inf])
def test_a_fit_keeps_within_the_memory_that_all_jobs_share(shared, tmp_path):
    files, study = feature_files(tmp_path, WIDTHS), study_of()
    budget = solver_megabytes(study, part(study), files, 8, shared)
    assert budget <= 1000 * study.encoding.memory_gb
    encoding = {**study.encoding.model_dump(), "memory_gb": budget / 1000}
    asked = megabytes(study_of(encoding=encoding), files)
    assert asked <= shared
    # and takes what there is
    assert asked == pytest.approx(min(shared, megabytes(study, files)), abs=3)


@pytest.mark.workflow
def test_jobs_on_one_machine_share_its_memory_and_the_solver_keeps_to_it(tmp_path):
    """`--resources` is another limit, of all jobs together and so of each."""
    dry = study_of_nsd(tmp_path)
    files = feature_files(tmp_path / "results/nsd/features/subj01", WIDTHS)
    target = f"results/nsd/encoding/subj01/all/{model_name(WIDTHS)}.h5"
    said = dry.snakemake("--dry-run", "--rerun-triggers", "mtime", "--", target)
    *_, printed = re.findall(r"rule fit_encoding_models:\n((?:    .*\n)*)", said.stdout)
    memory = min(machine_memory() // 1_000_000, megabytes(study_of(), files, 1))
    assert re.search(rf"\bmem_mb={memory}\b", printed)
    assert re.search(r"\bsolver_mb=8000\b", printed) or memory < 14_000
    limits = ("--resources", "mem_mb=6000", "gpu=1")
    said = dry.snakemake("--dry-run", "--rerun-triggers", "mtime", *limits, "--", target)
    *_, printed = re.findall(r"rule fit_encoding_models:\n((?:    .*\n)*)", said.stdout)
    assert re.search(r"\bmem_mb=6000\b", printed)
    assert re.search(
        rf"\bsolver_mb={solver_megabytes(study_of(), part(study_of()), files, 1, 6000)}\b", printed
    )


def test_every_job_states_its_memory():
    """A job that does not is free to Snakemake."""
    for path in sorted((ROOT / "pipeline/rules").glob("*.smk")):
        _, *rules = re.split(r"^ *(?:rule|checkpoint) ", path.read_text(), flags=re.MULTILINE)
        reported = {rule.split(":")[0]: "mem_mb=" in rule for rule in rules if "shell:" in rule}
        assert all(reported.values()), reported


def test_the_memory_of_a_container_or_an_allocation_is_that_of_the_machine(tmp_path):
    group = tmp_path / "proc/self/cgroup"
    assert machine_memory(tmp_path) == machine_memory(Path("/nowhere"))
    group.parent.mkdir(parents=True)
    rewrite(group, "0::/slurm/job_7/step_0\n")
    for folder, limit in (
        ("slurm/job_7/step_0", "max"),
        ("slurm/job_7", "4000000000"),
        ("", "max"),
    ):
        reported = tmp_path / "sys/fs/cgroup" / folder / "memory.max"
        reported.parent.mkdir(parents=True, exist_ok=True)
        rewrite(reported, f"{limit}\n")
    assert machine_memory(tmp_path) == 4_000_000_000
    rewrite(group, "4:memory:/docker/a\n")
    reported = tmp_path / "sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes"
    reported.parent.mkdir(parents=True)
    rewrite(reported, "2000000000\n")
    assert machine_memory(tmp_path) == 2_000_000_000


def test_memory_is_requested_for_a_subset_that_holds_every_image():
    """A subset's share is only expected: a job must not fail where there are more images."""
    without_animals = {"subset": {"category": "animal", "present": False}}
    values = yaml.safe_load(TINY.read_text()) | {"variants": {"no_animals": without_animals}}
    study = parse_configuration(values)
    subject = subject_size(study, MANIFEST, "subj01")
    expected, most = (
        part_of(study, subject, "no_animals", 1, most=most).images for most in (False, True)
    )
    assert expected < most == subject.images
