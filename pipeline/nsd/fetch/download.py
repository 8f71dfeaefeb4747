"""Downloads of single files: resumed, verified, and moved into place when complete."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import FULL, InputError
from pipeline.nsd.fetch.remotes import Changed, Interrupted, Remote, RemoteFile
from pipeline.nsd.files import UNFINISHED

ATTEMPTS = 6
SECONDS_BETWEEN = 1.0
HASH_BLOCK = 1 << 20
# the ETag of a file that was uploaded in one piece is its MD5
MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Downloaded:
    """Size, ETag and checksum of a downloaded file."""

    bytes: int
    etag: str | None
    sha256: str


def download(
    remote: Remote,
    name: str,
    expected: RemoteFile,
    destination: Path,
    progress: Callable[[int], None] = lambda _: None,
    seconds_between: float = SECONDS_BETWEEN,
) -> Downloaded:
    """Download a file to `destination`.

    The beginning is stored in `destination`.part; a later call continues it if the remote file is
    still the same. An interrupted transfer is tried again after increasing times.

    Parameters
    ----------
    expected : result of `remote.describe`
    progress : called with numbers of new bytes

    Raises
    ------
    InputError
        The transfer failed repeatedly, the remote file changed, the disk is full, or the content is
        not what the server announced.
    """
    part = _Part(destination, expected)
    progress(part.size)
    for attempt in range(ATTEMPTS):
        try:
            _receive(remote, name, expected, part, progress)
            return part.finish(remote.address(name))
        except Changed:
            progress(-part.size)
            part.discard()
            raise InputError(
                f"{remote.address(name)}: changed on the server while it was downloaded. Run "
                "snakemake fetch again."
            ) from None
        except Interrupted as error:
            reason = str(error)
            if attempt < ATTEMPTS - 1:
                time.sleep(seconds_between * 2**attempt)
    raise InputError(
        f"{remote.address(name)}: broke off {ATTEMPTS} times ({reason}). The beginning is "
        "kept; run snakemake fetch again to continue."
    )


def _receive(
    remote: Remote,
    name: str,
    expected: RemoteFile,
    part: _Part,
    progress: Callable[[int], None],
) -> None:
    if part.size < expected.bytes:
        for block in remote.read(name, part.size, expected.etag):
            part.append(block)
            progress(len(block))
    if part.size < expected.bytes:
        raise Interrupted(f"{part.size} of {expected.bytes} bytes received")


class _Part:
    """The beginning of a file, with the version of the remote file."""

    def __init__(self, destination: Path, expected: RemoteFile) -> None:
        self.destination, self.expected = destination, expected
        self.path = destination.with_name(destination.name + UNFINISHED)
        self.version = self.path.with_name(self.path.name + ".version")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        known = self.version.read_text() if self.version.exists() else None
        if known != self._version() or self.size > expected.bytes:
            self.discard()
        self.version.write_text(self._version())

    def _version(self) -> str:
        return f"{self.expected.bytes} {self.expected.etag}"

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self, block: bytes) -> None:
        try:
            with open(self.path, "ab") as file:
                file.write(block)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise InputError(
                f"{self.path}: the disk is full. Free {self.expected.bytes - self.size} bytes and "
                "run snakemake fetch again; it continues where it stopped."
            ) from error

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)

    def finish(self, address: str) -> Downloaded:
        """Verify the file, and move it into place."""
        # read the file: earlier parts count too, and the content on disk is checked
        self.path.touch()
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with open(self.path, "rb") as file:
            while block := file.read(HASH_BLOCK):
                sha256.update(block)
                md5.update(block)
            os.fsync(file.fileno())
        etag = self.expected.etag
        wrong = self.size != self.expected.bytes
        if etag and MD5.fullmatch(etag):
            wrong |= md5.hexdigest() != etag
        if wrong:
            size = self.size
            self.discard()
            raise InputError(
                f"{address}: the download ({size} bytes) is not what the server announced "
                f"({self.expected.bytes} bytes, ETag {etag}). Run snakemake fetch again."
            )
        self.path.replace(self.destination)
        self.version.unlink()
        return Downloaded(self.expected.bytes, etag, sha256.hexdigest())
