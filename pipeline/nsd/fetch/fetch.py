"""Download the files that a study needs into an NSD folder, and checkpoints into theirs."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from tqdm import tqdm

from pipeline.errors import FULL, InputError
from pipeline.nsd.fetch.download import SECONDS_BETWEEN, download
from pipeline.nsd.fetch.lock import Lock, Locked
from pipeline.nsd.fetch.remotes import Bucket, Interrupted, Remote, RemoteFile, WebServer
from pipeline.nsd.files import UNFINISHED
from pipeline.nsd.manifest import (
    ArchiveSource,
    BucketSource,
    ExternalFile,
    Manifest,
    WeightsEntry,
)
from pipeline.results.integrity import atomic_path, file_hash

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Download:
    """A file to download: its name on the remote and below the NSD folder."""

    remote: Remote
    name: str
    path: str


@dataclass(frozen=True)
class Fetcher:
    """Downloads into one folder: NSD's, or that of checkpoints.

    Attributes
    ----------
    verify : compare existing files with the checksums of their first download
    """

    root: Path
    manifest: Manifest
    parallel: int = 4
    verify: bool = False
    seconds_between: float = SECONDS_BETWEEN
    stopped: threading.Event = field(default_factory=threading.Event)

    def fetch(self, files: Sequence[ExternalFile]) -> list[str]:
        """Download missing files, and return their paths.

        All files are tried before problems are reported.

        Raises
        ------
        InputError
            With every problem: files that cannot be downloaded, or differ from the server's or from
            their first download, or too little space.
        """
        problems: list[str] = []
        done = self._download_all(self._downloads(files), self._packed(files), problems)
        done += self._unpack(files, problems)
        return _without_problems(done, problems)

    def fetch_checkpoints(self, entries: Sequence[WeightsEntry]) -> list[str]:
        """Download checkpoints into the manifest's folder of weights; see `fetch`."""
        downloads = [
            Download(WebServer(), entry.source, str(Path(entry.path).relative_to(self.root)))
            for entry in dict.fromkeys(entries)
            if entry.path
        ]
        problems: list[str] = []
        return _without_problems(self._download_all(downloads, [], problems), problems)

    def _download_all(
        self, downloads: Sequence[Download], packed: Sequence[ExternalFile], problems: list[str]
    ) -> list[str]:
        """Download missing files, note problems, and return the paths of new files."""
        lock = Lock(self.root)
        described = self._each(lambda d: self._describe(d, lock), downloads, problems)
        missing = [(d, found) for d, found in zip(downloads, described, strict=True) if found]
        self._require_space([(d.path, found.bytes) for d, found in missing], packed)
        total = sum(found.bytes for _, found in missing)
        with tqdm(total=total, unit="B", unit_scale=True, desc="fetch") as progress:
            done = self._each(
                lambda one: self._download(*one, lock, progress.update), missing, problems
            )
        return [path for path in done if path]

    def _downloads(self, files: Sequence[ExternalFile]) -> list[Download]:
        """List files of buckets, and archives of which some member is missing."""
        remotes: dict[str, Remote] = {
            name: Bucket.of(source) if isinstance(source, BucketSource) else WebServer()
            for name, source in self.manifest.sources.items()
        }
        downloads: dict[str, Download] = {}
        for file in files:
            source = self.manifest.sources[file.source]
            if isinstance(source, BucketSource):
                if not self._alternative_is_there(file):
                    downloads[file.path] = Download(remotes[file.source], file.path, file.path)
            elif not (self.root / file.path).exists():
                path = _archive_path(source)
                downloads[path] = Download(remotes[file.source], source.archive, path)
        return list(downloads.values())

    def _alternative_is_there(self, file: ExternalFile) -> bool:
        there = file.alternative is not None and (self.root / file.alternative).exists()
        return there and not (self.root / file.path).exists()

    def _describe(self, item: Download, lock: Lock) -> RemoteFile | None:
        """Describe a missing file as the server does; None if the file exists and is right."""
        path, locked = self.root / item.path, lock.get(item.path)
        if not path.exists():
            return _patiently(item.remote.describe, item.name)
        size = path.stat().st_size
        if locked is None:
            found = _patiently(item.remote.describe, item.name)
            if size != found.bytes:
                raise InputError(
                    f"{path}: {size} bytes, but {item.remote.address(item.name)} has "
                    f"{found.bytes}. Delete or move it, and run snakemake fetch again."
                )
            address = item.remote.address(item.name)
            lock.record(item.path, Locked(address, found.bytes, found.etag, None))
            return None
        damaged = size != locked.bytes
        if self.verify and locked.sha256 and not damaged:
            damaged = file_hash(path) != locked.sha256
        if damaged:
            raise InputError(
                f"{path}: is not what was downloaded ({lock.path.name} has its size and checksum). "
                "Delete it, and run snakemake fetch again."
            )
        return None

    def _download(
        self, item: Download, found: RemoteFile, lock: Lock, progress: Callable[[int], object]
    ) -> str:
        def advance(n_bytes: int) -> None:
            if self.stopped.is_set():
                raise InputError(f"{path}: stopped; run snakemake fetch again to continue.")
            progress(n_bytes)

        path = self.root / item.path
        done = download(
            *(item.remote, item.name, found, path, advance),
            seconds_between=self.seconds_between,
        )
        address = item.remote.address(item.name)
        try:
            lock.record(item.path, Locked(address, done.bytes, done.etag, done.sha256))
        except InputError:
            path.unlink()
            raise
        return item.path

    def _unpack(self, files: Sequence[ExternalFile], problems: list[str]) -> list[str]:
        """Extract the needed members of archives, and remove archives that are no longer needed."""
        done = []
        for name, source in self.manifest.sources.items():
            if not isinstance(source, ArchiveSource):
                continue
            archive = self.root / _archive_path(source)
            if not archive.exists():
                continue
            try:
                for file in (f for f in self._packed(files) if f.source == name):
                    _extract(archive, source, self.root / file.path)
                    done.append(file.path)
                archive.unlink()
            except (KeyError, zipfile.BadZipFile, EOFError) as error:
                problems.append(
                    f"{archive}: not the archive that {source.archive} should be ({error}). Delete "
                    "it, and run snakemake fetch again."
                )
            except InputError as error:
                problems.append(str(error))
        return done

    def _packed(self, files: Sequence[ExternalFile]) -> list[ExternalFile]:
        """List members of archives that are still to be extracted."""
        return [
            file
            for file in files
            if isinstance(self.manifest.sources[file.source], ArchiveSource)
            and not (self.root / file.path).exists()
        ]

    def _require_space(
        self, sizes: Sequence[tuple[str, int]], packed: Sequence[ExternalFile]
    ) -> None:
        # an archive is removed after its members were extracted: both need space
        needed = sum(file.bytes or 0 for file in packed)
        for path, size in sizes:
            part = self.root / (path + UNFINISHED)
            needed += size - (part.stat().st_size if part.exists() else 0)
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free
        if needed > free:
            raise InputError(
                f"{self.root}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free. "
                "Free space, or name another disk as `nsd:`."
            )

    def _each(
        self, function: Callable[[T], R], items: Sequence[T], problems: list[str]
    ) -> list[R | None]:
        """Apply a function in threads; a result is None if its problem was noted."""

        def attempt(item: T) -> R | None:
            try:
                return function(item)
            except (InputError, Interrupted) as error:
                problems.append(str(error))
                return None

        with ThreadPoolExecutor(self.parallel) as threads:
            try:
                return list(threads.map(attempt, items))
            except BaseException:
                # otherwise Ctrl-C would wait for gigabytes
                self.stopped.set()
                raise


def _without_problems(paths: list[str], problems: Sequence[str]) -> list[str]:
    if problems:
        raise InputError("\n".join(problems))
    return paths


def _patiently(describe: Callable[[str], RemoteFile], name: str) -> RemoteFile:
    try:
        return describe(name)
    except Interrupted:
        return describe(name)


def _archive_path(source: ArchiveSource) -> str:
    return f"downloads/{PurePosixPath(source.archive).name}"


def _extract(archive: Path, source: ArchiveSource, destination: Path) -> None:
    # zipfile checks the member's own checksum while it reads
    with (
        zipfile.ZipFile(archive) as content,
        content.open(f"{source.folder}/{destination.name}") as member,
    ):
        try:
            with atomic_path(destination) as temporary, open(temporary, "wb") as file:
                shutil.copyfileobj(member, file)
        except OSError as error:
            if error.errno not in FULL:
                raise
            size = content.getinfo(member.name).file_size
            raise InputError(
                f"{destination}: the disk is full. Free {size} bytes and run snakemake fetch "
                f"again; it is unpacked from {archive}, which is kept."
            ) from error
