"""One file from a real S3 server or a real web server, with all that goes wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore import UNSIGNED
from conftest import ENVIRON, ROOT
from servers import BUCKET, CONTENT, FaultyWeb, self_signed

from pipeline.errors import InputError
from pipeline.nsd.fetch import download as download_module
from pipeline.nsd.fetch.download import download
from pipeline.nsd.fetch.remotes import CHUNK, Bucket, Changed, WebServer


def get(web: FaultyWeb, destination: Path, remote: WebServer | None = None):
    remote = remote or WebServer()
    return download(
        remote, web.address, remote.describe(web.address), destination, seconds_between=0
    )


def resumed_at(web: FaultyWeb) -> list[int]:
    """First bytes of the ranges that were asked for."""
    return [int(asked.split("=")[1].rstrip("-")) for asked in web.asked if asked]


# ---- a bucket


def test_a_read_from_the_bucket_is_not_signed(s3, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    remote = Bucket(BUCKET, "us-east-2")
    assert remote._client.meta.config.signature_version is UNSIGNED
    name = next(iter(CONTENT))
    assert b"".join(remote.read(name, 3, None)) == CONTENT[name][3:]


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


def test_a_weak_etag_is_no_checksum_but_still_shows_a_change(web, tmp_path):
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


def test_a_server_that_sends_less_than_it_said_is_reported(web, tmp_path):
    web.announced = 3_000_100
    with pytest.raises(InputError, match="broke off 6 times"):
        get(web, tmp_path / "file.bin", WebServer(silence=0.1))
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_reported_and_what_came_is_kept(web, tmp_path, monkeypatch, reason):
    part = tmp_path / "file.bin.part"

    def refuse(path, mode):
        if part.exists() and part.stat().st_size > 1_000_000:
            raise OSError(reason, os.strerror(reason))
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


def test_a_fetch_that_is_killed_leaves_no_whole_looking_file_and_goes_on(web, tmp_path):
    web.break_after, web.pauses = [2_000_000], [30]
    program = (
        "import sys; from pathlib import Path; from pipeline.nsd.fetch.download import download;"
        "from pipeline.nsd.fetch.remotes import WebServer;"
        "remote = WebServer(); name = sys.argv[1];"
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


# ---- certificates


@pytest.fixture
def impostor(tmp_path):
    """A server that answers by HTTPS with a certificate of its own making."""
    server = FaultyWeb(b"false", self_signed(tmp_path / "certificate.pem"))
    yield server
    server.stop()


def test_a_web_server_that_nobody_vouches_for_is_refused_at_once(impostor, tmp_path):
    with pytest.raises(InputError, match="certificate cannot be verified"):
        get(impostor, tmp_path / "file.bin")
    assert impostor.asked == []
    assert not (tmp_path / "file.bin").exists()


def test_a_bucket_that_nobody_vouches_for_is_refused_at_once(impostor, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", impostor.address.removesuffix("/file.bin"))
    with pytest.raises(InputError, match="certificate cannot be verified"):
        Bucket(BUCKET, "us-east-2").describe("nsddata/x")
    assert impostor.asked == []


def test_the_same_server_is_read_from_by_whoever_trusts_its_certificate(
    impostor, tmp_path, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    get(impostor, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == b"false"
