"""Downloads from a real S3 server and a real web server, with all that goes wrong."""

from __future__ import annotations

import errno
import functools
import hashlib
import http.server
import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
import yaml
from botocore import UNSIGNED
from conftest import ENVIRON, ROOT
from moto.server import ThreadedMotoServer

from pipeline.errors import InputError
from pipeline.fetch import download as download_module
from pipeline.fetch import fetch as fetch_module
from pipeline.fetch.download import download
from pipeline.fetch.fetch import Fetcher
from pipeline.fetch.lock import LOCK_NAME
from pipeline.fetch.remotes import CHUNK, Bucket, Changed, WebServer
from pipeline.manifest import ExternalFile, Manifest, read_manifest

BUCKET = "natural-scenes-dataset"
CONTENT = {
    "nsddata/experiments/nsd/nsd_expdesign.mat": b"design" * 500,
    "nsddata/ppdata/subj01/behav/responses.tsv": b"trials" * 4000,
    "nsddata_betas/ppdata/subj01/betas_session01.hdf5": bytes(range(256)) * 9000,
    "nsddata/not_needed.bin": b"other" * 100,
}
CAPTIONS = "nsddata_stimuli/stimuli/nsd/annotations/captions_train2017.json"
QUICK = {"seconds_between": 0.0}


# ---- servers


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_address, monkeypatch):
    """A bucket with NSD's name, and a client that may write to it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_address)
    client = boto3.client(
        "s3",
        region_name="us-east-2",
        aws_access_key_id="writer",
        aws_secret_access_key="writer",
    )
    place = {"LocationConstraint": "us-east-2"}
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    for key, content in CONTENT.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=content, ACL="public-read")
    yield client
    for key in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=key["Key"])
    client.delete_bucket(Bucket=BUCKET)


class FaultyWeb:
    """A web server whose faults are set by a test; it notes the ranges that were asked for."""

    def __init__(self, content: bytes) -> None:
        self.content, self.etag = content, '"first"'
        self.asked: list[str | None] = []
        self.break_after: list[int] = []
        self.pauses: list[float] = []
        self.answers: list[int] = []
        self.knows_ranges = True
        self.announced: int | None = None
        handler = functools.partial(_Handler, self)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/file.bin"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, web: FaultyWeb, *arguments) -> None:
        self.web = web
        super().__init__(*arguments)

    def log_message(self, *arguments) -> None:
        pass

    def do_HEAD(self) -> None:
        self._head(200, self.web.announced or len(self.web.content))

    def do_GET(self) -> None:
        web = self.web
        web.asked.append(self.headers.get("Range"))
        if web.answers:
            self._head(web.answers.pop(0), 0)
            return
        condition = self.headers.get("If-Match")
        if condition and (condition != web.etag or condition.startswith("W/")):
            self._head(412, 0)
            return
        asked = self.headers.get("Range")
        start = int(asked.split("=")[1].rstrip("-")) if asked and web.knows_ranges else 0
        rest = web.content[start:]
        self._head(206 if start else 200, (web.announced or len(web.content)) - start)
        sent = web.break_after.pop(0) if web.break_after else len(rest)
        self.wfile.write(rest[:sent])
        self.wfile.flush()
        if web.pauses:
            time.sleep(web.pauses.pop(0))
        if sent < len(rest):
            self.close_connection = True

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", self.web.etag)
        self.end_headers()


@pytest.fixture
def web() -> Iterator[FaultyWeb]:
    server = FaultyWeb(os.urandom(3_000_000))
    yield server
    server.stop()


def get(web: FaultyWeb, destination: Path, remote: WebServer | None = None):
    remote = remote or WebServer()
    return download(
        remote, web.address, remote.describe(web.address), destination, seconds_between=0
    )


def resumed_at(web: FaultyWeb) -> list[int]:
    """First bytes of the ranges that were asked for."""
    return [int(asked.split("=")[1].rstrip("-")) for asked in web.asked if asked]


def manifest_of(files: list[dict], archive: str = "http://127.0.0.1:9/none.zip") -> Manifest:
    values = yaml.safe_load((ROOT / "data_manifest.yaml").read_text())
    values["sources"]["coco"]["archive"] = archive
    common = {"role": "test", "stages": ["check"], "source": "nsd"}
    return Manifest.model_validate({**values, "files": [{**common, **file} for file in files]})


def external(path: str, source: str = "nsd", alternative: str | None = None) -> ExternalFile:
    return ExternalFile(path, source, "test", ("check",), None, alternative)


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


def test_a_read_from_the_bucket_is_not_signed(s3, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    remote = Bucket(BUCKET, "us-east-2")
    assert remote._client.meta.config.signature_version is UNSIGNED
    name = next(iter(CONTENT))
    assert b"".join(remote.read(name, 3, None)) == CONTENT[name][3:]


def test_a_key_that_is_missing_is_told_and_the_rest_still_comes(s3, tmp_path):
    files = [external("nsddata/nowhere.mat"), *WANTED]
    with pytest.raises(InputError, match=r"s3://.*nowhere\.mat: there is no such file"):
        Fetcher(tmp_path, manifest_of([])).fetch(files)
    assert all((tmp_path / file.path).exists() for file in WANTED)


def test_a_download_goes_on_where_it_stopped(s3, tmp_path):
    path = "nsddata_betas/ppdata/subj01/betas_session01.hdf5"
    remote = Bucket(BUCKET, "us-east-2")
    expected = remote.describe(path)
    part = tmp_path / "betas.hdf5.part"
    part.write_bytes(CONTENT[path][:1000])
    part.with_name(part.name + ".version").write_text(f"{expected.bytes} {expected.etag}")
    starts = []
    read = remote.read
    remote.read = lambda name, start, etag: (starts.append(start), read(name, start, etag))[1]
    download(remote, path, expected, tmp_path / "betas.hdf5")
    assert starts == [1000]
    assert (tmp_path / "betas.hdf5").read_bytes() == CONTENT[path]


def test_what_began_as_another_version_starts_anew(s3, tmp_path):
    path = "nsddata/ppdata/subj01/behav/responses.tsv"
    remote = Bucket(BUCKET, "us-east-2")
    part = tmp_path / "responses.tsv.part"
    part.write_bytes(b"older" * 100)
    part.with_name(part.name + ".version").write_text("24000 older")
    download(remote, path, remote.describe(path), tmp_path / "responses.tsv")
    assert (tmp_path / "responses.tsv").read_bytes() == CONTENT[path]


def test_content_that_is_not_what_the_etag_says_is_refused(s3, tmp_path):
    path = "nsddata/ppdata/subj01/behav/responses.tsv"
    remote = Bucket(BUCKET, "us-east-2")
    expected = remote.describe(path)
    wrong = b"x" * expected.bytes
    remote.read = lambda *_: iter([wrong])
    with pytest.raises(InputError, match="is not what the server announced"):
        download(remote, path, expected, tmp_path / "responses.tsv")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changed_since_its_first_download_is_refused(s3, tmp_path):
    fetcher = Fetcher(tmp_path, manifest_of([]))
    fetcher.fetch(WANTED)
    path = WANTED[0].path
    (tmp_path / path).unlink()
    s3.put_object(Bucket=BUCKET, Key=path, Body=b"DESIGN" * 500, ACL="public-read")
    with pytest.raises(InputError, match=r"nsd_expdesign\.mat: has SHA-256 .* of its first"):
        fetcher.fetch(WANTED)
    assert not (tmp_path / path).exists()


def test_a_file_that_was_there_is_adopted_by_size_or_told_but_never_replaced(s3, tmp_path):
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


# ---- a web server


def test_a_transfer_that_breaks_off_is_taken_up_again(web, tmp_path):
    web.break_after = [1_000_000, 500_000]
    done = get(web, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == web.content
    assert done.sha256 == hashlib.sha256(web.content).hexdigest()
    first, second = resumed_at(web)
    assert 1_000_000 - CHUNK <= first <= 1_000_000
    assert first + 500_000 - CHUNK <= second <= first + 500_000


def test_a_busy_server_is_asked_again_and_a_broken_one_not_for_ever(web, tmp_path):
    web.answers = [503, 429]
    get(web, tmp_path / "file.bin")
    web.answers = [500] * 20
    with pytest.raises(InputError, match=r"broke off 6 times .*500"):
        get(web, tmp_path / "other.bin")
    assert len(web.answers) == 14


def test_a_silent_server_is_given_up_and_asked_for_the_rest(web, tmp_path):
    web.break_after, web.pauses = [700_000], [0.6]
    get(web, tmp_path / "file.bin", WebServer(silence=0.2))
    assert (tmp_path / "file.bin").read_bytes() == web.content
    (resumed,) = resumed_at(web)
    assert 700_000 - CHUNK <= resumed <= 700_000


def test_a_file_that_changes_on_the_server_is_not_mixed(web, tmp_path):
    remote = WebServer()
    expected = remote.describe(web.address)
    blocks = remote.read(web.address, 0, expected.etag)
    part = tmp_path / "file.bin.part"
    part.write_bytes(next(blocks))
    blocks.close()
    part.with_name(part.name + ".version").write_text(f"{expected.bytes} {expected.etag}")
    web.etag, web.content = '"second"', os.urandom(3_000_000)
    with pytest.raises(InputError, match="changed on the server"):
        download(remote, web.address, expected, tmp_path / "file.bin", seconds_between=0)
    get(web, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == web.content


def test_an_md5_as_etag_of_a_web_server_is_compared_with_the_content(web, tmp_path):
    web.etag = f'"{hashlib.md5(web.content).hexdigest()}"'
    assert get(web, tmp_path / "right.bin").etag == web.etag.strip('"')
    web.etag = f'"{hashlib.md5(b"other").hexdigest()}"'
    with pytest.raises(InputError, match="is not what the server announced"):
        get(web, tmp_path / "wrong.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["right.bin"]


def test_a_weak_etag_is_no_checksum_but_still_tells_a_change(web, tmp_path):
    web.etag = f'W/"{hashlib.md5(b"other").hexdigest()}"'
    web.break_after = [1_000_000]
    get(web, tmp_path / "file.bin")
    assert resumed_at(web) == [1_000_000 // CHUNK * CHUNK]
    assert (tmp_path / "file.bin").read_bytes() == web.content
    first, web.etag = web.etag, 'W/"second"'
    with pytest.raises(Changed):
        next(WebServer().read(web.address, 10, first))


def test_a_server_that_knows_no_ranges_serves_too(web, tmp_path):
    web.knows_ranges, web.break_after = False, [1_200_000]
    get(web, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == web.content


def test_a_server_that_sends_less_than_it_said_is_told(web, tmp_path):
    web.announced = 3_000_100
    with pytest.raises(InputError, match="broke off 6 times"):
        get(web, tmp_path / "file.bin", WebServer(silence=0.1))
    assert not (tmp_path / "file.bin").exists()


def test_a_full_disk_is_told_and_what_came_is_kept(web, tmp_path, monkeypatch):
    part = tmp_path / "file.bin.part"

    def refuse(path, mode):
        if part.exists() and part.stat().st_size > 1_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return open(path, mode)

    monkeypatch.setattr(download_module, "open", refuse, raising=False)
    with pytest.raises(InputError, match=r"disk is full\. Free \d+ bytes"):
        get(web, tmp_path / "file.bin")
    monkeypatch.undo()
    kept = part.stat().st_size
    assert kept > 1_000_000
    get(web, tmp_path / "file.bin")
    assert resumed_at(web) == [kept]
    assert (tmp_path / "file.bin").read_bytes() == web.content


def test_a_disk_too_small_is_told_before_anything_comes(s3, tmp_path, monkeypatch):
    usage = fetch_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(InputError, match=r"GB are to come, 0\.0 GB are free"):
        Fetcher(tmp_path, manifest_of([])).fetch(WANTED)
    assert list(tmp_path.rglob("*.part")) == []


# ---- COCO's archive


def archive_of(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_the_wanted_members_of_the_archive_are_unpacked_and_the_archive_goes(web, tmp_path):
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
    with pytest.raises(InputError, match=r"2\.0 GB are to come, 0\.1 GB are free"):
        Fetcher(tmp_path, manifest).fetch([large])
    assert web.asked == []


def test_a_disk_that_fills_while_unpacking_is_told_and_the_archive_is_kept(web, tmp_path):
    """The system refuses to let the file grow, as a full disk would."""
    web.content = archive_of({"annotations/captions_train2017.json": b" " * 1_000_000})
    limit = 100_000
    assert len(web.content) < limit
    program = (
        "import sys; from pathlib import Path; from pipeline.errors import run_stage;"
        "from pipeline.fetch.fetch import Fetcher; from test_fetch import *;"
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
    told = done.stderr.splitlines()[-1]
    assert told.startswith("error: ")
    assert "captions_train2017.json: the disk is full. Free 1000000 bytes" in told
    assert "Traceback" not in done.stderr
    assert list((tmp_path / CAPTIONS).parent.iterdir()) == []
    assert (tmp_path / "downloads/coco.zip").exists()


def test_an_archive_that_is_none_or_lacks_a_member_is_told(web, tmp_path):
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
    study = yaml.safe_load((ROOT / "config/nsd.yaml").read_text())
    study |= {"nsd": str(tmp_path / "nsd"), "subjects": ["subj01"], "nsd_terms_accepted": True}
    # nothing is downloaded for a network that is not trained
    alexnet = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    study["networks"] = {"alexnet": {**alexnet, "weights": "untrained", "seed": 0}}
    study |= {"models": ["alexnet"], "contrasts": {}}

    def run(*options: str, **changes: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.stages.fetch"]
        command += ["--manifest", str(tmp_path / "manifest.yaml")]
        command += ["--configuration", json.dumps({**study, **changes}), *options]
        environment = {**ENVIRON, "AWS_ENDPOINT_URL_S3": s3_address}
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)

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


def test_a_simulated_study_fetches_nothing(user, tmp_path):
    (tmp_path / "nsd").mkdir()
    (tmp_path / "nsd/SIMULATED.json").write_text("{}")
    done = user()
    assert "simulated; no file of NSD is fetched" in done.stdout
    assert [p.name for p in (tmp_path / "nsd").iterdir()] == ["SIMULATED.json"]


def test_a_fetch_that_is_killed_leaves_no_whole_looking_file_and_goes_on(web, tmp_path):
    web.break_after, web.pauses = [2_000_000], [30]
    program = (
        "import sys; from pathlib import Path; from pipeline.fetch.download import download;"
        "from pipeline.fetch.remotes import WebServer; remote = WebServer(); name = sys.argv[1];"
        "download(remote, name, remote.describe(name), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, web.address, str(tmp_path / "f.bin")]
    running = subprocess.Popen(command, cwd=ROOT, env=ENVIRON)
    part = tmp_path / "f.bin.part"
    while not part.exists() or part.stat().st_size < 1_000_000:
        time.sleep(0.02)
        assert running.poll() is None
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = part.stat().st_size
    assert not (tmp_path / "f.bin").exists()
    get(web, tmp_path / "f.bin")
    assert web.asked[-1] == f"bytes={kept}-"
    assert (tmp_path / "f.bin").read_bytes() == web.content


def test_snakemake_plans_the_download_of_the_real_study():
    snakemake = str(Path(sys.executable).parent / "snakemake")
    command = [snakemake, "-n", "fetch", "--configfile", "config/nsd.yaml", "--cores", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRON)
    assert done.returncode == 0, done.stderr
    assert read_manifest(ROOT / "data_manifest.yaml").files
