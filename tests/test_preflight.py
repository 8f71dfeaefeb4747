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
from conftest import ENVIRON, ROOT, Study, bare, damaged_copy, rewrite
from runs import frozen

from features.costs import network_cost
from features.layers import Layer
from pipeline.configuration import parse_configuration, read_configuration
from pipeline.estimates import estimate_study
from pipeline.fetch.fetch import bytes_to_come
from pipeline.manifest import read_manifest, required_files
from pipeline.nsd.layout import NSDLayout
from pipeline.stages.preflight import disk_problems
from pipeline.study_size import measure_study

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
    assert "subj03: the longest fit, alexnet_vs_bert, takes 0.0 hours on 8 cores." in done.stdout
    assert "Advised: `scatter: {voxel_chunks: 1}`; configured: 1." in done.stdout
    assert counts(done.stdout, "single-trial responses") == [3, 3, 0, 0]
    assert counts(done.stdout, "captions") == [2, 2, 0, 0]


def test_missing_and_damaged_files_are_counted_and_named_with_source_and_mend(study, tmp_path):
    tree = damaged_copy(study.nsd, tmp_path)
    (tree / SESSION).unlink()
    rewrite(tree / COLOURS, "OFA\n")
    done = preflight(study, tree)
    assert done.returncode == 1
    assert counts(done.stdout, "single-trial responses") == [3, 2, 1, 0]
    assert counts(done.stdout, "ROI names") == [6, 5, 0, 1]
    text = done.stdout.replace("\n", " ")
    assert re.search(
        r"1 of 3 missing, first .*subj03.*`snakemake fetch` brings them from s3://", text
    )
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


# splits, tables of ROIs, checks and logs are not foreseen: they take less than a thousandth
DISK = {
    "simulation": ["{data}"],
    "features": ["{features}", "{results}/features"],
    "responses": ["{results}/responses"],
    "encoding": ["{results}/encoding", "{results}/predictions"],
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


@pytest.fixture(scope="module")
def estimates(study):
    configuration = read_configuration(study.configuration)
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    size, assumed = measure_study(configuration, NSDLayout(study.nsd), manifest)
    assert assumed == []
    return {estimate.stage: estimate for estimate in estimate_study(configuration, size)}


@pytest.mark.parametrize("stage", DISK)
def test_disk_is_estimated_within_five_percent_of_what_the_study_wrote(study, estimates, stage):
    places = {
        "data": study.nsd.parent,
        "results": study.results,
        "features": study.results.parent / "features/tiny",
    }
    written = bytes_on_disk([Path(folder.format(**places)) for folder in DISK[stage]])
    assert estimates[stage].disk_bytes == pytest.approx(written, rel=0.05)


def test_every_stage_is_estimated(estimates):
    assert set(estimates) == set(DISK)
    # four of all images, two of fewer
    assert estimates["encoding"].jobs == 2 * (4 + 2)
    assert all(e.core_seconds > 0 and e.memory_bytes > 0 for e in estimates.values())


def test_a_study_that_is_not_there_is_measured_by_what_nsd_has(tmp_path):
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    values |= {"models": ["alexnet"], "contrasts": {}, "nsd": str(tmp_path)}
    configuration = parse_configuration(values)
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    size, _ = measure_study(configuration, NSDLayout(tmp_path), manifest)
    assert size.subjects["subj08"].sessions == 30
    # the distinct images that NSD showed
    assert size.images == pytest.approx(70_566, rel=0.002)
    assert size.subjects["subj01"].voxels == 107_104
    assert size.subjects["subj01"].mapped == {}


def test_maps_in_further_spaces_take_disk_for_all_their_voxels_and_time(tmp_path):
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    values |= {"models": ["alexnet"], "contrasts": {}, "subjects": ["subj01"], "nsd": str(tmp_path)}
    everywhere = {"maps": {"spaces": ["nativesurface", "fsaverage", "MNI152"]}}
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    maps = []
    for changes in ({}, everywhere):
        configuration = parse_configuration({**values, **changes})
        size, _ = measure_study(configuration, NSDLayout(tmp_path), manifest)
        maps.append(estimate_study(configuration, size)[-1])
    mapped = {
        "nativesurface": 227_021 + 226_601,
        "fsaverage": 2 * 163_842,
        "MNI152": round(107_104 * 1.8**3),
    }
    assert size.subjects["subj01"].mapped == mapped
    # nine of the model and both noise ceilings, each of four bytes, of which compression leaves
    # most; surfaces are written as text, four characters for three bytes
    places = 4 / 3 * (mapped["nativesurface"] + mapped["fsaverage"]) + mapped["MNI152"]
    more = maps[1].disk_bytes - maps[0].disk_bytes
    assert more == pytest.approx((9 + 2) * 4 * places, rel=0.1)
    assert maps[1].core_seconds > maps[0].core_seconds


def test_an_archive_and_what_comes_out_of_it_are_on_the_disk_together(tmp_path):
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    study = parse_configuration({**values, "models": ["bert"], "contrasts": {}})
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    captions = [file for file in required_files(manifest, study) if file.source == "coco"]
    unpacked = sum(file.bytes for file in captions)
    archive = manifest.sources["coco"].archive_bytes
    assert bytes_to_come(captions, tmp_path, manifest) == archive + unpacked
    for file in captions:
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).touch()
    assert bytes_to_come(captions, tmp_path, manifest) == 0


def test_a_disk_is_full_of_all_that_is_to_lie_on_it(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=3e9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    results, files = ("results", tmp_path, 2e9), ("files to fetch", tmp_path / "to/come", 2e9)
    assert disk_problems([results]) == disk_problems([files]) == []
    (problem,) = disk_problems([results, files])
    assert problem.startswith(
        "disk: about 4.0 GB are needed (2.0 of results, 2.0 of files to fetch), 3.0 are free"
    )


def test_a_network_costs_what_its_layers_compute():
    """AlexNet: 0.71 billion multiplications and as many additions an image."""
    network = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    cost = network_cost({**network, "weights": "pretrained"}, [Layer("fc7")])
    assert cost.widths == {Layer("fc7"): 4096}
    assert cost.operations == pytest.approx(2 * 0.714e9, rel=0.01)
    assert cost.parameter_bytes == pytest.approx(4 * 61.1e6, rel=0.01)
