"""Integrity of results: atomic writing, and checksums by which altered or moved files are refused.

A file is written beside its destination and renamed when it is complete. Just before, its SHA-256
is written to `results/<study>/checksums/<path of the file>.sha256`: one file per result, so that
concurrent jobs never write to the same file. `SHA256SUMS` lists all of a study's in the format of
`sha256sum -c`. HDF5 results also contain checksums (`result_file.py`): they are hashed when they
are read only if their date is later than that of their checksum.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from pipeline.errors import InputError, OtherReleaseError

RESULTS, CHECKSUMS, ALL_CHECKSUMS = "results", "checksums", "SHA256SUMS"
# version of the format of results, raised when names, shapes or meanings in them change
FORMAT = 4
LINE = re.compile(r"# format (\d+)\n([0-9a-f]{64})  (.+)\n")
DELETE = "delete it and run snakemake again"


# ---- writing


@contextmanager
def atomic_path(path: Path | str, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` if the block succeeds, and removed if not.

    Parameters
    ----------
    replace : replace a file that exists at `path` by then
    """
    path = Path(path)
    with _named(path), _temporary(path) as temporary:
        yield temporary
        if not replace and path.exists():
            return
        # before the file itself, so that readers always find its checksum
        if checksum := checksum_path(path):
            with _temporary(checksum) as line:
                below_study = label(path).partition("/")[2]
                line.write_text(f"# format {FORMAT}\n{file_hash(temporary)}  {below_study}\n")
                _move(line, checksum)
        _move(temporary, path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Add the path to system errors without one, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes[-2:])
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{suffix}")
    temporary.touch()
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _move(temporary: Path, path: Path) -> None:
    with open(temporary, "rb") as written:
        os.fsync(written.fileno())
    temporary.replace(path)


def join_checksums(folder: Path) -> None:
    """Write `SHA256SUMS` of the existing files in a folder of results."""
    if not (folder / CHECKSUMS).is_dir():
        return
    with atomic_path(folder / ALL_CHECKSUMS) as temporary, open(temporary, "w") as joined:
        joined.write(f"# format {FORMAT}\n")
        for path in sorted((folder / CHECKSUMS).rglob("[!.]*.sha256")):
            line = LINE.fullmatch(path.read_text())
            if line and (folder / line[3]).is_file():
                joined.write(f"{line[2]}  {line[3]}\n")


# ---- where a file belongs


def label(path: Path | str) -> str:
    """Return a file's path below the folder of all results; its name if it lies elsewhere."""
    parts = Path(path).parts
    if RESULTS not in parts:
        return parts[-1]
    return "/".join(parts[len(parts) - parts[::-1].index(RESULTS) :])


def checksum_path(path: Path) -> Path | None:
    """Return the path of a result's checksum; None for files that are no results of a study."""
    _, _, below_study = label(path).partition("/")
    if not below_study or below_study == ALL_CHECKSUMS or below_study.startswith("runs/"):
        return None
    return path.parents[below_study.count("/")] / CHECKSUMS / f"{below_study}.sha256"


def verify_location(path: Path, written_as: str) -> None:
    """Raise if a result was moved within its study since it was written as `written_as`."""
    then, now = (location.split("/")[1:] for location in (written_as, label(path)))
    if then and now and then != now:
        raise InputError(
            f"{path}: was made as {written_as}. It was copied over the file that belongs there; "
            f"{DELETE}."
        )


# ---- reading


def require_file(path: Path) -> Path:
    """Return the path, or raise if there is no such file."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file.")
    if not path.is_file():
        raise InputError(f"{path}: not found. Run the stage that makes it: snakemake {path}")
    return path


def file_hash(path: Path | str) -> str:
    """Return the SHA-256 of a file, which is read again only if it changes."""
    path = Path(path)
    state = path.stat()
    return _read_hash(path, state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=4096)
def _read_hash(path: Path, *state: int) -> str:
    """Hash a file; `state` is part of the cache's key and differs for an altered file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hash(path: Path | str) -> str:
    """Return the SHA-256 of an input: the recorded one of a result, else that of the content."""
    return _recorded_hash(Path(path)) or file_hash(path)


def _recorded_hash(path: Path) -> str | None:
    """Return the SHA-256 with which a result was written; None if there is none."""
    checksum = checksum_path(path)
    if checksum is None or not checksum.exists():
        return None
    line = LINE.fullmatch(checksum.read_text(errors="replace"))
    if line is None:
        raise InputError(f"{path}: its checksum, {checksum}, was altered or damaged; {DELETE}.")
    if (number := int(line[1])) != FORMAT:
        raise OtherReleaseError(
            f"{path}: made by {'an earlier' if number < FORMAT else 'a later'} release, in format "
            f"{number} of results, of which this one reads {FORMAT}; read the study with the "
            f"release that made it, or {DELETE}, which makes it anew."
        )
    return line[2]


def verify_checksum(path: Path) -> None:
    """Raise if the content of a result has changed since it was written.

    Files outside the folder of results have no checksum.

    Raises
    ------
    InputError
        Missing, altered, cut short, or not written by this pipeline.
    OtherReleaseError
    """
    recorded = _recorded_hash(require_file(path))
    if recorded is None and checksum_path(path) is not None:
        raise OtherReleaseError(
            f"{path}: has no checksum ({checksum_path(path)}); an earlier release or another "
            f"program made it, so {DELETE}."
        )
    if recorded not in (None, file_hash(path)):
        raise InputError(
            f"{path}: its content is not what its checksum says. It was altered, edited by hand, "
            f"cut short, damaged on disk or copied over the file that belongs there; {DELETE} "
            "(what it should contain is said in the configuration)."
        )


def verify_unless_older(path: Path) -> None:
    """Call `verify_checksum` if a file was written to since its checksum was written.

    This avoids hashing files that contain checksums of their own.
    """
    checksum = checksum_path(require_file(path))
    if (
        checksum is None
        or _recorded_hash(path) is None
        or path.stat().st_mtime_ns > checksum.stat().st_mtime_ns
    ):
        verify_checksum(path)


def verify_inputs(path: Path, inputs: Mapping[str, Mapping[str, str]]) -> None:
    """Raise if an input of a result exists, but with other content than when it was read.

    Parameters
    ----------
    inputs : as `make_provenance` records them
    """
    for recorded in inputs.values() if "/" in label(path) else ():
        # an input without a folder is not a result
        source = path.parents[label(path).count("/")] / recorded["file"]
        exists = "/" in recorded["file"] and source.is_file()
        if exists and content_hash(source) != recorded["sha256"]:
            raise InputError(
                f"{path}: was made from another {source} than the one that is there. They come "
                "from different runs, or one was altered; delete the older one and run snakemake "
                "again."
            )
