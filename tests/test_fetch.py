"""All files of a study from a real S3 server and a real web server, locked and verified."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import resource
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from conftest import ENVIRON, ROOT, bare
from runs import frozen
from servers import BUCKET, CONTENT

from features.checkpoints import local_weights
from pipeline.errors import InputError
from pipeline.nsd.fetch import fetch as fetch_module
from pipeline.nsd.fetch.fetch import Fetcher
from pipeline.nsd.fetch.lock import LOCK_NAME
from pipeline.nsd.fetch.remotes import Bucket
from pipeline.nsd.manifest import ExternalFile, Manifest, read_manifest

CAPTIONS = "nsddata_stimuli/stimuli/nsd/annotations/captions_train2017.json"


def manifest_of(files: list[dict], archive: str = "http://127.0.0.1:9/none.zip") -> Manifest:
    values = yaml.safe_load((ROOT / "data_manifest.yaml").read_text())
    values["sources"]["coco"]["archive"] = archive
    common = {"role": "test", "stages": ["check"], "source": "nsd"}
    return Manifest.model_validate({**values, "files": [{**common, **file} for file in files]})


def external(path: str, source: str = "nsd", alternative: str | None = None) -> ExternalFile:
    return ExternalFile(path, source, "test", None, alternative)


WANTED = [external(path) for path in CONTENT if "not_needed" not in path]


# ---- a bucket


def test_what_is_needed_comes_and_nothing_else_and_is_locked(s3, tmp_path):
    came = Fetcher(tmp_path, manifest_of([])).fetch(WANTED)
    assert sorted(came) == sorted(file.path for file in WANTED)
    for file in WANTED:
        assert (tmp_path / file.path).read_bytes() == CONTENT[file.path]
    assert not (tmp_path / "nsddata/not_needed.bin").exists()
    lock = json.loads((tmp_path / LOCK_NAME).read_text())
    for path, entry in lock.items():
        assert entry["sha256"] == hashlib.sha256(CONTENT[path]).hexdigest()
        assert entry["bytes"] == len(CONTENT[path])
        assert entry["address"] == f"s3://{BUCKET}/{path}"
    assert not list(tmp_path.rglob("*.part*"))


def test_a_second_run_downloads_nothing(s3, tmp_path, monkeypatch):
    fetcher = Fetcher(tmp_path, manifest_of([]))
    fetcher.fetch(WANTED)
    monkeypatch.setattr(Bucket, "read", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr(Bucket, "describe", lambda *_: pytest.fail("asked again"))
    assert fetcher.fetch(WANTED) == []


def test_a_key_that_is_missing_is_reported_and_the_rest_still_comes(s3, tmp_path):
    files = [external("nsddata/nowhere.mat"), *WANTED]
    with pytest.raises(InputError, match=r"s3://.*nowhere\.mat: there is no such file"):
        Fetcher(tmp_path, manifest_of([])).fetch(files)
    assert all((tmp_path / file.path).exists() for file in WANTED)


def test_a_file_that_changed_since_its_first_download_is_refused(s3, tmp_path):
    fetcher = Fetcher(tmp_path, manifest_of([]))
    fetcher.fetch(WANTED)
    path = WANTED[0].path
    (tmp_path / path).unlink()
    s3.put_object(Bucket=BUCKET, Key=path, Body=b"DESIGN" * 500, ACL="public-read")
    with pytest.raises(InputError, match=r"nsd_expdesign\.mat: has SHA-256 .* of its first"):
        fetcher.fetch(WANTED)
    assert not (tmp_path / path).exists()


def test_a_file_that_was_there_is_adopted_by_size_or_reported_but_never_replaced(s3, tmp_path):
    path = WANTED[0].path
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(CONTENT[path])
    Fetcher(tmp_path, manifest_of([])).fetch(WANTED[:1])
    assert json.loads((tmp_path / LOCK_NAME).read_text())[path]["sha256"] is None
    (tmp_path / LOCK_NAME).unlink()
    (tmp_path / path).write_bytes(b"my own")
    with pytest.raises(InputError, match=r"6 bytes, but s3://.* has 3000\. Delete or move it"):
        Fetcher(tmp_path, manifest_of([])).fetch(WANTED[:1])
    assert (tmp_path / path).read_bytes() == b"my own"


def test_verification_finds_a_byte_that_changed(s3, tmp_path):
    Fetcher(tmp_path, manifest_of([])).fetch(WANTED)
    path = tmp_path / WANTED[2].path
    content = bytearray(path.read_bytes())
    content[77] ^= 1
    path.write_bytes(content)
    assert Fetcher(tmp_path, manifest_of([])).fetch(WANTED) == []
    with pytest.raises(InputError, match=r"betas_session01\.hdf5: is not what was downloaded"):
        Fetcher(tmp_path, manifest_of([]), verify=True).fetch(WANTED)


def test_the_slower_format_that_is_there_already_serves(s3, tmp_path):
    nifti = tmp_path / "nsddata_betas/betas_session01.nii.gz"
    nifti.parent.mkdir(parents=True)
    nifti.write_bytes(b"nifti")
    alternative = "nsddata_betas/betas_session01.nii.gz"
    file = external("nsddata_betas/betas_session01.hdf5", alternative=alternative)
    assert Fetcher(tmp_path, manifest_of([])).fetch([file]) == []


def test_a_disk_too_small_is_reported_before_anything_comes(s3, tmp_path, monkeypatch):
    usage = fetch_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(InputError, match=r"GB are needed, 0\.0 GB are free"):
        Fetcher(tmp_path, manifest_of([])).fetch(WANTED)
    assert list(tmp_path.rglob("*.part")) == []


# ---- COCO's archive


def archive_of(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_the_requested_members_of_the_archive_are_unpacked_and_the_archive_goes(web, tmp_path):
    captions = json.dumps({"annotations": []}).encode() * 1000
    web.content = archive_of(
        {"annotations/captions_train2017.json": captions, "annotations/instances.json": b"{}"}
    )
    manifest = manifest_of([], archive=web.address.replace("file.bin", "coco.zip"))
    came = Fetcher(tmp_path, manifest).fetch([external(CAPTIONS, "coco")])
    assert CAPTIONS in came
    assert (tmp_path / CAPTIONS).read_bytes() == captions
    assert [p.name for p in (tmp_path / CAPTIONS).parent.iterdir()] == ["captions_train2017.json"]
    assert not (tmp_path / "downloads/coco.zip").exists()
    assert "downloads/coco.zip" in json.loads((tmp_path / LOCK_NAME).read_text())
    web.asked.clear()
    assert Fetcher(tmp_path, manifest).fetch([external(CAPTIONS, "coco")]) == []
    assert web.asked == []


def test_room_is_required_for_what_is_unpacked_too(web, tmp_path, monkeypatch):
    web.content = archive_of({"annotations/captions_train2017.json": b"{}"})
    manifest = manifest_of([], archive=web.address.replace("file.bin", "coco.zip"))
    usage = fetch_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda _: usage._replace(free=10**8))
    large = replace(external(CAPTIONS, "coco"), bytes=2 * 10**9)
    with pytest.raises(InputError, match=r"2\.0 GB are needed, 0\.1 GB are free"):
        Fetcher(tmp_path, manifest).fetch([large])
    assert web.asked == []


def test_a_disk_that_fills_while_unpacking_is_reported_and_the_archive_is_kept(web, tmp_path):
    """The system refuses to let the file grow, as a full disk would."""
    web.content = archive_of({"annotations/captions_train2017.json": b" " * 1_000_000})
    limit = 100_000
    assert len(web.content) < limit
    program = (
        "import sys; from pathlib import Path; from pipeline.errors import run_stage;"
        "from pipeline.nsd.fetch.fetch import Fetcher; from test_fetch import *;"
        "manifest = manifest_of([], archive=sys.argv[1]); files = [external(CAPTIONS, 'coco')];"
        "run_stage(lambda: Fetcher(Path(sys.argv[2]), manifest).fetch(files))"
    )
    address = web.address.replace("file.bin", "coco.zip")
    done = subprocess.run(
        [sys.executable, "-c", program, address, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**ENVIRON, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    assert done.returncode == 1
    reported = done.stderr.splitlines()[-1]
    assert reported.startswith("error: ")
    assert "captions_train2017.json: the disk is full. Free 1000000 bytes" in reported
    assert "Traceback" not in done.stderr
    assert list((tmp_path / CAPTIONS).parent.iterdir()) == []
    assert (tmp_path / "downloads/coco.zip").exists()


def test_members_of_an_archive_that_lead_out_of_their_folder_are_never_unpacked(web, tmp_path):
    captions = "annotations/captions_train2017.json"
    members = ["../outside.json", "/tmp/outside.json", "annotations/../../outside.json"]
    web.content = archive_of({**dict.fromkeys(members, b"{}"), captions: b"{}"})
    manifest = manifest_of([], archive=web.address.replace("file.bin", "coco.zip"))
    Fetcher(tmp_path / "nsd", manifest).fetch([external(CAPTIONS, "coco")])
    assert {path.name for path in tmp_path.rglob("*.json")} == {
        "captions_train2017.json",
        LOCK_NAME,
    }


def test_an_archive_that_is_none_or_lacks_a_member_is_reported(web, tmp_path):
    manifest = manifest_of([], archive=web.address.replace("file.bin", "coco.zip"))
    for content in (b"<html>sorry</html>", archive_of({"annotations/other.json": b"{}"})):
        web.content, web.etag = content, f'"{len(content)}"'
        with pytest.raises(InputError, match=r"coco\.zip: not the archive"):
            Fetcher(tmp_path, manifest).fetch([external(CAPTIONS, "coco")])
        (tmp_path / "downloads/coco.zip").unlink()
        (tmp_path / LOCK_NAME).unlink()
    assert not (tmp_path / CAPTIONS).exists()


# ---- as a user runs it


@pytest.fixture
def user(tmp_path, s3, s3_address):
    """A small manifest, a configuration, and the command that fetches."""
    files = [
        {"path": "nsddata/experiments/nsd/nsd_expdesign.mat", "bytes": 3000},
        {"path": "nsddata/ppdata/{subject}/behav/responses.tsv", "bytes": 24000},
    ]
    common = {"role": "trials", "stages": ["check"], "source": "nsd"}
    values = yaml.safe_load((ROOT / "data_manifest.yaml").read_text())
    values["files"] = [{**common, **file} for file in files]
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(values))
    study = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    study |= {"nsd": str(tmp_path / "nsd"), "subjects": ["subj01"], "nsd_terms_accepted": True}
    # nothing is downloaded for a network that is not trained
    alexnet = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    study["networks"] = {"alexnet": {**alexnet, "weights": "untrained", "seed": 0}}
    study |= {"models": ["alexnet"], "comparisons": {}}

    def run(*options: str, **changes: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.stages.fetch"]
        command += ["--manifest", str(tmp_path / "manifest.yaml")]
        command += ["--configuration", "study", *options]
        run = frozen(tmp_path, study={**study, **changes})
        environment = {**ENVIRON, **run, "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL_S3": s3_address}
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment
        )

    return run


def test_fetch_downloads_once_the_terms_are_accepted(user, tmp_path):
    refused = user(nsd_terms_accepted=False)
    assert refused.returncode == 1
    assert "naturalscenesdataset.org" in refused.stderr
    assert "nsd_terms_accepted: true" in refused.stderr
    assert not (tmp_path / "nsd").exists()
    done = user()
    assert done.returncode == 0, done.stderr
    assert "2 files came" in done.stdout
    path = "nsddata/ppdata/subj01/behav/responses.tsv"
    assert (tmp_path / "nsd" / path).read_bytes() == CONTENT[path]


def test_the_plan_prints_files_and_gigabytes_and_downloads_nothing(user, tmp_path):
    done = user("--plan", str(tmp_path / "plan.tsv"), nsd_terms_accepted=False)
    assert done.returncode == 0, done.stderr
    assert "to come" in done.stdout
    assert "not accepted yet" in done.stdout
    listed = (tmp_path / "plan.tsv").read_text().splitlines()
    assert listed[0] == "path\tsource\tbytes\tthere"
    assert listed[2] == "nsddata/ppdata/subj01/behav/responses.tsv\tnsd\t24000\tno"
    assert not (tmp_path / "nsd").exists()


@pytest.fixture
def slip(user, web, tmp_path):
    """The command that fetches for a network of a released checkpoint, and that file."""
    path = tmp_path / "weights/slip_base_25ep.pt"
    manifest = yaml.safe_load((tmp_path / "manifest.yaml").read_text())
    entry = {"library": "slip", "architecture": "ViT-B-16", "terms": "none", "bytes": 3_000_000}
    named = str(path.relative_to(tmp_path))
    manifest["weights"] = [{**entry, "path": named, "source": web.address}]
    manifest["weights_folder"] = "weights"
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    network = {"library": "slip", "architecture": "ViT-B-16", "stimulus": "image"}
    study = {
        "networks": {"mine": {**network, "weights": named}},
        "feature_spaces": {"mine": {"network": "mine", "layer": "embedding"}},
        "models": ["mine"],
    }
    return functools.partial(user, **study), path


def test_a_released_checkpoint_comes_to_where_its_network_looks(slip, web, tmp_path):
    fetch, path = slip
    with pytest.raises(ValueError, match="not found"):
        local_weights(str(path))
    planned = fetch("--plan", str(tmp_path / "plan.tsv"))
    assert f"weights of mine: {web.address}, 3 MB" in planned.stdout
    assert not path.exists()
    web.break_after = [1_000_000]
    done = fetch()
    assert done.returncode == 0, done.stderr
    assert local_weights(str(path)) == path
    assert path.read_bytes() == web.content
    locked = json.loads((path.parent / LOCK_NAME).read_text())[path.name]
    assert locked["address"] == web.address
    assert locked["bytes"] == len(web.content)
    assert locked["sha256"] == hashlib.sha256(web.content).hexdigest()
    web.asked.clear()
    assert fetch().returncode == 0
    assert web.asked == []


def test_a_checkpoint_that_is_not_what_came_first_or_was_announced_is_refused(slip, web):
    fetch, path = slip
    assert fetch().returncode == 0
    path.unlink()
    web.content, web.etag = web.content[:-1] + b"?", '"second"'
    assert "slip_base_25ep.pt: has SHA-256" in fetch().stderr
    assert not path.exists()
    path.write_bytes(b"half")
    assert "slip_base_25ep.pt: is not what was downloaded" in fetch().stderr
    (path.parent / LOCK_NAME).unlink()
    assert f"4 bytes, but {web.address} has 3000000" in fetch().stderr


def test_a_simulated_study_fetches_nothing(user, tmp_path):
    (tmp_path / "nsd").mkdir()
    (tmp_path / "nsd/SIMULATED.json").write_text("{}")
    done = user()
    assert "simulated; no file of NSD is fetched" in done.stdout
    assert [p.name for p in (tmp_path / "nsd").iterdir()] == ["SIMULATED.json"]


@pytest.mark.workflow
def test_snakemake_plans_the_download_of_the_real_study():
    snakemake = str(Path(sys.executable).parent / "snakemake")
    command = [snakemake, "-n", "fetch", "--configfile", "config/nsd.yaml", "--cores", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRON)
    assert done.returncode == 0, done.stderr
    assert read_manifest(ROOT / "data_manifest.yaml").files
