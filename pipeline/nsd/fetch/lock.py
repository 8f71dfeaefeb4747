"""Record of downloads with their checksums: data_manifest.lock.json beside the data."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.errors import InputError
from pipeline.reading import reading
from pipeline.results.metadata import write_json

LOCK_NAME = "data_manifest.lock.json"


@dataclass(frozen=True)
class Locked:
    """A file at its first download.

    Attributes
    ----------
    sha256 : None for a file that existed before, of which only the size was compared
    """

    address: str
    bytes: int
    etag: str | None
    sha256: str | None


class Lock:
    """The lock file of an NSD folder; several threads may record at once."""

    def __init__(self, root: Path) -> None:
        self.path = root / LOCK_NAME
        self._threads = threading.Lock()
        hint = "Restore it, or delete it to have every file compared with the server again."
        with reading(self.path, "not a lock file", hint):
            content = self.path.read_bytes() if self.path.exists() else b"{}"
            self._files = TypeAdapter(dict[str, Locked]).validate_json(content, strict=True)

    def get(self, name: str) -> Locked | None:
        """Return the record of a file, if there is one."""
        return self._files.get(name)

    def record(self, name: str, locked: Locked) -> None:
        """Record a file, and write the record at once.

        Raises
        ------
        InputError
            The first download of the file had another content.
        """
        with self._threads:
            first = self._files.get(name)
            if first and first.sha256 and locked.sha256 and first.sha256 != locked.sha256:
                raise InputError(
                    f"{name}: has SHA-256 {locked.sha256}, but {self.path} says {first.sha256} of "
                    "its first download: it was changed at its source. Remove its entry from the "
                    "lock file if that is right."
                )
            self._files[name] = locked
            content = {name: asdict(values) for name, values in self._files.items()}
            write_json(self.path, content)
