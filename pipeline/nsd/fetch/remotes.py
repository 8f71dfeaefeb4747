"""Sources of downloads: S3 buckets and web servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
import botocore.exceptions
import requests
from botocore import UNSIGNED
from botocore.config import Config

from pipeline.errors import InputError
from pipeline.nsd.manifest import BucketSource

CHUNK = 1 << 18
SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 20, 60
CONNECTIONS = 16
# errors after which another attempt may succeed
TEMPORARY_STATUS = {408, 429, 500, 502, 503, 504}
CHANGED_STATUS = {412, 416}
# OpenSSL's message about an untrusted certificate
UNVERIFIED = "CERTIFICATE_VERIFY_FAILED"
# beginning of a weak ETag, which files with different bytes may share
WEAK = "W/"


class Interrupted(Exception):
    """The transfer was interrupted or too slow; another attempt may succeed."""


class Changed(Exception):
    """The remote file changed after its beginning was downloaded."""


@dataclass(frozen=True)
class RemoteFile:
    """Size and version of a file on a server.

    Attributes
    ----------
    etag : identifies the content, None if the server sends none
    """

    bytes: int
    etag: str | None


class Remote(Protocol):
    """A source of downloads, which several threads can use."""

    def address(self, name: str) -> str:
        """Return the address of a file, for messages."""

    def describe(self, name: str) -> RemoteFile:
        """Read size and ETag of a file.

        Raises
        ------
        InputError
            There is no such file, or it may not be read.
        Interrupted
            Another attempt may succeed.
        """

    def read(self, name: str, start: int, etag: str | None) -> Iterator[bytes]:
        """Yield the content from byte `start`, of the version that `etag` identifies.

        Raises as `describe`, and `Changed` if the file has changed.
        """


class Bucket:
    """An S3 bucket, or the files below a prefix. AWS_ENDPOINT_URL_S3 names another server.

    Parameters
    ----------
    region : None for that of the environment
    signed : whether requests are signed if there are AWS credentials; otherwise they are anonymous
    """

    def __init__(
        self,
        name: str,
        region: str | None,
        silence: float = SECONDS_OF_SILENCE,
        prefix: str = "",
        signed: bool = False,
    ) -> None:
        self._name, self._start = name, f"{prefix}/" if prefix else ""
        anonymous = not signed or boto3.Session().get_credentials() is None
        settings = Config(
            signature_version=UNSIGNED if anonymous else None,
            connect_timeout=SECONDS_TO_CONNECT,
            read_timeout=silence,
            # `download` repeats attempts
            retries={"total_max_attempts": 1},
            max_pool_connections=CONNECTIONS,
        )
        self._client = boto3.client("s3", region_name=region, config=settings)

    @classmethod
    def of(cls, source: BucketSource) -> Bucket:
        """Open a bucket of the manifest."""
        return cls(source.bucket, source.region, prefix=source.prefix, signed=source.signed)

    def address(self, name: str) -> str:
        """Return the address of a file in the bucket."""
        return f"s3://{self._name}/{self._start}{name}"

    def present(self, folders: Iterable[str]) -> set[str]:
        """List the files that are directly in some folders.

        Raises
        ------
        InputError
            The bucket cannot be listed.
        """
        pages, found = self._client.get_paginator("list_objects_v2"), set()
        try:
            for folder in folders:
                below = self._start + (f"{folder}/" if folder else "")
                for page in pages.paginate(Bucket=self._name, Prefix=below, Delimiter="/"):
                    found |= {file["Key"] for file in page.get("Contents", [])}
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            raise InputError(
                f"nsd: {self.address('').rstrip('/')} cannot be listed ({error}). Check the "
                "address; AWS_ENDPOINT_URL_S3 if the server is not Amazon's; and AWS credentials "
                "if the bucket is not public."
            ) from error
        return {key.removeprefix(self._start) for key in found}

    def describe(self, name: str) -> RemoteFile:
        """Read size and ETag of a file."""
        head = self._call(self._client.head_object, name)
        return RemoteFile(head["ContentLength"], head["ETag"].strip('"'))

    def read(self, name: str, start: int, etag: str | None) -> Iterator[bytes]:
        """Yield the content from byte `start`."""
        options = {"Range": f"bytes={start}-", **({"IfMatch": etag} if etag else {})}
        body = self._call(self._client.get_object, name, **options)["Body"]
        try:
            yield from body.iter_chunks(CHUNK)
        except botocore.exceptions.BotoCoreError as error:
            raise Interrupted(str(error)) from error

    def _call(self, operation: Callable[..., Any], name: str, **options: str) -> Any:
        try:
            return operation(Bucket=self._name, Key=self._start + name, **options)
        except botocore.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise _failure(status, self.address(name)) from error
        except botocore.exceptions.BotoCoreError as error:
            raise _broken(self.address(name), error) from error


class WebServer:
    """A web server; names are complete addresses."""

    def __init__(self, silence: float = SECONDS_OF_SILENCE) -> None:
        self._timeout = SECONDS_TO_CONNECT, silence

    def address(self, name: str) -> str:
        """Return the name, which is the address."""
        return name

    def describe(self, name: str) -> RemoteFile:
        """Read size and ETag of a file."""
        with self._request("HEAD", name, {}) as response:
            if "Content-Length" not in response.headers:
                raise InputError(f"{name}: the server does not say how large it is.")
            return RemoteFile(int(response.headers["Content-Length"]), _etag(response))

    def read(self, name: str, start: int, etag: str | None) -> Iterator[bytes]:
        """Yield the content from byte `start`."""
        # by the standard, If-Match never matches a weak ETag: it is compared here
        weak = etag is not None and etag.startswith(WEAK)
        condition = {"If-Match": f'"{etag}"'} if etag and not weak else {}
        headers = {"Range": f"bytes={start}-", **condition}
        with self._request("GET", name, headers if start else {}) as response:
            to_skip = start if response.status_code == 200 else 0
            if (to_skip or (start and weak)) and _etag(response) != etag:
                raise Changed(name)
            try:
                for block in response.iter_content(CHUNK):
                    # a server without ranges sends the beginning again
                    yield block[to_skip:]
                    to_skip = max(0, to_skip - len(block))
            except requests.RequestException as error:
                raise Interrupted(f"{name}: {error}") from error

    def _request(self, method: str, name: str, headers: dict[str, str]) -> requests.Response:
        # with compression, sizes and ranges would be those of the compressed content
        headers = {"Accept-Encoding": "identity", **headers}
        try:
            response = requests.request(
                method, name, headers=headers, stream=True, timeout=self._timeout
            )
        except requests.RequestException as error:
            raise _broken(name, error) from error
        if response.status_code >= 400:
            response.close()
            raise _failure(response.status_code, name)
        return response


def _etag(response: requests.Response) -> str | None:
    """Return the ETag without quotes, as S3 does; a weak one unchanged, as it is no checksum."""
    etag = response.headers.get("ETag")
    return etag if etag is None or etag.startswith(WEAK) else etag.strip('"')


def _broken(address: str, error: Exception) -> Exception:
    """Classify a failed connection: another attempt may succeed unless the certificate is wrong."""
    if UNVERIFIED not in str(error):
        return Interrupted(f"{address}: {error}")
    return InputError(
        f"{address}: the server's certificate cannot be verified ({error}). Nothing was "
        "downloaded: another server may answer in its name, or its certificate has expired."
    )


def _failure(status: int, address: str) -> Exception:
    if status in TEMPORARY_STATUS:
        return Interrupted(f"{address}: the server answered {status}")
    if status in CHANGED_STATUS:
        return Changed(address)
    reason = {403: "access denied", 404: "there is no such file"}.get(status, f"answer {status}")
    return InputError(f"{address}: {reason}. Check its entry in data_manifest.yaml.")
