"""Before a study starts: what is there, missing, damaged, and what it will need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from conftest import ENVIRON, ROOT, TINY, Study, bare, damaged_copy, rewrite
from runs import frozen

from features.costs import network_cost
from features.layers import Layer
from pipeline.configuration.reading import parse_configuration, read_configuration
from pipeline.configuration.study import Configuration
from pipeline.estimates.resources import START, Job, estimate_study
from pipeline.estimates.study_size import FeatureSizes, feature_sizes, part_of, subject_size
from pipeline.nsd.fetch.plan import bytes_to_come
from pipeline.nsd.manifest import read_manifest, required_files
from pipeline.stages import preflight as preflight_stage
from pipeline.stages.preflight import disk_problems, memory_problems

SESSION = "nsddata_betas/ppdata/subj03/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz"
COLOURS = "nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab"


def preflight(study: Study, nsd: Path) -> subprocess.CompletedProcess[str]:
    values = yaml.safe_load(study.configuration.read_text())
    command = [sys.executable, "-m", "pipeline.stages.preflight"]
    command += ["--configuration", "study", "--manifest", str(ROOT / "data_manifest.yaml")]
    with tempfile.TemporaryDirectory() as folder:
        environ = ENVIRON | frozen(Path(folder), study={**values, "nsd": str(nsd)})
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ)


def counts(output: str, role: str) -> list[int]:
    """Numbers of files, of those there, missing and damaged, of a role's row."""
    row = next(line for line in output.splitlines() if role in line and "│" in line)
    return [int(number) for number in re.findall(r"│ +(\d+) (?=│| )", row)]


def test_a_whole_study_can_start(study):
    done = preflight(study, study.nsd)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The study can start." in done.stdout
    longest = "The longest job of a fit takes about 0.0 hours on 8 cores, with "
    assert f"{longest}`scatter: {{voxel_chunks: 1}}`; more chunks" in done.stdout
    assert counts(done.stdout, "single-trial responses") == [3, 3, 0, 0]
    assert counts(done.stdout, "captions") == [2, 2, 0, 0]


def test_missing_and_damaged_files_are_counted_and_named_with_source_and_hint(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    (tree / SESSION).unlink()
    rewrite(tree / COLOURS, "OFA\n")
    done = preflight(study, tree)
    assert done.returncode == 1
    assert counts(done.stdout, "single-trial responses") == [3, 2, 1, 0]
    assert counts(done.stdout, "ROI names") == [6, 5, 0, 1]
    text = done.stdout.replace("\n", " ")
    assert re.search(r"1 of 3 missing, first .*subj03.*`fetch` brings them from s3://", text)
    assert f"{tree / COLOURS}: line 'OFA' is not" in text
    assert "The study cannot start. Problems: 2" in text
    # even so it is told what the study will need
    assert "What study tiny will need" in done.stdout


def test_nothing_there_lists_every_role_as_missing(study, tmp_path):
    values = yaml.safe_load(study.configuration.read_text())
    values.pop("simulation")
    other = Study(tmp_path, tmp_path / "measured.yaml")
    other.configuration.write_text(yaml.safe_dump(values))
    done = preflight(other, tmp_path / "nowhere")
    assert done.returncode == 1
    # sessions are those that NSD has of subj01 and subj03
    assert counts(done.stdout, "single-trial responses") == [72, 0, 72, 0]


# splits, tables of ROIs, checks and logs are not foreseen: they take little
DISK = {
    "simulation": ["{data}"],
    "features": ["{features}", "{results}/features"],
    "responses": ["{results}/responses"],
    "encoding": ["{results}/encoding"],
    "significance": ["{results}/significance"],
    "partitions": ["{results}/partitions"],
    "analyses": [
        "{results}/" + folder
        for folder in (
            "interpretation",
            "similarities",
            "identification",
            "layers",
            "learning_curves",
        )
    ],
    "maps, tables, report": [
        "{results}/" + folder for folder in ("maps", "tables", "figures", "report")
    ],
}


def bytes_on_disk(folders: list[Path]) -> int:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


MANIFEST = read_manifest(ROOT / "data_manifest.yaml")


def estimated(study: Configuration, features: FeatureSizes) -> dict[str, list[Job]]:
    subjects = [subject_size(study, MANIFEST, subject) for subject in study.subjects]
    return estimate_study(study, subjects, features)


def disk(jobs: list[Job]) -> float:
    return sum(job.disk_bytes for job in jobs)


@pytest.fixture(scope="module")
def estimates(study):
    configuration = read_configuration(study.configuration)
    features = feature_sizes(configuration)
    assert features.assumed == []
    return estimated(configuration, features)


@pytest.mark.parametrize("stage", DISK)
def test_disk_is_estimated_within_a_factor_of_what_the_study_wrote(study, estimates, stage):
    places = {
        "data": study.nsd.parent,
        "results": study.results,
        "features": study.results.parent / "features/tiny",
    }
    written = bytes_on_disk([Path(folder.format(**places)) for folder in DISK[stage]])
    assert written / 1.5 < disk(estimates[stage]) < 1.5 * written


def test_every_stage_is_estimated(estimates):
    assert set(estimates) == {*DISK, "predictions"}
    # four of all images, two of fewer
    assert len(estimates["encoding"]) == 2 * (4 + 2)
    # for tests, identification, learning curves and preferred images
    assert len(estimates["predictions"]) == 2 * (4 + 3 + 4 + 1)
    jobs = [job for jobs in estimates.values() for job in jobs]
    assert all(job.core_seconds > 0 and job.memory_bytes > 0 for job in jobs)


def test_disk_of_predictions_is_that_of_the_subject_with_most(predicted, estimates):
    """For each that exists at the same time as much as those that are kept on request take."""
    folder = predicted.results / "predictions"
    written = max(bytes_on_disk([folder / subject]) for subject in ("subj01", "subj03"))
    reported = [job.temporary_bytes for job in estimates["predictions"] if job.temporary_bytes]
    # those that the job of the learning curves reads
    assert len(reported) == 4
    assert written / 6 / 1.5 < sum(reported) / len(reported) < written / 6 * 1.5
    assert disk(estimates["predictions"]) == 0


def nsd_study(**changes: object) -> Configuration:
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    values |= {"models": ["alexnet"], "comparisons": {}, **changes}
    return parse_configuration(values)


def test_a_study_of_nsd_is_measured_by_what_nsd_has():
    first, *_, last = [subject_size(nsd_study(), MANIFEST, f"subj0{n}") for n in range(1, 9)]
    assert (first.sessions, first.images, first.test_images) == (40, 10_000, 1000)
    assert last.sessions == 30
    assert first.voxels == 107_104
    assert first.mapped == 0


def test_maps_in_further_spaces_take_disk_for_all_their_voxels_and_time():
    study = nsd_study(subjects=["subj01"])
    everywhere = nsd_study(
        subjects=["subj01"], maps={"spaces": ["nativesurface", "fsaverage", "MNI152"]}
    )
    features = feature_sizes(study)
    fewer, more = (estimated(s, features)["maps, tables, report"] for s in (study, everywhere))
    surfaces = 227_021 + 226_601 + 2 * 163_842
    mni = round(107_104 * 1.8**3)
    assert subject_size(everywhere, MANIFEST, "subj01").mapped == surfaces + mni
    # of the model r, also where it is significant, R² and both of the noise ceiling, and the
    # ceiling, each of four bytes, of which compression leaves most; surfaces are written as text,
    # four characters for three bytes
    written = (5 + 1) * 4 * (4 / 3 * surfaces + mni)
    assert written / 1.5 < disk(more) - disk(fewer) < 1.5 * written
    seconds = [sum(job.core_seconds for job in jobs) for jobs in (fewer, more)]
    assert seconds[1] > seconds[0]


def test_maps_take_disk_by_the_number_of_quantities():
    features = feature_sizes(nsd_study())
    fewest, default, every = (
        disk(estimated(nsd_study(maps={**chosen}), features)["maps, tables, report"])
        for chosen in ({"quantities": []}, {}, {"quantities": ["all"]})
    )
    # three, five and nine of the model
    assert (every - fewest) == pytest.approx(3 * (default - fewest))


def test_more_chunks_are_more_and_shorter_jobs_of_the_same_results():
    features = feature_sizes(nsd_study(subjects=["subj01"]))
    whole, parts = (
        estimated(nsd_study(subjects=["subj01"], scatter={"voxel_chunks": n}), features)
        for n in (1, 4)
    )
    for stage in ("encoding", "significance"):
        assert len(parts[stage]) == 4 * len(whole[stage])
        assert parts[stage][0].core_seconds < whole[stage][0].core_seconds
        assert disk(parts[stage]) == pytest.approx(disk(whole[stage]), rel=0.05)


def test_a_fit_with_a_single_penalty_takes_as_long_as_one_candidate():
    """A variant has its own penalty; a search of band weights tries 20 candidates."""
    two = {"two": ["alexnet", "bert"]}
    encoding = {**nsd_study().encoding.model_dump(), "stacking": False}
    spaces = {"comparisons": two, "subjects": ["subj01"], "encoding": encoding}
    variant = {"single": {"penalty": "single", "comparisons": ["two"]}}
    banded, both = (
        estimated(study, feature_sizes(study))["encoding"]
        for study in (nsd_study(**spaces), nsd_study(**spaces, variants=variant))
    )
    # the longest is of both spaces
    joint, single = (
        max(job.core_seconds for job in jobs) - START for jobs in (banded, both[len(banded) :])
    )
    assert joint == pytest.approx(20 * single)


def subset(**settings: object) -> dict[str, object]:
    return {"subset": settings, "models": ["alexnet"]}


def test_subsets_have_the_share_of_images_that_coco_shows():
    """COCO has a person in 54 % of its images, an animal in 20 %, food in 14 %."""
    variants = {
        "person": subset(category="person"),
        "no_person": subset(category="person", present=False),
        "animal": subset(category="animal"),
        "food": subset(category="food"),
        "no_cat": subset(category="cat", present=False),
        "cat": subset(category="cat"),
        "few": {**subset(category="animal"), "training_images": 500},
    }
    study = nsd_study(variants=variants, matched_variants=[["animal", "food"]])
    subject = subject_size(study, MANIFEST, "subj01")
    parts = {name: part_of(study, subject, name, 1) for name in variants}
    assert {name: (part.images, part.test_images) for name, part in parts.items()} == {
        "person": (5400, 540),
        "no_person": (4600, 460),
        # drawn to as many images as the smaller
        "animal": (1400, 140),
        "food": (1400, 140),
        # at most so many: of single categories the share is not known
        "no_cat": (10_000, 1000),
        "cat": (2000, 200),
        "few": (500 + 200, 200),
    }
    assert part_of(study, subject, "all", 2).images == 10_000


def test_a_subset_takes_the_time_of_its_images():
    variants = {"food": subset(category="food")}
    subjects = ["subj01"]
    whole, both = (
        estimated(study, feature_sizes(study))["encoding"]
        for study in (
            nsd_study(subjects=subjects),
            nsd_study(subjects=subjects, variants=variants),
        )
    )
    (food,) = both[len(whole) :]
    # alexnet has 4,096 features: by kernels of 1,008 training images instead of features
    assert food.core_seconds < whole[0].core_seconds / 10


def test_decompositions_and_products_of_a_fit_are_counted():
    """At 102 GFLOP/s: 14 p³ and 4 p² of each held-out image; 0.4 of 21 penalties, all held out."""
    study = nsd_study(models=["bert"], subjects=["subj01"])
    subject = subject_size(study, MANIFEST, "subj01")
    (job,) = estimated(study, feature_sizes(study))["encoding"]
    p, held, folds = 768, 1800, 5
    decomposed = 14 * p**3 + 4 * held * p**2
    products = 2 * 0.4 * 21 * p * p * subject.voxels
    seconds = ((folds + 1) * decomposed + folds * products) / 102e9
    assert job.core_seconds == pytest.approx(START + 6 * 0.02 + seconds, rel=1e-3)


def test_a_gpu_does_the_operations_of_a_fit_at_its_own_rate():
    """20 TFLOP/s, which are assumed, instead of 102 GFLOP/s of a core; none without a GPU."""
    encoding = nsd_study().encoding.model_dump()
    for backend in ("auto", "torch_cuda", "numpy"):
        study = nsd_study(subjects=["subj01"], encoding={**encoding, "backend": backend})
        stages = estimated(study, feature_sizes(study))
        for job in (*stages["encoding"], *stages["predictions"]):
            projected = START + (job.core_seconds - START) * 102e9 / 20e12
            assert job.gpu_seconds == (0 if backend == "numpy" else pytest.approx(projected))


FULL_SIZE = yaml.safe_load((ROOT / "docs/full_size.yaml").read_text())


def test_estimates_are_within_a_factor_of_the_measured_study_of_nsds_size():
    study = read_configuration(ROOT / "config/full_size.yaml")
    stages = estimated(study, feature_sizes(study))
    assert list(FULL_SIZE) == list(stages)
    for stage, measured in FULL_SIZE.items():
        seconds = sum(job.core_seconds for job in stages[stage])
        # starts are most of the seconds of a short stage
        if seconds >= 10:
            assert measured["cpu_seconds"] / 1.5 < seconds < 1.5 * measured["cpu_seconds"], stage


# of each stage: CPU seconds and disk of the demo, disk of the small study
MEASURED = yaml.safe_load((ROOT / "docs/scale.yaml").read_text())


def test_estimates_are_within_a_factor_of_the_documented_runs():
    demo, small = (read_configuration(path) for path in (ROOT / "config/demo.yaml", TINY))
    of_demo, of_small = (estimated(study, feature_sizes(study)) for study in (demo, small))
    assert list(MEASURED) == list(of_demo) == list(of_small)
    for stage, runs in MEASURED.items():
        seconds = sum(job.core_seconds for job in of_demo[stage])
        of_code = [seconds, disk(of_demo[stage]) / 1e6, disk(of_small[stage]) / 1e6]
        pairs = list(zip(of_code, runs.values(), strict=True))
        # starts are most of the seconds of a short stage
        for reported, run in pairs[1:] if seconds < 10 else pairs:
            assert run is None or run / 1.5 < reported < 1.5 * run, stage


def test_an_archive_and_what_comes_out_of_it_are_on_the_disk_together(tmp_path):
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    study = parse_configuration({**values, "models": ["bert"], "comparisons": {}})
    captions = [file for file in required_files(MANIFEST, study) if file.source == "coco"]
    unpacked = sum(file.bytes for file in captions)
    archive = MANIFEST.sources["coco"].archive_bytes
    assert bytes_to_come(captions, tmp_path, MANIFEST) == archive + unpacked
    for file in captions:
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).touch()
    assert bytes_to_come(captions, tmp_path, MANIFEST) == 0


def test_a_disk_is_full_of_all_that_is_to_lie_on_it(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=3e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    results, files = ("results", tmp_path, 2e9), ("files to fetch", tmp_path / "to/come", 2e9)
    assert disk_problems([results]) == disk_problems([files]) == []
    (problem,) = disk_problems([results, files])
    assert problem.startswith(
        "disk: about 4.0 GB are needed (2.0 of results, 2.0 of files to fetch), 3.0 are free"
    )


def test_a_job_that_needs_more_memory_than_the_machine_has_is_a_problem(monkeypatch):
    monkeypatch.setattr(preflight_stage, "machine_memory", lambda: 4e9)
    jobs = [Job(memory_bytes=3e9), Job(memory_bytes=9e9)]
    assert memory_problems(jobs[:1]) == []
    (problem,) = memory_problems(jobs)
    assert problem.startswith("memory: a job needs about 9.0 GB, this machine has 4.0")


def test_a_network_costs_what_its_layers_compute():
    """AlexNet: 0.71 billion multiplications and as many additions an image."""
    network = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    cost = network_cost({**network, "weights": "pretrained"}, [Layer("fc7")])
    assert cost.widths == {Layer("fc7"): 4096}
    assert cost.operations == pytest.approx(2 * 0.714e9, rel=0.01)
    assert cost.parameter_bytes == pytest.approx(4 * 61.1e6, rel=0.01)
