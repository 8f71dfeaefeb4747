"""A real S3 server and a real web server on loopback, whose faults a test sets."""

from __future__ import annotations

import functools
import http.server
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
from botocore.client import BaseClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer

BUCKET = "natural-scenes-dataset"
CONTENT = {
    "nsddata/experiments/nsd/nsd_expdesign.mat": b"design" * 500,
    "nsddata/ppdata/subj01/behav/responses.tsv": b"trials" * 4000,
    "nsddata_betas/ppdata/subj01/betas_session01.hdf5": bytes(range(256)) * 9000,
    "nsddata/not_needed.bin": b"other" * 100,
}


@contextmanager
def s3_server() -> Iterator[str]:
    """Address of an S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def nsd_bucket(address: str) -> Iterator[BaseClient]:
    """A client that may write to a bucket with NSD's name, in which `CONTENT` is."""
    client = boto3.client(
        "s3",
        endpoint_url=address,
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


def self_signed(path: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody but itself vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    unlocked = serialization.NoEncryption()
    kind = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, kind, unlocked)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class FaultyWeb:
    """A web server whose faults are set by a test; it notes the ranges that were asked for."""

    def __init__(self, content: bytes, certificate: Path | None = None) -> None:
        self.content, self.etag = content, '"first"'
        self.asked: list[str | None] = []
        self.break_after: list[int] = []
        self.pauses: list[float] = []
        self.answers: list[int] = []
        self.knows_ranges = True
        self.announced: int | None = None
        handler = functools.partial(_Handler, self)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        scheme = "http" if certificate is None else "https"
        self.address = f"{scheme}://127.0.0.1:{self._server.server_port}/file.bin"

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
