"""Results are whole or absent, and a file that was altered, cut short or moved is refused.

A file is written beside its destination and renamed onto it when it is whole. Just before, its
SHA-256 is written to `results/<study>/checksums/<its place>.sha256`: a file for each, so that jobs
that run at once never write to the same. `SHA256SUMS` has all of a study in the form that
`sha256sum -c` reads. HDF5 results also have checksums inside (`result_file.py`): jobs that
read them do not hash them, unless their date says that they were written to since.
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
# of all results: another whenever names, shapes or meanings in them change
FORMAT = 4
LINE = re.compile(r"# format (\d+)\n([0-9a-f]{64})  (.+)\n")
DELETE = "delete it and run snakemake again"


# ---- writing


@contextmanager
def atomic_path(path: Path | str, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` if the block ends well, and vanishes if not.

    Unless it is to `replace` what is there meanwhile: then that stays.
    """
    path = Path(path)
    with _named(path), _temporary(path) as temporary:
        yield temporary
        if not replace and path.exists():
            return
        # before the file: whoever sees it finds its checksum
        if checksum := checksum_path(path):
            with _temporary(checksum) as line:
                place = label(path).partition("/")[2]
                line.write_text(f"# format {FORMAT}\n{file_hash(temporary)}  {place}\n")
                _move(line, checksum)
        _move(temporary, path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in errors of the operating system that name none, as of a full disk."""
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
    """Write `SHA256SUMS` of the files below a folder of results that are there."""
    if not (folder / CHECKSUMS).is_dir():
        return
    with atomic_path(folder / ALL_CHECKSUMS) as temporary, open(temporary, "w") as joined:
        joined.write(f"# format {FORMAT}\n")
        for path in sorted((folder / CHECKSUMS).rglob("[!.]*.sha256")):
            told = LINE.fullmatch(path.read_text())
            if told and (folder / told[3]).is_file():
                joined.write(f"{told[2]}  {told[3]}\n")


# ---- where a file belongs


def label(path: Path | str) -> str:
    """A file's place below the folder of all results; its name if it lies elsewhere."""
    parts = Path(path).parts
    if RESULTS not in parts:
        return parts[-1]
    return "/".join(parts[len(parts) - parts[::-1].index(RESULTS) :])


def checksum_path(path: Path) -> Path | None:
    """Where the checksum of a result is; None for what is no result of a study."""
    _, _, place = label(path).partition("/")
    if not place or place == ALL_CHECKSUMS:
        return None
    return path.parents[place.count("/")] / CHECKSUMS / f"{place}.sha256"


def verify_place(path: Path, told: str) -> None:
    """Raise if a result was made as another file than it lies as, whatever the study's name."""
    made, here = (place.split("/")[1:] for place in (str(told), label(path)))
    if made and here and made != here:
        raise InputError(
            f"{path}: was made as {told}. It was copied over the file that belongs there; {DELETE}."
        )


# ---- reading


def require_there(path: Path) -> Path:
    """The path, if there is such a file."""
    if not path.is_file():
        raise InputError(f"{path}: not found. Run the stage that makes it: snakemake {path}")
    return path


def file_hash(path: Path | str) -> str:
    """SHA-256 of a file's content, read once for as long as it is not changed."""
    path = Path(path)
    state = path.stat()
    return _read_hash(path, state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=4096)
def _read_hash(path: Path, *state: int) -> str:
    """`state` tells an altered file apart."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hash(path: Path | str) -> str:
    """What others record of a file they are made of: of a result what its checksum says."""
    return _recorded_hash(Path(path)) or file_hash(path)


def _recorded_hash(path: Path) -> str | None:
    """The SHA-256 with which a result was written; None for what has none."""
    checksum = checksum_path(path)
    if checksum is None or not checksum.exists():
        return None
    told = LINE.fullmatch(checksum.read_text(errors="replace"))
    if told is None:
        raise InputError(f"{path}: its checksum, {checksum}, was altered or damaged; {DELETE}.")
    if (number := int(told[1])) != FORMAT:
        raise OtherReleaseError(
            f"{path}: made by {'an earlier' if number < FORMAT else 'a later'} release, in format "
            f"{number} of results, of which this one reads {FORMAT}; read the study with the "
            f"release that made it, or {DELETE}, which makes it anew."
        )
    return told[2]


def verify_checksum(path: Path) -> None:
    """Raise if a result is not, byte for byte, what was written.

    What lies outside of the folder of results has no checksum.

    Raises
    ------
    InputError
        Missing, altered, cut short, or not written by this pipeline.
    OtherReleaseError
    """
    told = _recorded_hash(require_there(path))
    if told is None and checksum_path(path) is not None:
        raise OtherReleaseError(
            f"{path}: has no checksum ({checksum_path(path)}); an earlier release or another "
            f"program made it, so {DELETE}."
        )
    if told not in (None, file_hash(path)):
        raise InputError(
            f"{path}: its content is not what its checksum says. It was altered, edited by hand, "
            f"cut short, damaged on disk or copied over the file that belongs there; {DELETE} "
            "(what it should contain is said in the configuration)."
        )


def verify_unless_older(path: Path) -> None:
    """`verify_checksum`, unless nobody wrote to a file since its checksum was written.

    For files that have checksums inside too: it is not read.
    """
    checksum = checksum_path(require_there(path))
    if (
        checksum is None
        or _recorded_hash(path) is None
        or path.stat().st_mtime_ns > checksum.stat().st_mtime_ns
    ):
        verify_checksum(path)


def verify_inputs(path: Path, inputs: Mapping[str, Mapping[str, str]]) -> None:
    """Raise if something that a result was made of is there, but another now.

    Parameters
    ----------
    inputs : as `make_provenance` records them
    """
    for recorded in inputs.values() if "/" in label(path) else ():
        # one without a folder is not a result
        source = path.parents[label(path).count("/")] / recorded["file"]
        there = "/" in recorded["file"] and source.is_file()
        if there and content_hash(source) != recorded["sha256"]:
            raise InputError(
                f"{path}: was made from another {source} than the one that is there. They come "
                "from different runs, or one was altered; delete the older one and run snakemake "
                "again."
            )
